"""What a version is worth on rows that it never saw, beside the baseline and the champion.

The test rows of a version are frozen with its training set, so measuring it twice gives the same
numbers, and one definition of the metrics serves every version. A champion is only ever measured
on rows that it did not learn from. What follows from the numbers is in `promotion`.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from ml_assets.evaluation import (
    Interval,
    SliceMetric,
    interval,
    measure,
    measure_slices,
)
from ml_assets.evaluation.comparison import MIN_ROWS
from ml_assets.evaluation.slices import group
from ml_assets.features import (
    SplitName,
    TrainingSet,
    load_training_set,
    training_batches,
    training_set_table,
)
from ml_assets.features.beside import columns_beside
from ml_assets.fingerprint import fingerprint, source_hash
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.bundle import Bundle, open_bundle
from ml_assets.registry.course import finite
from ml_assets.registry.releases import champion
from ml_assets.registry.trivial import baseline_answers
from ml_assets.registry.versions import ModelVersion, load_bundle, version_named
from ml_assets.storage import Home

Array = npt.NDArray[np.float64]

TRAIN_ROWS = 10_000
"""Training rows that the training error is measured on, about: a sample, by hash of the id."""

REMEMBERED = 2
"""Answers on test rows that are kept in memory: those of a challenger and of a champion."""

LEARNED: tuple[SplitName, ...] = ("train", "validation")
LABEL = "label"
ANSWER = ("answer", "lower", "upper")
PARTITION = "partition"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The measured worth of one version.

    Attributes:
        problem: Name of the problem.
        version: That was measured.
        champion: That answered at the time, if any.
        at: When.
        rows: Test rows.
        kpi: The KPI on them, with its interval; None where there are too few rows for one.
        metrics: Of whom ("test" and "train": of the version; "baseline", "champion") to metric to
            value; NaN where undefined.
        slices: The KPI first among each slice's metrics, worst slice first.
        metrics_code: Hash of what was measured and how: equal hashes can be compared.
        unchanged: Measured before, read from the store.
    """

    problem: str
    version: str
    champion: str | None
    at: dt.datetime
    rows: int
    kpi: Interval | None
    metrics: Mapping[str, Mapping[str, float]]
    slices: tuple[SliceMetric, ...]
    metrics_code: str
    unchanged: bool = False


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Test rows of a version, and what was answered for them.

    Attributes:
        keys: n rows; columns: the entity id, the event time, partition.
        y: Labels.
        challenger: Answers of the version itself; n numbers, or n rows of value, lower and upper
            end where it gives intervals.
    """

    keys: pd.DataFrame
    y: Array
    challenger: Array


def evaluate(
    problem: Problem, home: Home, version: ModelVersion | str, *, now: dt.datetime
) -> Evaluation:
    """Measure a version on its frozen test rows, and record it.

    Args:
        problem: Its configuration says which metrics and which slices.
        home: Where the version and its rows are.
        version: Which one.
        now: When it is measured.

    Returns:
        The numbers; those of an earlier measurement where nothing has changed since.

    Raises:
        ArtifactError: If the version cannot be loaded.
        TrainingError: If its rows are no longer in the lake.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    incumbent = champion(problem, home)
    code = metrics_code(problem)
    beside = incumbent.version if incumbent else None
    of_champion = tables.evaluations.c.champion.is_not_distinct_from(beside)
    known = _recorded(home, version, code, of_champion)
    if known is not None:
        return known
    measured = _measure(problem, home, version, incumbent, code=code, now=now)
    _record(home, version, measured)
    return measured


def newest_evaluation(problem: Problem, home: Home, version: ModelVersion) -> Evaluation | None:
    """What was last measured about a version by today's metrics, beside whatever champion."""
    return _recorded(home, version, metrics_code(problem))


def evaluations(problem: Problem, home: Home) -> list[Evaluation]:
    """Everything that was measured about the problem's versions, oldest first."""
    tables.prepare(home)
    table = tables.evaluations
    query = sa.select(table).where(table.c.problem == problem.name).order_by(table.c.id)
    with home.store.connect() as connection:
        return [_evaluation(row) for row in connection.execute(query).mappings()]


