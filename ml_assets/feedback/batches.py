"""Stretches of the prediction log that are old enough to learn from: feedback batches.

Sealing closes what has passed its label delay, and every implicit window, into one batch. A batch
is not a list of predictions but the part of the log between two corners: it has the answers that
were logged and given until its own corner, without those until the corner of the batch before. The
corners only ever move on, so each answer is in exactly one batch, whenever it was written down, and
sealing a million answers writes one line.

What is known about the answers of a batch may still change: a label comes late, or is corrected.
The next sealing finds that and writes a new revision of the batch, with a new content hash. So the
batches, and the labels in them, do not depend on the order in which events came. Their rows are
made in `materialize`; a batch that was refused there is none the less sealed.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml_assets.errors import FeedbackError
from ml_assets.feedback.events import FeedbackEvent, feedback_events
from ml_assets.feedback.labels import Answer, Label, label_of
from ml_assets.feedback.log import BIG, predictions
from ml_assets.problem import Problem
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

ATTEMPTS = 5
BATCHES_PER_DAY = 999
"""Three digits, so that batches sort by name. Dagster bears 36,000 partitions in all."""

ROWS_AT_A_TIME = 5_000
EVENT_AT = len(Answer._fields) + 2
"""Where the columns of the event begin, after those of the answer, its version and its input."""

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)

feedback_batches = append_only(
    sa.Table(
        "feedback_batches",
        metadata,
        sa.Column("sequence", BIG, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("batch", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sealed_at", UTCDateTime, nullable=False),
        sa.Column("logged_after", BIG, nullable=False),
        sa.Column("logged_through", BIG, nullable=False),
        sa.Column("predicted_after", UTCDateTime, nullable=False),
        sa.Column("predicted_until", UTCDateTime, nullable=False),
        sa.Column("events_through", BIG, nullable=False),
        sa.Column("labels", sa.Integer, nullable=False),
        sa.Column("contradictory", sa.Integer, nullable=False),
        sa.Column("unlabelled", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.String(32), nullable=False),
        sa.Column("takes_in", sa.JSON, nullable=False),
        sa.UniqueConstraint("problem", "batch", "revision"),
        sqlite_autoincrement=True,
    )
)


class Stretch(NamedTuple):
    """A part of the prediction log, and how many events are known about it."""

    logged_after: int
    logged_through: int
    predicted_after: datetime
    predicted_until: datetime
    events_through: int


class Counts(NamedTuple):
    """What the answers of a batch came to."""

    labels: int
    contradictory: int
    """Answers whose events contradict each other."""
    unlabelled: int
    """Answers with events that say nothing about a label."""
    content_hash: str
    """Of the labels and their weights, by prediction; not of the events."""


class Batch(NamedTuple):
    """A sealed batch, in its newest revision."""

    batch: str
    """Its name, and the key of its partition: the day it was sealed and a number."""
    revision: int
    sealed_at: datetime
    stretch: Stretch
    counts: Counts
    takes_in: tuple[str, ...] = ()
    """Older batches that were compacted into this one."""


class Sealing(NamedTuple):
    """What sealing found."""

    sealed: Batch | None
    revised: tuple[Batch, ...]
    reason: str
    """One sentence, for a sensor that has to say why it did nothing, or what it did."""


class Unsealed(NamedTuple):
    """What is not in a batch yet."""

    predictions: int
    with_events: int
    ripe: int
    """Have passed their label delay and every implicit window."""
    next_ripe_at: datetime | None
    """When the oldest of the others will have; None when there are none."""


class Known(NamedTuple):
    """The batches there are, and a number that changes when they do."""

    batches: tuple[Batch, ...]
    sequence: int

    @property
    def corner(self) -> tuple[int, datetime]:
        """Until where the log is in batches."""
        if not self.batches:
            return 0, BEFORE_ALL
        newest = self.batches[-1].stretch
        return newest.logged_through, newest.predicted_until

    @property
    def events_through(self) -> int:
        """Events that were considered by the last sealing that found something."""
        return max((batch.stretch.events_through for batch in self.batches), default=0)


def label_wait(problem: Problem) -> timedelta:
    """How long after a prediction its labels are complete."""
    config = problem.config
    return timedelta(days=max(config.label.delay_days, config.feedback.longest_window_days))


def prepare(home: Home) -> None:
    """Create the tables of feedback where they are missing."""
    home.store.ensure(predictions, feedback_events, feedback_batches)


def seal(problem: Problem, home: Home, *, now: datetime) -> Sealing:
    """Close what is ripe and in no batch into one, and revise batches whose labels changed.

    Several may seal at once; what one has closed the others find closed.
    """
    prepare(home)
    for _ in range(ATTEMPTS):
        known = _known(problem, home)
        sealing = _proposed(problem, home, known, now=now)
        found = [*sealing.revised, *([sealing.sealed] if sealing.sealed else [])]
        if not found or _recorded(problem, home, known, found):
            return sealing
    return Sealing(None, (), "Others are sealing at the same time; they seal what is ripe.")


def sealed_batches(problem: Problem, home: Home) -> tuple[Batch, ...]:
    """Every batch in its newest revision, oldest first, without those compacted into others."""
    prepare(home)
    return _known(problem, home).batches


def sealed_batch(problem: Problem, home: Home, batch: str) -> Batch:
    """The batch of that name.

    Raises:
        FeedbackError: If there is none.
    """
    batches = {each.batch: each for each in sealed_batches(problem, home)}
    if batch not in batches:
        newest = ", ".join(list(batches)[-3:]) or "none yet"
        raise FeedbackError(
            f"{problem.name} has no feedback batch {batch}; the newest are: {newest}."
        )
    return batches[batch]


def unsealed(problem: Problem, home: Home, *, now: datetime) -> Unsealed:
    """Count the predictions that are in no batch."""
    prepare(home)
    logged, predicted = _known(problem, home).corner
    p, until = predictions.c, now - label_wait(problem)
    outside = (p.problem == problem.name) & ((p.sequence > logged) | (p.at > predicted))
    has_events = sa.exists().where(feedback_events.c.prediction_id == p.id)
    ripe = p.at <= until
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(has_events),
        sa.func.count().filter(ripe),
        sa.func.min(p.at).filter(~ripe),
    ).where(outside)
    with home.store.connect() as connection:
        total, with_events, ripe_rows, oldest = connection.execute(query).one()
    next_at = None if oldest is None else oldest + label_wait(problem)
    return Unsealed(total, with_events, ripe_rows, next_at)


def compact(problem: Problem, home: Home, *, keep: int, now: datetime) -> Batch | None:
    """Join all batches but the newest `keep` into one, so that there are few partitions.

    The newest of those that are joined takes the others in, as a new revision of itself with their
    rows. Materializing it takes the partitions of the others out of the lake.

    Returns:
        The batch that took others in; None when there were too few, or somebody else changed the
        batches meanwhile.
    """
    prepare(home)
    known = _known(problem, home)
    joined = known.batches[: len(known.batches) - keep]
    if len(joined) < 2:  # noqa: PLR2004
        return None
    first, last = joined[0].stretch, joined[-1]
    stretch = last.stretch._replace(
        logged_after=first.logged_after,
        predicted_after=first.predicted_after,
        events_through=known.events_through,
    )
    names = (name for batch in joined[:-1] for name in (*batch.takes_in, batch.batch))
    with home.store.connect() as connection:
        batch = last._replace(
            revision=last.revision + 1,
            sealed_at=now,
            stretch=stretch,
            counts=_counts(connection, problem, stretch),
            takes_in=(*last.takes_in, *names),
        )
    return batch if _recorded(problem, home, known, [batch]) else None


class Member(NamedTuple):
    """One answer of a batch that something is known about."""

    answer: Answer
    label: Label
    model_version: str
    input: str
    """The logged row, as JSON; empty where it was not asked for."""


def members(
    connection: sa.Connection, problem: Problem, stretch: Stretch, *, with_input: bool
) -> Iterator[Member]:
    """Answers of a stretch that have events, or whose silence is a label, by prediction id."""
    query = _members_query(problem, stretch, with_input=with_input)
    rows = connection.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME})
    for _, some in groupby(rows, key=lambda row: row.id):
        found = list(some)
        answer = Answer(*found[0][: len(Answer._fields)])
        events = [FeedbackEvent(*row[EVENT_AT:]) for row in found if row.event_id is not None]
        label = label_of(answer, events, problem.config.feedback)
        if events or label.value is not None:
            yield Member(answer, label, found[0].model_version, found[0].input)


def _members_query(problem: Problem, stretch: Stretch, *, with_input: bool) -> sa.Select[Any]:
    """Answers beside their events, one row for each event, ordered by prediction."""
    p, e = predictions.c, feedback_events.c
    about = (
        (e.prediction_id == p.id)
        & (e.problem == p.problem)
        & (e.sequence <= stretch.events_through)
    )
    silence_counts = problem.config.feedback.negatives is not None
    joined = predictions.join(feedback_events, about, isouter=silence_counts)
    text = p.input if with_input else sa.literal("").label("input")
    said = (e[name].label(f"event_{name}") for name in FeedbackEvent._fields)
    query = (
        sa.select(*(p[name] for name in Answer._fields), p.model_version, text, *said)
        .select_from(joined)
        .where(p.sequence.in_(_inside(problem, stretch)))
        .order_by(p.id, e.sequence)
    )
    return query.where(e.id.is_not(None) | p.exposed) if silence_counts else query


def _inside(problem: Problem, stretch: Stretch) -> sa.CompoundSelect[Any]:
    """Numbers of the answers of a stretch."""
    p = predictions.c
    mine = (p.problem == problem.name) & (p.at <= stretch.predicted_until)
    # Two ranges that an index finds each; "or" would read the whole log.
    logged_since = sa.select(p.sequence).where(
        mine, p.sequence > stretch.logged_after, p.sequence <= stretch.logged_through
    )
    ripened_since = sa.select(p.sequence).where(
        mine, p.at > stretch.predicted_after, p.sequence <= stretch.logged_after
    )
    return sa.union_all(logged_since, ripened_since)


def _known(problem: Problem, home: Home) -> Known:
    table = feedback_batches
    query = sa.select(table).where(table.c.problem == problem.name).order_by(table.c.sequence)
    with home.store.connect() as connection:
        rows = connection.execute(query).all()
    newest = {row.batch: _batch(row) for row in rows}
    gone = {name for batch in newest.values() for name in batch.takes_in}
    batches = sorted(batch for name, batch in newest.items() if name not in gone)
    return Known(tuple(batches), rows[-1].sequence if rows else 0)


def _batch(row: sa.Row[Any]) -> Batch:
    values = row._mapping  # noqa: SLF001 - how SQLAlchemy names it
    return Batch(
        **{name: values[name] for name in ("batch", "revision", "sealed_at")},
        stretch=Stretch(*(values[name] for name in Stretch._fields)),
        counts=Counts(*(values[name] for name in Counts._fields)),
        takes_in=tuple(values["takes_in"]),
    )


def _proposed(problem: Problem, home: Home, known: Known, *, now: datetime) -> Sealing:
    """What there is to seal and to revise; writes nothing."""
    with home.store.connect() as connection:
        logged, events = _newest(connection)
        revised = tuple(_revised(connection, problem, known, events, now=now))
        stretch = Stretch(
            logged_after=known.corner[0],
            logged_through=logged,
            predicted_after=known.corner[1],
            predicted_until=max(known.corner[1], now - label_wait(problem)),
            events_through=events,
        )
        counts = _counts(connection, problem, stretch)
        is_empty = counts.labels == 0 and not _has_answers(connection, problem, stretch)
    again = f" {len(revised)} of {len(known.batches)} batches revised." if revised else ""
    found, needed = (
        counts.labels + counts.contradictory,
        problem.config.feedback.min_batch_labels,
    )
    if found < needed or is_empty:
        reason = f"{found:,} new labels have passed their delay, {needed:,} make a batch."
        return Sealing(None, revised, reason + again)
    name = _name(known, now)
    if name is None:
        reason = (
            f"{BATCHES_PER_DAY} batches were sealed today; the next one is sealed tomorrow."
        )
        return Sealing(None, revised, reason + again)
    batch = Batch(name, 0, now, stretch, counts)
    return Sealing(batch, revised, f"{name} sealed: {counts.labels:,} labels." + again)


def _has_answers(connection: sa.Connection, problem: Problem, stretch: Stretch) -> bool:
    """Whether there is any answer in a stretch, with events or without."""
    inside = sa.exists().where(predictions.c.sequence.in_(_inside(problem, stretch)))
    return bool(connection.scalar(sa.select(inside)))


def _newest(connection: sa.Connection) -> tuple[int, int]:
    """Number of the newest prediction and of the newest event, of all problems."""
    newest = (sa.func.max(table.c.sequence) for table in (predictions, feedback_events))
    logged, events = (connection.scalar(sa.select(each)) or 0 for each in newest)
    return logged, events


def _revised(
    connection: sa.Connection, problem: Problem, known: Known, events: int, *, now: datetime
) -> Iterator[Batch]:
    """Batches whose labels are not what they were, because of events since the last sealing."""
    for batch in _touched(connection, problem, known):
        stretch = batch.stretch._replace(events_through=events)
        counts = _counts(connection, problem, stretch)
        if counts.content_hash != batch.counts.content_hash:
            yield batch._replace(
                revision=batch.revision + 1, sealed_at=now, stretch=stretch, counts=counts
            )


def _touched(connection: sa.Connection, problem: Problem, known: Known) -> list[Batch]:
    """Batches with answers that events came about since."""
    p, e = predictions.c, feedback_events.c
    logged, predicted = known.corner
    query = (
        sa.select(p.sequence, p.at)
        .join(feedback_events, e.prediction_id == p.id)
        .where(
            p.problem == problem.name,
            e.problem == problem.name,
            e.sequence > known.events_through,
            p.sequence <= logged,
            p.at <= predicted,
        )
    )
    answers = connection.execute(query).all()
    return [
        batch for batch in known.batches if any(is_in(batch.stretch, *each) for each in answers)
    ]


def is_in(stretch: Stretch, sequence: int, at: datetime) -> bool:
    """Whether the answer that was logged as `sequence` and given `at` is in a stretch."""
    inside = sequence <= stretch.logged_through and at <= stretch.predicted_until
    return inside and (sequence > stretch.logged_after or at > stretch.predicted_after)


def _counts(connection: sa.Connection, problem: Problem, stretch: Stretch) -> Counts:
    labels = (
        (member.answer.id, member.label)
        for member in members(connection, problem, stretch, with_input=False)
    )
    return counted(labels)


def counted(labels: Iterable[tuple[str, Label]]) -> Counts:
    """Count and hash labels that come ordered by prediction."""
    found: Counter[str] = Counter()
    content = hashlib.blake2b(digest_size=16)
    for prediction_id, label in labels:
        if label.is_contradictory:
            found["contradictory"] += 1
        elif label.value is None:
            found["unlabelled"] += 1
            continue
        else:
            found["labels"] += 1
        content.update(f"{prediction_id}\t{label.value!r}\t{label.weight!r}\n".encode())
    return Counts(
        found["labels"], found["contradictory"], found["unlabelled"], content.hexdigest()
    )


def _name(known: Known, now: datetime) -> str | None:
    """Name of the next batch; None when the day's numbers are used up."""
    today = now.astimezone(UTC).date().isoformat()
    last = known.batches[-1].batch if known.batches else ""
    day, number = last[:10], int(last[11:] or 0)
    if day < today:
        return f"{today}-001"
    return f"{day}-{number + 1:03d}" if number < BATCHES_PER_DAY else None


def _recorded(problem: Problem, home: Home, known: Known, found: list[Batch]) -> bool:
    """Write batches, unless somebody else wrote some since `known` was read."""
    newest = sa.select(sa.func.max(feedback_batches.c.sequence)).where(
        feedback_batches.c.problem == problem.name
    )
    rows = [
        {
            "problem": problem.name,
            "batch": batch.batch,
            "revision": batch.revision,
            "sealed_at": batch.sealed_at,
            **batch.stretch._asdict(),
            **batch.counts._asdict(),
            "takes_in": list(batch.takes_in),
        }
        for batch in found
    ]
    with home.store.begin() as connection:
        if (connection.scalar(newest) or 0) != known.sequence:
            return False
        connection.execute(sa.insert(feedback_batches), rows)
    return True
