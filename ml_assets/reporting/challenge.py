"""A version against the champion that it was measured beside: what changed, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_assets.analysis import Analysis
from ml_assets.evaluation import metric_named
from ml_assets.problem import Problem
from ml_assets.registry import ModelVersion, RecordedDecision, differences, version_named
from ml_assets.storage import Home


class MetricChange(NamedTuple):
    """One metric of both."""

    name: str
    version: float
    champion: float
    difference: float
    is_better: bool | None
    """None where they are the same."""


class PairedDifference(NamedTuple):
    """The difference on rows that neither has learned from, with its interval."""

    check: str
    """What the gate asked."""
    metric: str
    version: float | None
    champion: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    rows: int


class Input(NamedTuple):
    """An input in which their manifests differ."""

    place: str
    champion: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A version and a champion.

    Attributes:
        champion: Its version.
        number: Its number.
        estimator: Its estimator.
        metrics: Of both, on the version's test rows that the champion had not learned from.
        paired: Differences that the gate judged; empty where it was not asked.
        inputs: What made them differ.
    """

    champion: str
    number: str
    estimator: str
    metrics: tuple[MetricChange, ...]
    paired: tuple[PairedDifference, ...]
    inputs: tuple[Input, ...]


def challenge_of(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    analysis: Analysis,
    decided: RecordedDecision | None,
) -> Challenge | None:
    """Lay a version beside the champion that it challenged; None where nobody answered then.

    Args:
        problem: Whose.
        home: Where both are.
        version: The challenger, who may be champion by now.
        analysis: Of it.
        decided: The newest decision that compared it with a champion.
    """
    beside = analysis.beside or (decided.champion if decided else None)
    if beside is None:
        return None
    champion = version_named(problem, home, beside)
    return Challenge(
        champion=champion.version,
        number=champion.number,
        estimator=champion.manifest.algorithm.estimator,
        metrics=_metrics(analysis) if analysis.beside else (),
        paired=_paired(decided) if decided and decided.champion == champion.version else (),
        inputs=tuple(
            _input(line)
            for line in differences(champion.manifest, version.manifest)
            if not line.startswith("metrics.")
        ),
    )


def _metrics(analysis: Analysis) -> tuple[MetricChange, ...]:
    return tuple(
        _change(one.name, one.value, one.champion)
        for one in analysis.metrics
        if one.value is not None and one.champion is not None
    )


def _change(name: str, version: float, champion: float) -> MetricChange:
    difference = version - champion
    is_better = (difference > 0) is metric_named(name).higher_is_better
    return MetricChange(name, version, champion, difference, is_better if difference else None)


def _paired(decided: RecordedDecision) -> tuple[PairedDifference, ...]:
    """What the gate measured against the champion, as it was recorded."""
    return tuple(
        _difference(finding["check"], finding["difference"])
        for finding in decided.evidence.get("findings", [])
        if finding.get("difference") and "baseline" not in finding["check"]
    )


def _difference(check: str, found: Mapping[str, Any]) -> PairedDifference:
    return PairedDifference(
        check=check,
        metric=found["metric"],
        version=found["challenger"],
        champion=found["incumbent"],
        difference=found["estimate"],
        low=found["low"],
        high=found["high"],
        confidence=found["confidence"],
        rows=found["rows"],
    )


def _input(line: str) -> Input:
    place, _, values = line.partition(": ")
    before, _, after = values.partition(", now ")
    return Input(place, before, after)
