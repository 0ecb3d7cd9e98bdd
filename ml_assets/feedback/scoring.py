"""Answers of the champion to whole partitions: the table `<problem>/predictions`.

They come by the same path as those of the service and are logged as those are, so that feedback may
name them; nobody has seen them yet, so silence about them says nothing. What was answered stays as
it is, with the version that answered, when the champion moves: a prediction that somebody may have
acted on is not changed after the fact. Rows that changed are answered anew, and everything is when
a person asks for it.

Rows in = predictions + quarantined, where a row goes that the model has no answer to.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from ml_assets.errors import InferenceError, InvalidRows, TableNotFound
from ml_assets.feedback.log import (
    LoggedPrediction,
    features_hash,
    input_text,
    log_predictions,
    logged_columns,
    prediction_ids,
)
from ml_assets.fingerprint import fingerprint
from ml_assets.inference import Answer, Predictor
from ml_assets.problem import Problem
from ml_assets.registry import ModelVersion
from ml_assets.storage import Commit, Home, PartitionState
from ml_assets.validation.spool import Spool

ROWS_AT_A_TIME = 5_000
UTC_TIME = pa.timestamp("us", "UTC")
Row = Mapping[str, Any]


class PredictedPartition(NamedTuple):
    """One partition of the predictions table, as it is now."""

    partition: str
    state: PartitionState
    model_version: str
    """That answered; not the champion where answers were kept."""
    rows_quarantined: int
    unchanged: bool
    """Was answered before, and is kept."""

    @property
    def rows_in(self) -> int:
        """Rows that were to be answered."""
        return self.state.rows + self.rows_quarantined


def predictions_table(problem: Problem) -> str:
    """Name of the table with the champion's answers to whole partitions."""
    return f"{problem.name}/predictions"


def unanswered_table(problem: Problem) -> str:
    """Name of the table with the rows that the model had no answer to."""
    return f"{problem.name}/predictions_quarantined"


def predict_partition(
    problem: Problem,
    home: Home,
    predictor: Predictor,
    partition: str,
    *,
    run_id: str,
    now: datetime,
    anew: bool = False,
) -> PredictedPartition:
    """Answer the rows of a validated partition, unless they are answered already.

    A run that is killed leaves answers in the log that nobody was told; the next one gives others.

    Args:
        problem: Whose.
        home: Where.
        predictor: The model that answers.
        partition: Its key.
        run_id: Who asks.
        now: When.
        anew: Answer again what another version has answered.

    Raises:
        TableNotFound: If the gate never admitted the partition.
    """
    validated = home.lake.partitions(f"{problem.name}/validated")
    if partition not in validated:
        raise TableNotFound(
            f"{problem.name}/validated has no partition {partition}, so there is nothing to "
            "answer. Materialize it first; if the gate refused it, its verdict says why."
        )
    commit = Commit(
        run_id=run_id,
        code_hash=predictor.version,
        fingerprint=answers_fingerprint(validated[partition]),
    )
    live = home.lake.partitions(predictions_table(problem)).get(partition)
    if live is not None and _still_holds(live, commit, anew=anew):
        aside = home.lake.partitions(unanswered_table(problem)).get(partition)
        quarantined = aside.rows if aside else 0
        return PredictedPartition(partition, live, live.code_hash, quarantined, unchanged=True)
    return _answered(problem, home, predictor, partition, commit=commit, now=now)


def unanswered_partitions(
    problem: Problem, home: Home, version: ModelVersion
) -> dict[str, str]:
    """Partitions that the version has not learned from and nobody has answered, as they are now.

    Returns:
        Partition to the hash of what its answers will be made from.
    """
    answered = home.lake.partitions(predictions_table(problem))
    wanted = {
        name: answers_fingerprint(state)
        for name, state in home.lake.partitions(f"{problem.name}/validated").items()
        if name not in version.manifest.data.partitions
    }
    return {
        name: made_from
        for name, made_from in wanted.items()
        if name not in answered or answered[name].fingerprint != made_from
    }


def answers_fingerprint(validated: PartitionState) -> str:
    """Hash of the rows that are answered; which version answers is the commit's code hash."""
    return fingerprint(rows=validated.content_hash)


def _still_holds(live: PartitionState, commit: Commit, *, anew: bool) -> bool:
    is_same = live.code_hash == commit.code_hash
    return live.fingerprint == commit.fingerprint and (is_same or not anew)