def metrics_code(problem: Problem) -> str:
    """Hash of the metrics and slices of the problem, and of the code that computes them."""
    return fingerprint(
        code=source_hash(measure, measure_slices, interval, baseline_answers),
        metrics=metric_names(problem),
        slices=problem.config.slices,
        baseline=problem.config.baseline,
    )


def metric_names(problem: Problem) -> list[str]:
    """The KPI, then the other metrics of the problem."""
    return list(dict.fromkeys([problem.config.kpi.metric, *problem.config.metrics]))


def answers_on_test(problem: Problem, home: Home, bundle: Bundle) -> Answers:
    """What the model of `bundle` answers on the test rows of its training set."""
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    rows = _on_test(problem, home, training_set, bundle)
    return Answers(
        keys=rows[[problem.entity_id, problem.event_time, PARTITION]],
        y=rows[LABEL].to_numpy(),
        challenger=_as_answers(rows),
    )


def answers_of_champion(
    problem: Problem, home: Home, incumbent: ModelVersion, rows: Answers, *, challenger: Bundle
) -> Array:
    """What the champion answers on those of `rows` that it has not learned from.

    With the same feature code both read the same features. With another one the champion reads
    its own, as they were stored when it was trained; that leaves rows that both held out.

    Returns:
        One answer per row; NaN where the champion has learned from the row, or has no features.
        With the ends of intervals where it gives them, as in `Answers`.
    """
    bundle = open_bundle(home.artifacts.get(incumbent.artifact), problem=None)
    learned_from = load_training_set(problem, home, incumbent.training_set)
    same_features = (
        bundle.manifest.code.features == challenger.manifest.code.features
        and bundle.manifest.signature.features == challenger.manifest.signature.features
    )
    source = challenger.manifest.data.training_set if same_features else incumbent.training_set
    training_set = load_training_set(problem, home, source)
    answered = _on_test(problem, home, training_set, bundle)
    keys = list(rows.keys.columns[:2])
    found = answered.drop_duplicates(keys)[[*keys, *answer_columns(answered)]]
    answers = _as_answers(rows.keys.merge(found, on=keys, how="left", validate="m:1"))
    answers[rows.keys[keys[0]].isin(_learned(problem, home, learned_from)).to_numpy()] = np.nan
    return answers


def slice_columns(problem: Problem, home: Home, keys: pd.DataFrame) -> Mapping[str, pd.Series]:
    """The columns that `config.yaml` slices by, for the rows with these keys.

    Args:
        problem: Its `slices.columns` are columns of the contract.
        home: Where the validated rows are.
        keys: n rows; columns: the entity id, the event time, partition.

    Returns:
        Column to n values; missing where the row is no longer among the validated ones.
    """
    names = problem.config.slices.columns
    if not names:
        return {}
    beside = columns_beside(problem, home, keys, names)
    return {name: beside.columns[name] for name in names}


def learned_slices(
    problem: Problem, home: Home, version: ModelVersion
) -> dict[str, frozenset[str]]:
    """Names of the slices, by column, of which a version had rows to learn from."""
    training_set = load_training_set(problem, home, version.training_set)
    keys = [problem.entity_id, problem.event_time]
    listed = home.lake.read(
        training_set_table(problem),
        version=training_set.version,
        columns=[*keys, "features_partition", "split"],
    ).to_pandas()
    learned = listed[listed["split"] != "test"].rename(
        columns={"features_partition": PARTITION}
    )
    rows = learned[[*keys, PARTITION]].drop_duplicates()
    columns = slice_columns(problem, home, rows)
    return {column: frozenset(group(values)[0]) for column, values in columns.items()}


