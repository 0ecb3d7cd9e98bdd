"""Does the wheel turn? Labels that feedback brings each week, and what each new model gained.

A cycle is a model that was compared with the champion of its time: the labels that it saw first,
and by how much its KPI was better on the same held-out rows.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ml_assets.evaluation import Difference
from ml_assets.feedback.batches import sealed_batches
from ml_assets.problem import Problem
from ml_assets.registry import RecordedDecision, decisions, versions
from ml_assets.storage import Home

AGAINST_CHAMPION = ("beats the champion", "replaces the champion")
"""Findings of the gate that compare with the champion on the same rows."""


class Week(NamedTuple):
    """What became ripe in one week."""

    monday: dt.date
    labels: int


class Cycle(NamedTuple):
    """A model that was compared with the champion of its time."""

    version: str
    at: dt.datetime
    trigger: str
    new_batches: int
    """Of feedback, which the model before it had not learned from, or had otherwise."""
    gain: float
    """Of the KPI, on rows that both held out; above 0 is better, whatever the KPI's direction."""
    low: float
    high: float
    """Ends of the interval around the gain."""


class Flywheel(NamedTuple):
    """How quickly labels come, and what they are worth."""

    weeks: tuple[Week, ...]
    """From the first with labels, without the weeks that have none."""
    cycles: tuple[Cycle, ...]

    @property
    def labels_per_week(self) -> float:
        """Mean from the first to the last week with labels, empty ones included; 0 without any."""
        if not self.weeks:
            return 0.0
        span = (self.weeks[-1].monday - self.weeks[0].monday).days // 7 + 1
        return sum(week.labels for week in self.weeks) / span

    @property
    def gain_per_cycle(self) -> float | None:
        """Mean gain of the KPI; None before a model was compared with a champion."""
        if not self.cycles:
            return None
        return sum(cycle.gain for cycle in self.cycles) / len(self.cycles)


def flywheel(problem: Problem, home: Home) -> Flywheel:
    """Read it from the sealed batches, the registry and what was measured."""
    return Flywheel(_weeks(problem, home), tuple(_cycles(problem, home)))


def _weeks(problem: Problem, home: Home) -> tuple[Week, ...]:
    labels: Counter[dt.date] = Counter()
    for batch in sealed_batches(problem, home):
        day = dt.date.fromisoformat(batch.batch[:10])
        labels[day - dt.timedelta(days=day.weekday())] += batch.counts.labels
    return tuple(Week(monday, count) for monday, count in sorted(labels.items()) if count)


def _cycles(problem: Problem, home: Home) -> Iterator[Cycle]:
    """Every model by the first decision that compared it with a champion."""
    known = {each.version: each for each in versions(problem, home)}
    compared: dict[str, tuple[float, float, float]] = {}
    for decision in decisions(problem, home):
        gain = _gain(decision)
        if gain is not None and decision.version in known:
            compared.setdefault(decision.version, gain)
    for name, gain in compared.items():
        version = known[name]
        before = known[version.previous].manifest.data.feedback if version.previous else {}
        learned = version.manifest.data.feedback
        yield Cycle(
            version=name,
            at=version.created_at,
            trigger=version.trigger,
            new_batches=len(learned.items() - before.items()),
            gain=gain[0],
            low=gain[1],
            high=gain[2],
        )


def _gain(decision: RecordedDecision) -> tuple[float, float, float] | None:
    """By how much a model was better than the champion on the same rows, with its interval."""
    for finding in decision.evidence["findings"]:
        difference = finding["difference"]
        if (
            finding["check"] in AGAINST_CHAMPION
            and difference
            and difference["low"] is not None
        ):
            return Difference(**difference).gain
    return None
