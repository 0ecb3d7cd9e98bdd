"""The rule that makes one label, or none, of everything that was said about an answer.

Each event is a claim, or says nothing. Claims are ordered, and the strongest decides:

1. What a person said outranks what a person did: a label or correction before a rating, a rating
   before an event, and silence last.
2. Among events, the one whose weight is larger.
3. The newer, by the time that its sender gives. Nothing counts as later than it was received, so
   that a wrong clock cannot have the last word.
4. At the same time, a correction before a label.

Claims that are alike in all of that and say different labels contradict each other: then there is
no label, until somebody says something newer. Claims that are alike and agree are one; it goes by
the smallest event id. An event after its window says nothing, nor does a rating in between, nor
one that was taken back.

Silence is a claim where the answer was seen, its window passed without one, and the prediction's
id is drawn for a sample. The rule depends on the events alone, never on the order they came in.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from ml_assets.feedback.events import FeedbackEvent
from ml_assets.problem.config import Feedback, Negatives

SAID, RATED, DID, SILENT = 3, 2, 1, 0
GIVEN = 1.0
"""Weight of a label that somebody gave."""


class Answer(NamedTuple):
    """What of a prediction matters for its label."""

    id: str
    at: datetime
    decision: bool | None
    exposed: bool


class Claim(NamedTuple):
    """What one event says; claims compare by how strong they are."""

    rank: int
    weight: float
    at: datetime
    is_correction: bool


class Label(NamedTuple):
    """What is known about one answer."""

    value: float | None
    """None where nothing was said, or nothing that agrees."""
    weight: float
    decided_by: str | None
    """Id of the event; None where silence decided."""
    is_contradictory: bool = False


NOTHING = Label(value=None, weight=0.0, decided_by=None)


def label_of(answer: Answer, events: Iterable[FeedbackEvent], rule: Feedback) -> Label:
    """Decide what the events of one answer say about its label.

    Args:
        answer: The prediction.
        events: All of its events, in any order, each as often as it came.
        rule: The problem's section `feedback`.
    """
    strongest: Claim | None = None
    said: dict[str, float] = {}
    for event in standing(events):
        made = _claim(answer, event, rule)
        if made is None or (strongest is not None and made[0] < strongest):
            continue
        if made[0] != strongest:
            strongest, said = made[0], {}
        said[event.id] = made[1]
    if strongest is None:
        return _silence(answer, rule.negatives)
    if len(set(said.values())) > 1:
        return Label(None, 0.0, min(said), is_contradictory=True)
    decided_by = min(said)
    return Label(said[decided_by], strongest.weight, decided_by)


def standing(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """Those of the events of one answer that nobody took back."""
    known = list(events)
    taken_back = {event.name for event in known if event.kind == "retraction"}
    return [event for event in known if event.id not in taken_back]


def is_sampled(prediction_id: str, negatives: Negatives) -> bool:
    """Whether silence about a prediction is drawn as a label; the same answer every time."""
    drawn = hashlib.blake2b(f"{negatives.seed}:{prediction_id}".encode(), digest_size=8)
    return int.from_bytes(drawn.digest()) < negatives.share * 2**64


def _claim(answer: Answer, event: FeedbackEvent, rule: Feedback) -> tuple[Claim, float] | None:
    """How strong an event is, and the label it says; None when it says nothing."""
    at = min(event.at, event.received_at)
    match event.kind:
        case "label" | "correction" if event.value is not None:
            return Claim(SAID, GIVEN, at, event.kind == "correction"), event.value
        case "rating" if event.value is not None:
            return _rated(answer, event.value, at, rule)
        case "event" if event.name in rule.implicit:
            meant = rule.implicit[event.name]
            if answer.at <= at <= answer.at + timedelta(days=meant.window_days):
                return Claim(DID, meant.weight, at, is_correction=False), meant.label
    return None


def _rated(
    answer: Answer, value: float, at: datetime, rule: Feedback
) -> tuple[Claim, float] | None:
    """A rating says whether the decision was right."""
    if rule.rating is None or answer.decision is None:
        return None
    claim = Claim(RATED, rule.rating.weight, at, is_correction=False)
    if value >= rule.rating.agrees_from:
        return claim, float(answer.decision)
    if value <= rule.rating.disagrees_to:
        return claim, float(not answer.decision)
    return None


def _silence(answer: Answer, negatives: Negatives | None) -> Label:
    if negatives is None or not answer.exposed or not is_sampled(answer.id, negatives):
        return NOTHING
    return Label(0.0, negatives.weight, None)