def _measure(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    incumbent: ModelVersion | None,
    *,
    code: str,
    now: dt.datetime,
) -> Evaluation:
    names = metric_names(problem)
    bundle = load_bundle(problem, home, version)
    test = answers_on_test(problem, home, bundle)
    baseline = baseline_answers(problem, home, version, test.keys)
    threshold = bundle.threshold
    metrics = {
        "test": measure(names, test.y, test.challenger, threshold=threshold),
        "train": _training_metrics(problem, home, bundle, names),
        "baseline": measure(names, test.y, baseline, threshold=threshold),
    }
    if incumbent is not None and incumbent.version != version.version:
        answers = answers_of_champion(problem, home, incumbent, test, challenger=bundle)
        unseen = is_known(answers)
        if unseen.any():
            metrics["champion"] = measure(
                names,
                test.y[unseen],
                answers[unseen],
                threshold=incumbent.manifest.decides_from,
            )
    return Evaluation(
        problem=problem.name,
        version=version.version,
        champion=incumbent.version if incumbent else None,
        at=now,
        rows=len(test.y),
        kpi=interval_on_test(problem, problem.config.kpi.metric, test, threshold=threshold),
        metrics=metrics,
        slices=_slices(problem, home, test, baseline, threshold=threshold),
        metrics_code=code,
    )


def _slices(
    problem: Problem, home: Home, test: Answers, baseline: Array, *, threshold: float
) -> tuple[SliceMetric, ...]:
    """Metrics by slice; of a regression, those of the baseline beside them.

    Labels of two slices may be of different sizes, and only the baseline says what is good there.
    """
    columns = slice_columns(problem, home, test.keys)
    measured, trivial = (
        measure_slices(
            metric_names(problem),
            test.y,
            answers,
            columns,
            min_rows=problem.config.slices.min_rows,
            threshold=threshold,
        )
        for answers in (test.challenger, baseline)
    )
    if problem.config.kind == "binary":
        return measured
    beside = {(one.column, one.value): one.metrics for one in trivial}
    return tuple(one._replace(baseline=beside[one.column, one.value]) for one in measured)


def interval_on_test(
    problem: Problem, metric: str, test: Answers, *, threshold: float
) -> Interval | None:
    """A metric of a version on its test rows, with its interval; None where these are too few."""
    promotion = problem.config.promotion
    if len(test.y) < MIN_ROWS:
        return None
    return interval(
        metric,
        test.y,
        test.challenger,
        resamples=promotion.resamples,
        confidence=promotion.confidence,
        seed=problem.config.training.seed,
        threshold=threshold,
    )


def _training_metrics(
    problem: Problem, home: Home, bundle: Bundle, names: Sequence[str]
) -> dict[str, float]:
    """The training error: metrics on rows that the model learned from."""
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    share = TRAIN_ROWS / max(sum(training_set.rows.get(name, 0) for name in LEARNED), 1)
    rows = _answered(problem, home, training_set, bundle, splits=LEARNED, share=share)
    return measure(names, rows[LABEL], _as_answers(rows), threshold=bundle.threshold)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """Which model on which rows; equal questions have equal answers."""

    place: Path
    model_hash: str
    training_set: str
    problem: Problem = field(compare=False)
    home: Home = field(compare=False)
    bundle: Bundle = field(compare=False)
    rows: TrainingSet = field(compare=False)


def _on_test(
    problem: Problem, home: Home, training_set: TrainingSet, bundle: Bundle
) -> pd.DataFrame:
    """The model's answers on the test rows of a training set."""
    return _ask(
        _Question(
            place=home.path,
            model_hash=bundle.manifest.model_hash,
            training_set=training_set.id,
            problem=problem,
            home=home,
            bundle=bundle,
            rows=training_set,
        )
    )


@lru_cache(maxsize=REMEMBERED)
def _ask(question: _Question) -> pd.DataFrame:
    """Measuring and promoting ask the same; both sides of the answer are immutable."""
    return _answered(
        question.problem, question.home, question.rows, question.bundle, splits=("test",)
    )


