"""What people said, or showed, about an answer: an append-only table of events.

An event is about one prediction, by its id. Sent again, it counts once: events have ids, and one
that came without is named by what it says. A retraction takes another event of the prediction
back, by its id; both stay in the table. Nothing is judged here but whether an event can be
taken at all; what becomes of the events of a prediction is decided in `labels`.
"""

import difflib
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Literal, NamedTuple, get_args

import sqlalchemy as sa

from ml_assets.errors import FeedbackError
from ml_assets.feedback.log import BIG, in_chunks, predictions
from ml_assets.problem import Config, Problem
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

Kind = Literal["label", "correction", "rating", "event", "retraction"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FIELDS = ("prediction_id", *KINDS, "at", "event_id")
"""Of an event as it is sent: the prediction, one of the kinds, and optionally when, and an id."""

LONGEST_ID = 100
SHOWN = 5

feedback_events = append_only(
    sa.Table(
        "feedback_events",
        metadata,
        sa.Column("sequence", BIG, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("id", sa.String(LONGEST_ID), nullable=False),
        sa.Column("prediction_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(100), nullable=True),
        sa.Column("value", sa.Double, nullable=True),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("received_at", UTCDateTime, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.UniqueConstraint("problem", "id"),
        sa.Index("feedback_events_of_a_prediction", "prediction_id", "problem", "sequence"),
        sa.Index("feedback_events_by_time", "problem", "received_at", "sequence"),
        sqlite_autoincrement=True,
    )
)


class FeedbackEvent(NamedTuple):
    """One thing that was said about one answer."""

    id: str
    problem: str
    prediction_id: str
    kind: Kind
    name: str | None
    """Of what a person did, where the kind is "event": clicked, wrote_again; where it is
    "retraction", the id of the event that it takes back."""
    value: float | None
    """The label, corrected label or rating."""
    at: datetime
    """When it became true, as the sender says; else when it was received."""
    received_at: datetime
    source: str
    """Who or what sent it: api, a person, a file."""

    @property
    def saying(self) -> tuple[str, str, str | None, float | None]:
        """What it says, apart from when and by whom."""
        return self.prediction_id, self.kind, self.name, self.value


class Refusal(NamedTuple):
    """An event that was not taken."""

    event_id: str | None
    prediction_id: str | None
    reason: str


class Receipt(NamedTuple):
    """What became of the events of one submission."""

    taken: int
    repeated: int
    """Known already, so they change nothing."""
    refused: tuple[Refusal, ...] = ()

    def require_all(self) -> "Receipt":
        """Itself, where nothing was refused.

        Raises:
            FeedbackError: Naming the first refused events, with the reason of each.
        """
        if not self.refused:
            return self
        sent = self.taken + self.repeated + len(self.refused)
        reasons = "; ".join(refusal.reason for refusal in self.refused[:SHOWN])
        more = "; …" if len(self.refused) > SHOWN else ""
        raise FeedbackError(
            f"{len(self.refused):,} of {sent:,} events were refused: {reasons}{more}."
        )


def feedback_event(
    problem: Problem, sent: Mapping[str, object], *, source: str, now: datetime
) -> FeedbackEvent:
    """Read an event as a client sends it, in JSON or as a line of a file.

    Args:
        problem: Whose prediction it is about.
        sent: `prediction_id`; one of `label`, `correction`, `rating` (a number) or `event` (a name
            that `feedback.implicit` has) or `retraction` (the id of an event that was sent in
            error); `at` (ISO 8601, UTC without a zone) and `event_id` when known.
        source: Who or what sent it.
        now: When it is received.

    Raises:
        FeedbackError: Naming the field that is wrong, and what would be right.
    """
    given = {name: value for name, value in sent.items() if not _is_missing(value)}
    _require_known_fields(given)
    kind = _kind(given)
    name, value = _said(problem, kind, given[kind])
    event = FeedbackEvent(
        id=_text(given, "event_id") if "event_id" in given else "",
        problem=problem.name,
        prediction_id=_text(given, "prediction_id"),
        kind=kind,
        name=name,
        value=value,
        at=_time(given["at"]) if "at" in given else now,
        received_at=now,
        source=source,
    )
    return event if event.id else event._replace(id=_named_by_content(event, given))


def label_value(config: Config, given: object, *, field: str = "label") -> float:
    """Read a label: a number, or a word that the source's configuration takes for yes or no.

    Raises:
        FeedbackError: If it is no label of the problem.
    """
    if isinstance(given, str):
        word = given.strip()
        given = True if word in config.source.true else word
        given = False if word in config.source.false else given
    value = _number(given, field)
    if config.kind == "binary" and value not in (0, 1):
        raise FeedbackError(
            f"{field}: {given!r} is no label. Send 1 or 0 (or one of "
            f"{', '.join([*config.source.true, *config.source.false])})."
        )
    return value


def record_feedback(home: Home, events: Sequence[FeedbackEvent]) -> Receipt:
    """Write many events in one transaction; for single ones see `GroupCommit`."""
    home.store.ensure(predictions, feedback_events)
    with home.store.begin() as connection:
        return write_feedback(connection, [events])[0]


def write_feedback(
    connection: sa.Connection, groups: Sequence[Sequence[FeedbackEvent]]
) -> list[Receipt]:
    """Write the events of several callers; what `GroupCommit` calls.

    Refused are events about predictions that the problem's log does not have, and those that use
    the id of another event. The others are written all the same.
    """
    everything = [event for group in groups for event in group]
    logged = _logged(connection, everything)
    known = _known(connection, everything)
    receipts = []
    new: list[FeedbackEvent] = []
    for group in groups:
        fresh, receipt = _sorted_out(group, logged, known)
        receipts.append(receipt)
        new += fresh
    if new:
        connection.execute(sa.insert(feedback_events), [event._asdict() for event in new])
    return receipts


Key = tuple[str, str]
"""Problem and id: other problems may use the same ids."""

Saying = tuple[str, str, str | None, float | None]


def _sorted_out(
    group: Sequence[FeedbackEvent], logged: set[Key], known: dict[Key, Saying]
) -> tuple[list[FeedbackEvent], Receipt]:
    """Part the events of one caller; what is new is known from now on."""
    fresh: list[FeedbackEvent] = []
    refused: list[Refusal] = []
    for event in group:
        key = (event.problem, event.id)
        if (event.problem, event.prediction_id) not in logged:
            refused.append(_refusal(event, "no prediction has the id"))
        elif key not in known:
            known[key] = event.saying
            fresh.append(event)
        elif known[key] != event.saying:
            reason = f"event {event.id} was received before, saying something else, about"
            refused.append(_refusal(event, reason))
    repeated = len(group) - len(fresh) - len(refused)
    return fresh, Receipt(len(fresh), repeated, tuple(refused))


def _refusal(event: FeedbackEvent, reason: str) -> Refusal:
    return Refusal(event.id, event.prediction_id, f"{reason} {event.prediction_id}")


def _logged(connection: sa.Connection, events: Sequence[FeedbackEvent]) -> set[Key]:
    """Predictions of `events` that are in the log, with their problem."""
    query = sa.select(predictions.c.problem, predictions.c.id)
    return {
        (row.problem, row.id)
        for ids in in_chunks(event.prediction_id for event in events)
        for row in connection.execute(query.where(predictions.c.id.in_(ids)))
    }


def _known(connection: sa.Connection, events: Sequence[FeedbackEvent]) -> dict[Key, Saying]:
    """What was said before under the ids of `events`."""
    c = feedback_events.c
    query = sa.select(c.problem, c.id, c.prediction_id, c.kind, c.name, c.value)
    problems = {event.problem for event in events}
    return {
        (row.problem, row.id): (row.prediction_id, row.kind, row.name, row.value)
        for ids in in_chunks(event.id for event in events)
        for row in connection.execute(query.where(c.problem.in_(problems), c.id.in_(ids)))
    }


def _is_missing(value: object) -> bool:
    """Whether a field was left empty: null in JSON, nothing in CSV, NaN in Parquet."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _require_known_fields(given: Mapping[str, object]) -> None:
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(FIELDS)}."
            raise FeedbackError(f"{name}: unknown field; {hint}")


def _kind(given: Mapping[str, object]) -> Kind:
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise FeedbackError(f"An event has one of {', '.join(KINDS)}, got {found}.")
    return kinds[0]


def _said(problem: Problem, kind: Kind, value: object) -> tuple[str | None, float | None]:
    """Name and value of an event."""
    feedback = problem.config.feedback
    if kind == "retraction":
        return _text({kind: value}, kind), None
    if kind == "event":
        if value not in feedback.implicit:
            known = ", ".join(feedback.implicit) or "none"
            raise FeedbackError(
                f"event: {value!r} says nothing about {problem.name}; feedback.implicit in its "
                f"config.yaml has {known}."
            )
        return str(value), None
    if kind == "rating":
        if feedback.rating is None:
            raise FeedbackError(
                f"rating: {problem.name} takes none. Send a label, or say in its config.yaml "
                "what a rating means (feedback.rating)."
            )
        return None, _number(value, kind)
    return None, label_value(problem.config, value, field=kind)


def _number(value: object, field: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise FeedbackError(f"{field}: {value!r} is not a number.") from None
    if not math.isfinite(number):
        raise FeedbackError(f"{field}: {value!r} is not a finite number.")
    return number


def _text(given: Mapping[str, object], field: str) -> str:
    value = given.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or "\0" in value:
        raise FeedbackError(
            f"{field}: needs a text of at most {LONGEST_ID} characters, got {value!r}."
        )
    return value


def _time(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise FeedbackError(
                f"at: {value!r} is no time. Send ISO 8601, such as 2026-11-20T08:00:00Z."
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise FeedbackError(f"at: {value!r} is no time. Send ISO 8601.")
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _named_by_content(event: FeedbackEvent, given: Mapping[str, object]) -> str:
    """An id that the same event gets again when it is sent again."""
    at = event.at.isoformat() if "at" in given else ""
    said = "\n".join([*map(repr, event.saying), at])
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def is_taken_back() -> sa.Exists:
    """The condition, of an event in a query, that somebody took it back."""
    e, later = feedback_events.c, feedback_events.alias("taken_back").c
    return sa.exists().where(
        later.prediction_id == e.prediction_id,
        later.problem == e.problem,
        later.kind == "retraction",
        later.name == e.id,
    )


def events_of(
    connection: sa.Connection, problem: Problem, prediction_ids: Iterable[str]
) -> list[FeedbackEvent]:
    """Every event about some predictions, in the order they were received."""
    columns = [feedback_events.c[name] for name in FeedbackEvent._fields]
    query = sa.select(*columns).where(feedback_events.c.problem == problem.name)
    return [
        FeedbackEvent(*row)
        for ids in in_chunks(prediction_ids)
        for row in connection.execute(
            query.where(feedback_events.c.prediction_id.in_(ids)).order_by(
                feedback_events.c.sequence
            )
        )
    ]