def _answered(
    problem: Problem,
    home: Home,
    predictor: Predictor,
    partition: str,
    *,
    commit: Commit,
    now: datetime,
) -> PredictedPartition:
    """Answer every row, log the answers, and write the two halves; the broken one first."""
    with Spool() as good, Spool() as aside:
        for rows in _rows(problem, home, predictor, partition):
            answers = _answers(predictor, rows)
            valid = [(row, each) for row, each in answers if isinstance(each, Answer)]
            broken = [(row, each) for row, each in answers if isinstance(each, str)]
            good.add(_logged(problem, home, predictor, valid, now=now))
            aside.add(_set_aside(problem, predictor, broken))
        if aside.rows:
            home.lake.write(unanswered_table(problem), partition, aside.reader(), commit=commit)
        else:
            home.lake.delete(unanswered_table(problem), partition, commit=commit)
        state = home.lake.write(
            predictions_table(problem), partition, good.reader(), commit=commit
        )
        return PredictedPartition(
            partition, state, predictor.version, aside.rows, unchanged=False
        )


def _rows(
    problem: Problem, home: Home, predictor: Predictor, partition: str
) -> Iterator[list[Row]]:
    """The rows of a partition, some thousands at a time; at least one list, which may be empty."""
    names = [problem.entity_id, problem.event_time, *predictor.inputs.columns]
    found = home.lake.batches(
        f"{problem.name}/validated",
        partitions=[partition],
        columns=list(dict.fromkeys(names)),
        rows=ROWS_AT_A_TIME,
    )
    yield []
    for batch in found:
        yield batch.to_pylist()


def _answers(predictor: Predictor, rows: Sequence[Row]) -> list[tuple[Row, Answer | str]]:
    """Each row with its answer, or with why there is none."""
    asked = [{name: row[name] for name in predictor.inputs.columns} for row in rows]
    try:
        found: Sequence[Answer | str] = list(predictor.answers(asked)) if asked else []
    except InferenceError:
        found = [_answer(predictor, each) for each in asked]
    return list(zip(rows, found, strict=True))


def _answer(predictor: Predictor, row: Row) -> Answer | str:
    try:
        return predictor.answer(row)
    except InvalidRows as error:
        return "; ".join(each.rule for each in error.broken)
    except InferenceError as error:
        return str(error)


def _logged(
    problem: Problem,
    home: Home,
    predictor: Predictor,
    answered: Sequence[tuple[Row, Answer]],
    *,
    now: datetime,
) -> pa.Table:
    """Write answers to the prediction log; returns them as rows of the table."""
    kept = logged_columns(problem)
    ids = prediction_ids(now, len(answered))
    log_predictions(
        home.store,
        [
            LoggedPrediction(
                id=id_,
                problem=problem.name,
                model_version=predictor.version,
                at=now,
                input=input_text({**row, **(answer.asked or {})}, kept),
                features_hash=features_hash(answer.features.values()),
                prediction=answer.prediction.value,
                decision=answer.prediction.decision,
                exposed=False,
                lower=interval and interval.lower,
                upper=interval and interval.upper,
            )
            for id_, (row, answer) in zip(ids, answered, strict=True)
            for interval in [answer.prediction.interval]
        ],
    )
    return pa.table(
        {
            **_keys(problem, [row for row, _ in answered]),
            "prediction_id": pa.array(ids, pa.string()),
            "prediction": pa.array([a.prediction.value for _, a in answered], pa.float64()),
            "decision": pa.array([a.prediction.decision for _, a in answered], pa.bool_()),
            "model_version": pa.array([predictor.version] * len(answered), pa.string()),
            "predicted_at": pa.array([now] * len(answered), UTC_TIME),
            **_ends(problem, [answer for _, answer in answered]),
            **_shown(problem, [answer for _, answer in answered]),
        }
    )


def _ends(problem: Problem, answers: Sequence[Answer]) -> dict[str, pa.Array]:
    """Ends of the intervals around values; no columns where the problem asks for none."""
    if problem.config.training.interval is None:
        return {}
    found = [each.prediction.interval for each in answers]
    return {
        "lower": pa.array([each and each.lower for each in found], pa.float64()),
        "upper": pa.array([each and each.upper for each in found], pa.float64()),
    }


def _shown(problem: Problem, answers: Sequence[Answer]) -> dict[str, pa.Array]:
    """What the response hook gave, as JSON; no column where there is none."""
    if problem.response_hook is None:
        return {}
    return {"shown": pa.array([orjson.dumps(a.shown).decode() for a in answers], pa.string())}


def _set_aside(
    problem: Problem, predictor: Predictor, broken: Sequence[tuple[Row, str]]
) -> pa.Table:
    """Rows without an answer, beside the reasons."""
    return pa.table(
        {
            **_keys(problem, [row for row, _ in broken]),
            "model_version": pa.array([predictor.version] * len(broken), pa.string()),
            "reasons": pa.array([why for _, why in broken], pa.string()),
        }
    )


def _keys(problem: Problem, rows: Sequence[Row]) -> dict[str, pa.Array]:
    """Which rows they are."""
    return {
        problem.entity_id: pa.array([row[problem.entity_id] for row in rows], pa.string()),
        problem.event_time: pa.array([row[problem.event_time] for row in rows], UTC_TIME),
    }
