"""Is it time to train again? The problem's policy, decided from facts and written down.

`decide` is pure. Some triggers start by themselves, and then the policy says when they may:
enough new labels, something new to learn from, not too soon after the last time. The others are
reasons that a person has, and a person is not refused.
"""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from ml_assets.features.feedback import feedback_table
from ml_assets.feedback.log import BIG
from ml_assets.problem import Problem
from ml_assets.problem.config import Retraining, Trigger
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

BY_ITSELF: frozenset[Trigger] = frozenset(
    ["feedback", "schedule", "code", "drift", "performance"]
)
"""The other triggers are a person's."""

retraining_decisions = append_only(
    sa.Table(
        "retraining_decisions",
        metadata,
        sa.Column("sequence", BIG, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("retrain", sa.Boolean, nullable=False),
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("mode", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("new_labels", sa.Integer, nullable=False),
        sa.Index("retraining_decisions_of_a_problem", "problem", "sequence"),
        sqlite_autoincrement=True,
    )
)


class Facts(NamedTuple):
    """What is known when a retraining is considered."""

    new_labels: int = 0
    """By feedback, since the last training set; see `count_new_labels`."""
    new_rows: bool = False
    """Whether partitions came or changed since, of features or feedback."""
    new_code: bool = False
    """Whether code, configuration or libraries that make the model changed since."""
    last_trained_at: dt.datetime | None = None
    alert: str | None = None
    """What drifted, or which performance fell, in a sentence."""


class Decision(NamedTuple):
    """Whether to train again, and why."""

    retrain: bool
    trigger: Trigger
    reason: str
    """One sentence."""


class RecordedDecision(NamedTuple):
    """A decision as it was written down."""

    at: dt.datetime
    run_id: str
    retrain: bool
    trigger: Trigger
    mode: str
    reason: str
    new_labels: int


def decide(
    policy: Retraining,
    facts: Facts,
    trigger: Trigger,
    *,
    now: dt.datetime,
    why: str | None = None,
) -> Decision:
    """Say whether a model should be trained again.

    Args:
        policy: The problem's section `retraining`.
        facts: What is known.
        trigger: What made somebody ask.
        now: When.
        why: What a person gives as the reason.

    Example:
        >>> now = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
        >>> decide(Retraining(), Facts(new_labels=7), "feedback", now=now).reason
        '7 new labels since the last training; it takes 100.'
    """
    if trigger not in BY_ITSELF:
        return Decision(
            True, trigger, f"A person asked for it ({trigger}): {why or 'no reason given'}."
        )
    if trigger not in policy.triggers:
        listed = ", ".join(policy.triggers) or "none"
        return Decision(False, trigger, f"{trigger} is none of retraining.triggers: {listed}.")
    if (wait := _too_soon(policy, facts, now)) is not None:
        return Decision(False, trigger, wait)
    return _judged(policy, facts, trigger)


def record_decision(
    problem: Problem,
    home: Home,
    decision: Decision,
    facts: Facts,
    *,
    now: dt.datetime,
    run_id: str,
) -> None:
    """Write a decision down, whatever it is."""
    home.store.ensure(retraining_decisions)
    with home.store.begin() as connection:
        connection.execute(
            sa.insert(retraining_decisions),
            {
                **decision._asdict(),
                "problem": problem.name,
                "at": now,
                "run_id": run_id,
                "mode": problem.config.retraining.mode,
                "new_labels": facts.new_labels,
            },
        )


def decisions(problem: Problem, home: Home, *, limit: int = 100) -> list[RecordedDecision]:
    """The newest decisions, newest first."""
    home.store.ensure(retraining_decisions)
    table = retraining_decisions
    query = (
        sa.select(*(table.c[name] for name in RecordedDecision._fields))
        .where(table.c.problem == problem.name)
        .order_by(table.c.sequence.desc())
        .limit(limit)
    )
    with home.store.connect() as connection:
        return [RecordedDecision(*row) for row in connection.execute(query)]


def count_new_labels(
    problem: Problem, home: Home, *, snapshot: Mapping[str, str], version: int | None
) -> int:
    """Count labels of feedback that a training set does not have, or has otherwise.

    Args:
        problem: Whose.
        home: Where.
        snapshot: Feedback partition to content hash, as the training set names them.
        version: Of the feedback table that it read; None when there was none.
    """
    live = home.lake.partitions(feedback_table(problem))
    changed = [name for name, state in live.items() if snapshot.get(name) != state.content_hash]
    known = [name for name in changed if name in snapshot] if version is not None else []
    gone = [name for name in snapshot if name not in live] if version is not None else []
    now = _labels(problem, home, changed, version=None)
    before = _labels(problem, home, [*known, *gone], version=version)
    return len(now) - len(now.join(before, now.column_names, join_type="inner"))


def _too_soon(policy: Retraining, facts: Facts, now: dt.datetime) -> str | None:
    """Why it must wait, if it must."""
    if facts.last_trained_at is None or not policy.min_days_between:
        return None
    days = (now - facts.last_trained_at).total_seconds() / 86_400
    if days >= policy.min_days_between:
        return None
    return (
        f"The last training was {days:.1f} days ago; retraining.min_days_between is "
        f"{policy.min_days_between:g}."
    )


def _judged(policy: Retraining, facts: Facts, trigger: Trigger) -> Decision:
    """What the facts say about a trigger that may start by itself."""
    match trigger:
        case "feedback":
            needed = policy.min_new_labels
            enough = facts.new_labels >= needed
            said = f"{facts.new_labels:,} new labels since the last training"
            return Decision(
                enough, trigger, f"{said}{', enough' if enough else ''}; it takes {needed:,}."
            )
        case "code":
            said = "changed" if facts.new_code else "did not change"
            return Decision(
                facts.new_code, trigger, f"Code, configuration or libraries {said} since."
            )
        case "schedule":
            new = facts.new_rows or facts.new_code or facts.new_labels > 0
            said = "There is something new" if new else "There is nothing new"
            return Decision(new, trigger, f"{said} to learn from since the last training.")
    unchanged = {"drift": "Nothing drifted.", "performance": "Performance did not fall."}
    return Decision(facts.alert is not None, trigger, facts.alert or unchanged[trigger])


def _labels(
    problem: Problem, home: Home, partitions: list[str], *, version: int | None
) -> pa.Table:
    """Labels of some partitions by prediction, as text, so that they can be compared."""
    columns = ["prediction_id", "label", "weight"]
    if not partitions:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    rows = home.lake.read(
        feedback_table(problem), partitions=partitions, columns=columns, version=version
    )
    return pa.table({name: pc.cast(rows[name], pa.string()) for name in columns})
