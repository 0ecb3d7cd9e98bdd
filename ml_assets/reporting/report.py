"""Everything that a report says, as one object: the facts of the page, and of `--json`."""

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from ml_assets.analysis import Analysis, analyse
from ml_assets.problem import Problem
from ml_assets.registry import (
    Approval,
    ModelVersion,
    RecordedDecision,
    Release,
    decisions,
    last_word,
    releases,
)
from ml_assets.reporting.card import Card, card_of
from ml_assets.reporting.challenge import Challenge, challenge_of
from ml_assets.reporting.timeline import Station, timeline
from ml_assets.storage import Home


class Finding(NamedTuple):
    """One thing that a release needed, as it was recorded."""

    check: str
    passed: bool
    needed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What there is to say about a version.

    Attributes:
        card: What it is for, and what made it.
        is_champion: Whether it answers now.
        analysis: How good it is, where, and for whom.
        challenge: Against the champion of its time; None where there was none.
        timeline: Every version of the problem, oldest first.
        decisions: About this version, oldest first.
        judged: The newest of them that looked at it; None where none did.
        findings: Of that one.
        approval: A person's last word about this bundle.
        releases: In which it began to answer, or ceased to, oldest first.
    """

    card: Card
    is_champion: bool
    analysis: Analysis
    challenge: Challenge | None
    timeline: tuple[Station, ...]
    decisions: tuple[RecordedDecision, ...]
    judged: RecordedDecision | None
    findings: tuple[Finding, ...]
    approval: Approval | None
    releases: tuple[Release, ...]

    @property
    def title(self) -> str:
        """What is reported on."""
        return f"{self.card.problem} {self.card.number}"


def report_of(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    *,
    now: dt.datetime,
    analysis: Analysis | None = None,
) -> Report:
    """Gather what is known about a version.

    Args:
        problem: Whose.
        home: Where it is.
        version: Which one.
        now: When it is measured, where it was not yet.
        analysis: Of it, where that was read already.

    Raises:
        ArtifactError: If it has to be measured and cannot be loaded.
        TrainingError: If it has to be measured and its rows are no longer in the lake.
    """
    analysis = analysis or analyse(problem, home, version, now=now)
    mine = tuple(one for one in decisions(problem, home) if one.version == version.version)
    judged = next((one for one in reversed(mine) if _findings(one)), None)
    log = releases(problem, home)
    return Report(
        card=card_of(problem, version),
        is_champion=bool(log) and log[-1].to_version == version.version,
        analysis=analysis,
        challenge=challenge_of(problem, home, version, analysis, _against(mine, analysis)),
        timeline=timeline(problem, home),
        decisions=mine,
        judged=judged,
        findings=() if judged is None else _findings(judged),
        approval=last_word(problem, home, version),
        releases=tuple(
            one for one in log if version.version in (one.to_version, one.from_version)
        ),
    )


def _against(mine: tuple[RecordedDecision, ...], analysis: Analysis) -> RecordedDecision | None:
    """The newest decision that compared it with the champion of the analysis, or with any."""
    compared = [one for one in reversed(mine) if one.champion not in (None, one.version)]
    same = [one for one in compared if one.champion == analysis.beside]
    return next(iter(same or compared), None)


def _findings(decided: RecordedDecision) -> tuple[Finding, ...]:
    return tuple(
        Finding(one["check"], one["passed"], one.get("needed", True), one["text"])
        for one in decided.evidence.get("findings", [])
    )
