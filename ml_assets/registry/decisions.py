"""What was decided about promotions: every time, whatever came of it, with all it was based on.

Who decides, and how, is in `promotion`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from ml_assets.errors import NotPromotable
from ml_assets.evaluation import Difference
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.course import finite
from ml_assets.registry.gate import Finding
from ml_assets.registry.releases import Release
from ml_assets.registry.versions import ModelVersion, version_named
from ml_assets.storage import Home

Outcome = Literal["promoted", "forced", "refused", "waiting", "already champion"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What came of considering a promotion, and why.

    Attributes:
        version: The challenger.
        champion: Who answered when it was considered, if anybody.
        outcome: What was decided.
        message: The same as a sentence, with numbers.
        findings: Everything that was asked, passed or not.
        rows: Frozen rows on which the models were compared.
        release: The row of the release log, where one was written.
    """

    version: str
    champion: str | None
    outcome: Outcome
    message: str
    findings: tuple[Finding, ...]
    rows: int
    release: Release | None

    @property
    def promoted(self) -> bool:
        """Whether the champion moved."""
        return self.release is not None

    @property
    def answers(self) -> bool:
        """Whether the version is champion afterwards."""
        return self.promoted or self.outcome == "already champion"

    def require(self) -> None:
        """Raise unless the version answers now.

        Raises:
            NotPromotable: With the decision's message.
        """
        if not self.answers:
            raise NotPromotable(self.message)


class RecordedDecision(NamedTuple):
    """A row of the table `decisions`."""

    id: int
    problem: str
    version: str
    champion: str | None
    at: dt.datetime
    who: str
    run_id: str
    outcome: Outcome
    message: str
    evidence: Mapping[str, Any]
    """Rows, and every finding with its numbers, as JSON."""


def last_decision(
    problem: Problem, home: Home, version: ModelVersion | str
) -> RecordedDecision | None:
    """What was decided about a version when it was considered last; None if it never was."""
    if isinstance(version, str):
        version = version_named(problem, home, version)
    mine = [one for one in decisions(problem, home) if one.version == version.version]
    return mine[-1] if mine else None


def decisions(problem: Problem, home: Home) -> list[RecordedDecision]:
    """Everything that was decided about the problem's versions, oldest first."""
    tables.prepare(home)
    table = tables.decisions
    query = sa.select(table).where(table.c.problem == problem.name).order_by(table.c.id)
    with home.store.connect() as connection:
        return [RecordedDecision(**row) for row in connection.execute(query).mappings()]


def evidence_of(findings: Sequence[Finding], rows: int) -> Mapping[str, Any]:
    """Findings as JSON."""
    return {
        "rows": rows,
        "findings": [
            {
                "check": one.check,
                "passed": one.passed,
                "text": one.text,
                "needed": one.needed,
                "difference": one.difference and _difference(one.difference),
            }
            for one in findings
        ],
    }


def _difference(difference: Difference) -> Mapping[str, Any]:
    metric, *numbers = difference
    names = difference._fields[1:]
    return {"metric": metric, **finite(dict(zip(names, numbers, strict=True)))}
