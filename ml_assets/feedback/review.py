"""Which answers a person should look at: those that nobody labelled and the model was unsure of.

The queue holds answers that somebody saw: of probabilities those closest to the threshold first, of
values those with the widest interval for their size. It is drawn from the
newest of the log, by the index that the log has for its times: an index by uncertainty would make
every request pay for a page that few people open. So it takes the same time whatever the log's
length. Labels that a reviewer gives are feedback like any other, see `events`.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from ml_assets.evaluation.thresholds import CUSTOMARY
from ml_assets.feedback.events import feedback_events, is_taken_back
from ml_assets.feedback.log import LoggedPrediction, predictions
from ml_assets.problem import Problem
from ml_assets.registry import champion
from ml_assets.storage import Home

NEWEST = 20_000
"""Answers that the queue is drawn from: more than people can review before they are old."""

OLDEST_DAYS = 30
"""Older answers are not asked about: who is asked should still be able to find out."""

UNCERTAIN_WITHIN = 0.25
"""Of the threshold, on either side; an answer further away is no close call."""

REVIEWER = "review:"
"""How the source of a reviewer's labels begins."""


class Waiting(NamedTuple):
    """An answer that waits for a label."""

    prediction: LoggedPrediction
    distance: float
    """Of its probability from the threshold; of a value, its size in widths of its interval."""


class Place(NamedTuple):
    """Where in the queue to go on."""

    distance: float
    id: str


class Queue(NamedTuple):
    """A page of answers that wait for a label."""

    waiting: tuple[Waiting, ...]
    left: int
    """In the whole queue."""
    after: Place | None
    """Where the next page begins; None when this is the last."""


def review_queue(
    problem: Problem, home: Home, *, now: datetime, limit: int, after: Place | None = None
) -> Queue:
    """A page of the queue; empty where answers have neither a threshold nor an interval.

    Args:
        problem: Whose answers.
        home: Where the log is.
        now: When.
        limit: Answers on a page.
        after: Where the page before ended.
    """
    home.store.ensure(predictions, feedback_events)
    threshold = threshold_in_force(problem, home)
    waiting = _waiting(problem, now, threshold)
    behind = sa.true() if after is None else sa.tuple_(*waiting.c[:2]) > sa.tuple_(*after)
    some = sa.select(waiting).where(behind).order_by(*waiting.c[:2]).limit(limit + 1).subquery()
    columns = [predictions.c[name] for name in LoggedPrediction._fields]
    page = (
        sa.select(some.c.distance, *columns)
        .join_from(some, predictions, predictions.c.sequence == some.c.sequence)
        .order_by(*some.c[:2])
    )
    with home.store.connect() as connection:
        left = connection.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0
        rows = connection.execute(page).all()
    found = tuple(Waiting(LoggedPrediction(*row[1:]), row[0]) for row in rows[:limit])
    is_last = len(rows) <= limit
    end = None if is_last else Place(found[-1].distance, found[-1].prediction.id)
    return Queue(found, left, end)


def threshold_in_force(problem: Problem, home: Home) -> float:
    """From which probability on the champion decides for yes."""
    answering = champion(problem, home)
    return answering.manifest.decides_from if answering else CUSTOMARY


def count_reviewed(problem: Problem, home: Home, *, since: datetime) -> int:
    """How many answers reviewers have labelled since a moment, without labels taken back."""
    home.store.ensure(feedback_events)
    e = feedback_events.c
    query = sa.select(sa.func.count(e.prediction_id.distinct())).where(
        e.problem == problem.name,
        e.received_at >= since,
        e.kind.in_(["label", "correction"]),
        e.source.startswith(REVIEWER, autoescape=True),
        ~is_taken_back(),
    )
    with home.store.connect() as connection:
        return connection.scalar(query) or 0


def _waiting(problem: Problem, now: datetime, threshold: float) -> sa.Subquery:
    """The whole queue: distance, id and sequence of every answer in it."""
    p = predictions.c
    newest = (
        sa.select(p.sequence, p.id, p.prediction, p.decision, p.exposed, p.lower, p.upper)
        .where(p.problem == problem.name)
        .where(p.at > now - timedelta(days=OLDEST_DAYS), p.at <= now)
        .order_by(p.at.desc())
        .limit(NEWEST)
        .subquery()
    )
    n = newest.c
    distance: sa.ColumnElement[float]
    unsure: sa.ColumnElement[bool]
    if problem.config.kind == "binary":
        distance = sa.func.abs(n.prediction - threshold)
        unsure = n.decision.is_not(None) & (distance <= UNCERTAIN_WITHIN)
    else:
        distance = sa.type_coerce(sa.func.abs(n.prediction) / (n.upper - n.lower), sa.Double)
        unsure = n.upper > n.lower
    return (
        sa.select(distance.label("distance"), n.id, n.sequence)
        .where(n.exposed, unsure)
        .where(~_is_labelled(n.id, problem))
        .subquery()
    )


def _is_labelled(prediction_id: sa.ColumnElement[str], problem: Problem) -> sa.Exists:
    """Whether somebody said what came of an answer, and did not take it back."""
    e = feedback_events.c
    return sa.exists().where(
        e.prediction_id == prediction_id,
        e.problem == problem.name,
        e.kind.in_(["label", "correction"]),
        ~is_taken_back(),
    )
