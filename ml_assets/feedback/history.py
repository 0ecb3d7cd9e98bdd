"""What was said lately, about which answers, where it went, and how much of it comes each week."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml_assets.feedback.batches import Batch, is_in, label_wait, sealed_batches
from ml_assets.feedback.events import FeedbackEvent, events_of, feedback_events, is_taken_back
from ml_assets.feedback.labels import standing
from ml_assets.feedback.log import LoggedPrediction, in_chunks, predictions
from ml_assets.problem import Problem
from ml_assets.storage import Home

LABELS = ("label", "correction")
SIGNS = ("rating", "event")
"""Kinds of events that a label may follow from, with less weight."""


class About(NamedTuple):
    """The answer that an event is about, and where its label goes."""

    prediction: LoggedPrediction
    ripe_at: datetime
    """From when on the answer can be sealed into a batch."""
    batch: str | None
    """The batch that it was sealed into."""
    is_counted: bool
    """Whether that batch knew the event when batches were last sealed or revised."""


class Told(NamedTuple):
    """One event."""

    sequence: int
    event: FeedbackEvent
    is_taken_back: bool
    about: About | None
    """None when the answer was erased."""


class WeekOfEvents(NamedTuple):
    """How many answers something was said about in a week, and not taken back."""

    begins_on: date
    """A Monday."""
    labels: int
    """Answers that a label or correction came for."""
    signs: int
    """Answers that a rating or an event came for."""


class _Logged(NamedTuple):
    sequence: int
    prediction: LoggedPrediction


def newest_feedback(
    problem: Problem, home: Home, *, limit: int, before: int | None = None
) -> list[Told]:
    """The newest events, newest first.

    Args:
        problem: Whose.
        home: Where.
        limit: At most so many.
        before: Only those that were written before the one of this sequence.
    """
    batches = sealed_batches(problem, home)
    with home.store.connect() as connection:
        rows = connection.execute(_newest_events(problem, limit, before)).all()
        events = {row.sequence: FeedbackEvent(*row[1:]) for row in rows}
        ids = {event.prediction_id for event in events.values()}
        logged = _logged(connection, ids)
        kept = {event.id for event in standing(events_of(connection, problem, ids))}
    return [
        Told(
            sequence,
            event,
            is_taken_back=event.id not in kept,
            about=_about(problem, batches, sequence, logged.get(event.prediction_id)),
        )
        for sequence, event in events.items()
    ]


def events_by_week(
    problem: Problem, home: Home, *, now: datetime, weeks: int
) -> list[WeekOfEvents]:
    """How much was said in each of the last weeks, this one included, oldest first."""
    home.store.ensure(feedback_events)
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    begins = [monday - timedelta(weeks=back) for back in reversed(range(weeks))]
    with home.store.connect() as connection:
        return [
            WeekOfEvents(
                begin,
                labels=_count_answers(connection, problem, begin, LABELS),
                signs=_count_answers(connection, problem, begin, SIGNS),
            )
            for begin in begins
        ]


def _newest_events(problem: Problem, limit: int, before: int | None) -> sa.Select[Any]:
    e = feedback_events.c
    query = sa.select(e.sequence, *(e[name] for name in FeedbackEvent._fields))
    query = query.where(e.problem == problem.name)
    if before is not None:
        at = sa.select(e.received_at).where(e.sequence == before).scalar_subquery()
        query = query.where(e.received_at <= at, (e.received_at < at) | (e.sequence < before))
    # By time first, since the index for it begins so; sequences go the same way.
    return query.order_by(e.received_at.desc(), e.sequence.desc()).limit(limit)


def _logged(connection: sa.Connection, ids: Iterable[str]) -> dict[str, _Logged]:
    p = predictions.c
    query = sa.select(p.sequence, *(p[name] for name in LoggedPrediction._fields))
    return {
        row.id: _Logged(row.sequence, LoggedPrediction(*row[1:]))
        for some in in_chunks(ids)
        for row in connection.execute(query.where(p.id.in_(some)))
    }


def _about(
    problem: Problem, batches: Iterable[Batch], event: int, logged: _Logged | None
) -> About | None:
    """Where the label of an answer goes, as far as the event of this sequence is concerned."""
    if logged is None:
        return None
    known = list(batches)
    at = logged.prediction.at
    inside = (each.batch for each in known if is_in(each.stretch, logged.sequence, at))
    batch = next(inside, None)
    seen = max((each.stretch.events_through for each in known), default=0)
    return About(
        prediction=logged.prediction,
        ripe_at=at + label_wait(problem),
        batch=batch,
        is_counted=batch is not None and event <= seen,
    )


def _count_answers(
    connection: sa.Connection, problem: Problem, begin: date, kinds: tuple[str, ...]
) -> int:
    """Answers that events of some kinds came for in the week from `begin`."""
    e, monday = feedback_events.c, datetime.combine(begin, time(), UTC)
    query = sa.select(sa.func.count(e.prediction_id.distinct())).where(
        e.problem == problem.name,
        e.received_at >= monday,
        e.received_at < monday + timedelta(weeks=1),
        e.kind.in_(kinds),
        ~is_taken_back(),
    )
    return connection.scalar(query) or 0
