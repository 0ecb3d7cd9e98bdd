"""A sealed batch becomes a partition of `<problem>/feedback`: rows that a model can learn from.

The rows follow from the batch's revision, the problem's code and its configuration, and from
nothing else: made again they are the same. The gate is that of the problem: when too many rows
break the feedback contract, none is written, and what was admitted of the batch before stays.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa

from ml_assets.features.feedback import feedback_table
from ml_assets.features.view import feature_recipe
from ml_assets.feedback.batches import (
    Batch,
    Member,
    members,
    prepare,
    sealed_batch,
    sealed_batches,
)
from ml_assets.feedback.log import BIG
from ml_assets.feedback.rows import hold_to_feedback_contract, set_aside
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.progress import track
from ml_assets.storage import Commit, Home, PartitionState, UTCDateTime, append_only, metadata
from ml_assets.validation.spool import Spool

ANSWERS_AT_A_TIME = 20_000
SHOWN = 3
UNREAD = {"personal", "min_batch_labels", "most_batches"}
"""Of the section `feedback`: they decide when batches are made, not what their rows are."""

feedback_verdicts = append_only(
    sa.Table(
        "feedback_verdicts",
        metadata,
        sa.Column("sequence", BIG, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("batch", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("rows_valid", sa.Integer, nullable=False),
        sa.Column("rows_quarantined", sa.Integer, nullable=False),
        sa.Column("contradictory", sa.Integer, nullable=False),
        sa.Column("unlabelled", sa.Integer, nullable=False),
        sa.Column("broken", sa.JSON, nullable=False),
        sa.Index("feedback_verdicts_of_a_batch", "problem", "batch", "sequence"),
        sqlite_autoincrement=True,
    )
)


@dataclass(frozen=True, kw_only=True)
class FeedbackPartition:
    """What became of a batch."""

    batch: str
    revision: int
    run_id: str
    at: datetime
    fingerprint: str
    """Of all that the rows follow from."""
    reasons: tuple[str, ...]
    """Why it was refused, each with its remedy; empty when it was admitted."""
    rows_valid: int
    """Written to `feedback`; 0 when it was refused."""
    rows_quarantined: int
    contradictory: int
    """Of the quarantined rows: those whose labels contradict each other."""
    unlabelled: int
    """Answers whose events say nothing about a label; in no table."""
    broken: dict[str, int]
    """Rows by the rule that they broke."""
    state: PartitionState | None = None
    """The partition in `feedback`; that of an earlier revision when it was refused."""
    unchanged: bool = False
    """Was made before, from the same things."""

    @property
    def admitted(self) -> bool:
        """Whether its valid rows are in `feedback`."""
        return not self.reasons

    @property
    def rows_in(self) -> int:
        """Answers with a label, or with several."""
        return self.rows_valid + self.rows_quarantined

    @property
    def sentence(self) -> str:
        """What became of it, for a person."""
        if self.reasons:
            return f"{self.batch} refused: {' '.join(self.reasons)}"
        again = " (unchanged)" if self.unchanged else ""
        return (
            f"{self.batch} admitted{again}: {self.rows_valid:,} labelled rows, "
            f"{self.rows_quarantined:,} quarantined ({self.contradictory:,} contradictory)."
        )


def materialize_feedback(
    problem: Problem, home: Home, batch: str, *, run_id: str, now: datetime
) -> FeedbackPartition:
    """Write the rows of a sealed batch, in its newest revision, to the lake.

    Batches that this one took in by compaction leave the lake afterwards.

    Args:
        problem: Whose batch.
        home: Where.
        batch: Its name, which is the key of the partition.
        run_id: Who asks.
        now: When.

    Raises:
        FeedbackError: If there is no such batch.
    """
    prepare(home)
    home.store.ensure(feedback_verdicts)
    sealed = sealed_batch(problem, home, batch)
    commit = Commit(
        run_id=run_id,
        # What the builder of training sets compares: features of other code are not mixed in.
        code_hash=feature_recipe(problem),
        fingerprint=feedback_fingerprint(feedback_recipe(problem), sealed),
    )
    live = home.lake.partitions(feedback_table(problem)).get(batch)
    last = feedback_partitions(problem, home).get(batch)
    if last is not None and _still_holds(last, live, commit):
        partition = replace(last, unchanged=True)
    else:
        partition = _made(problem, home, sealed, commit, live=live, now=now)
        _record(problem, home, partition)
    for name in sealed.takes_in:
        home.lake.delete(feedback_table(problem), name, commit=commit)
        home.lake.delete(quarantine_table(problem), name, commit=commit)
    return partition


def materialize_pending(
    problem: Problem, home: Home, *, run_id: str, now: datetime
) -> Iterator[FeedbackPartition]:
    """Make every partition that is missing or stale, one after the other."""
    for batch in track(list(pending_batches(problem, home)), "feedback"):
        yield materialize_feedback(problem, home, batch, run_id=run_id, now=now)


def pending_batches(problem: Problem, home: Home) -> dict[str, str]:
    """Batches whose partition is missing or stale, each with the fingerprint it will have.

    A batch that was refused is not among them until something changes that its rows follow from:
    it would be refused again. A sensor asks for one run per batch and fingerprint.
    """
    live = home.lake.partitions(feedback_table(problem))
    refused = {
        name: verdict.fingerprint
        for name, verdict in feedback_partitions(problem, home).items()
        if not verdict.admitted
    }
    recipe = feedback_recipe(problem)
    wanted = {
        batch.batch: feedback_fingerprint(recipe, batch)
        for batch in sealed_batches(problem, home)
    }
    return {
        name: made_from
        for name, made_from in wanted.items()
        if (name not in live or live[name].fingerprint != made_from)
        and refused.get(name) != made_from
    }


def feedback_partitions(problem: Problem, home: Home) -> dict[str, FeedbackPartition]:
    """The last verdict on every batch, by name."""
    home.store.ensure(feedback_verdicts)
    table = feedback_verdicts
    newest = (
        sa.select(sa.func.max(table.c.sequence))
        .where(table.c.problem == problem.name)
        .group_by(table.c.batch)
    )
    query = sa.select(table).where(table.c.sequence.in_(newest)).order_by(table.c.batch)
    live = home.lake.partitions(feedback_table(problem))
    with home.store.connect() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        del row["sequence"], row["problem"]
    return {
        row["batch"]: FeedbackPartition(
            **{**row, "reasons": tuple(row["reasons"])}, state=live.get(row["batch"])
        )
        for row in found
    }


def feedback_recipe(problem: Problem) -> str:
    """Hash of everything but the labels that rows of feedback follow from."""
    config = problem.config
    return fingerprint(
        features=feature_recipe(problem),
        contract=source_hash(problem.contract, hold_to_feedback_contract, _decide),
        rule=config.feedback.model_dump(mode="json", exclude=UNREAD),
        kind=config.kind,
        max_quarantine_rate=config.gate.max_quarantine_rate,
        source=config.source.model_dump(
            mode="json", include={"missing", "true", "false", "date_formats"}
        ),
        libraries=library_versions("pandera"),
    )


def feedback_fingerprint(recipe: str, batch: Batch) -> str:
    """Hash of everything that the rows of a batch follow from."""
    return fingerprint(recipe=recipe, labels=batch.counts.content_hash, takes_in=batch.takes_in)


def quarantine_table(problem: Problem) -> str:
    """Name of the table with the answers that are set aside."""
    return f"{problem.name}/feedback_quarantined"


def _still_holds(last: FeedbackPartition, live: PartitionState | None, commit: Commit) -> bool:
    """Whether the batch was admitted before, from the same things, and its rows are there."""
    if not last.admitted or last.fingerprint != commit.fingerprint or live is None:
        return False
    return live.fingerprint == commit.fingerprint


def _made(
    problem: Problem,
    home: Home,
    sealed: Batch,
    commit: Commit,
    *,
    live: PartitionState | None,
    now: datetime,
) -> FeedbackPartition:
    """Hold a batch to the contract and write its two halves; the broken one first."""
    with Spool() as valid, Spool() as aside, Spool() as everything:
        found = _hold(problem, home, sealed, valid=valid, aside=aside)
        reasons = _decide(problem, found)
        if reasons:
            _set_all_aside(problem, home, sealed, everything, why=" ".join(reasons))
        quarantined = everything if reasons else aside
        _quarantine(problem, home, sealed.batch, quarantined, commit)
        if not reasons:
            table = feedback_table(problem)
            live = home.lake.write(table, sealed.batch, valid.reader(), commit=commit)
        return FeedbackPartition(
            batch=sealed.batch,
            revision=sealed.revision,
            run_id=commit.run_id,
            at=now,
            fingerprint=commit.fingerprint,
            reasons=reasons,
            rows_valid=0 if reasons else valid.rows,
            rows_quarantined=quarantined.rows,
            contradictory=found.contradictory,
            unlabelled=found.unlabelled,
            broken=dict(found.broken.most_common()),
            state=live,
        )


class _Found(NamedTuple):
    """A whole batch held to the contract, without its rows."""

    rows_valid: int
    rows_broken: int
    contradictory: int
    unlabelled: int
    broken: Counter[str]


def _hold(problem: Problem, home: Home, sealed: Batch, *, valid: Spool, aside: Spool) -> _Found:
    """Hold a batch to the contract chunk by chunk, keeping its rows in the two spools."""
    broken: Counter[str] = Counter()
    contradictory = unlabelled = 0
    for some in _chunks(problem, home, sealed):
        halves = hold_to_feedback_contract(problem, some)
        valid.add(halves.valid)
        aside.add(halves.quarantined)
        broken.update(halves.broken)
        contradictory += halves.contradictory
        unlabelled += halves.unlabelled
    return _Found(valid.rows, aside.rows - contradictory, contradictory, unlabelled, broken)


def _decide(problem: Problem, found: _Found) -> tuple[str, ...]:
    """Why a batch must be refused, if it must; contradictions are the people's, not the data's."""
    rows = found.rows_valid + found.rows_broken
    allowed = problem.config.gate.max_quarantine_rate
    if found.rows_broken <= allowed * rows:
        return ()
    most = ", ".join(f"{rule} ({count:,})" for rule, count in found.broken.most_common(SHOWN))
    reason = (
        f"{found.rows_broken:,} of {rows:,} labelled rows were quarantined "
        f"({found.rows_broken / rows:.0%}, at most {allowed:.0%} allowed). Most broken: {most}. "
        "Look into feedback_quarantined: either the contract changed since these answers were "
        "given, or whoever sends feedback is wrong."
    )
    return (reason,)


def _chunks(problem: Problem, home: Home, sealed: Batch) -> Iterator[list[Member]]:
    """The answers of a batch, some thousands at a time; at least one chunk, which may be empty."""
    with home.store.connect() as connection:
        found = members(connection, problem, sealed.stretch, with_input=True)
        yield list(islice(found, ANSWERS_AT_A_TIME))
        while some := list(islice(found, ANSWERS_AT_A_TIME)):
            yield some


def _set_all_aside(
    problem: Problem, home: Home, sealed: Batch, spool: Spool, *, why: str
) -> None:
    """Every row of a refused batch with its own reasons, or else with the batch's."""
    for some in _chunks(problem, home, sealed):
        broken = hold_to_feedback_contract(problem, some).quarantined
        own = set(broken["prediction_id"].to_pylist())
        rest = [
            each for each in some if each.label.value is not None and each.answer.id not in own
        ]
        spool.add(broken)
        spool.add(set_aside(rest, [f"the batch was refused: {why}"] * len(rest)))


def _quarantine(problem: Problem, home: Home, batch: str, rows: Spool, commit: Commit) -> None:
    table = quarantine_table(problem)
    if rows.rows:
        home.lake.write(table, batch, rows.reader(), commit=commit)
    else:
        home.lake.delete(table, batch, commit=commit)


def _record(problem: Problem, home: Home, partition: FeedbackPartition) -> None:
    names = [column.name for column in feedback_verdicts.columns if column.name != "sequence"]
    values = {name: getattr(partition, name) for name in names if name != "problem"}
    with home.store.begin() as connection:
        connection.execute(
            sa.insert(feedback_verdicts).values(
                {**values, "problem": problem.name, "reasons": list(partition.reasons)}
            )
        )