def _answered(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    bundle: Bundle,
    *,
    splits: Sequence[SplitName],
    share: float = 1.0,
) -> pd.DataFrame:
    """Rows of a training set with the model's answers, a batch in memory at a time.

    Returns:
        n rows; columns: the entity id, the event time, partition, label, answer; and lower and
        upper where the model gives intervals.
    """
    keys = [problem.entity_id, problem.event_time, PARTITION, LABEL]
    batches = training_batches(
        problem,
        home,
        training_set,
        splits=splits,
        columns=list(bundle.manifest.signature.features),
        share=share,
    )
    answered = [batch[keys].assign(**_columns(bundle.answers(batch))) for batch in batches]
    return pd.concat(answered, ignore_index=True)


def answer_columns(answered: pd.DataFrame) -> list[str]:
    """The columns of a frame of answers that are there: without intervals only the first."""
    return [name for name in ANSWER if name in answered]


def _columns(answers: Array) -> dict[str, Array]:
    """Answers as columns of a frame."""
    rows = answers if answers.ndim > 1 else answers[:, None]
    return dict(zip(ANSWER, rows.T, strict=False))


def _as_answers(answered: pd.DataFrame) -> Array:
    """Columns of a frame as answers."""
    names = answer_columns(answered)
    found = answered[names].to_numpy(dtype=np.float64, copy=True)
    return found if len(names) > 1 else found[:, 0]


def is_known(answers: Array) -> npt.NDArray[np.bool_]:
    """Rows that have an answer."""
    return np.isfinite(answers if answers.ndim == 1 else answers[:, 0])


def _learned(problem: Problem, home: Home, training_set: TrainingSet) -> pd.Series:
    """Entity ids of the rows that a model fitted on the training set has learned from."""
    rows = _chosen(problem, home, training_set, problem.entity_id)
    return rows.loc[rows["split"] != "test", problem.entity_id]


def _chosen(
    problem: Problem, home: Home, training_set: TrainingSet, column: str
) -> pd.DataFrame:
    """One column and the split of every row of a training set."""
    return home.lake.read(
        training_set_table(problem), version=training_set.version, columns=[column, "split"]
    ).to_pandas()


def _recorded(
    home: Home, version: ModelVersion, code: str, *conditions: sa.ColumnElement[bool]
) -> Evaluation | None:
    """The newest measurement of a version by some code, if it was made."""
    tables.prepare(home)
    table = tables.evaluations
    query = (
        sa.select(table)
        .where(table.c.version == version.version, table.c.metrics_code == code)
        .where(*conditions)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    with home.store.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _evaluation(row)


def _record(home: Home, version: ModelVersion, measured: Evaluation) -> None:
    row = {
        "problem": measured.problem,
        "version": measured.version,
        "training_set": version.training_set,
        "champion": measured.champion,
        "metrics_code": measured.metrics_code,
        "at": measured.at,
        "rows": measured.rows,
        "metrics": {of: finite(values) for of, values in measured.metrics.items()},
        "slices": [
            {
                **one._asdict(),
                "metrics": finite(one.metrics),
                "baseline": finite(one.baseline),
            }
            for one in measured.slices
        ],
        "kpi": measured.kpi and finite(measured.kpi._asdict()),
    }
    with home.store.begin() as connection:
        connection.execute(sa.insert(tables.evaluations).values(row))


def _evaluation(row: sa.RowMapping) -> Evaluation:
    """A row of the table `evaluations`."""
    slices = [
        SliceMetric(
            **{
                **one,
                "metrics": from_json(one["metrics"]),
                "baseline": from_json(one.get("baseline", {})),
            }
        )
        for one in row["slices"]
    ]
    return Evaluation(
        problem=row["problem"],
        version=row["version"],
        champion=row["champion"],
        at=row["at"],
        rows=row["rows"],
        kpi=row["kpi"] and Interval(**from_json(row["kpi"])),
        metrics={of: from_json(values) for of, values in row["metrics"].items()},
        slices=tuple(slices),
        metrics_code=row["metrics_code"],
        unchanged=True,
    )


def from_json(values: Mapping[str, float | None]) -> dict[str, Any]:
    """Numbers by name, NaN where there was none."""
    return {name: math.nan if value is None else value for name, value in values.items()}
