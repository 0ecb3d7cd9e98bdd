"""Does a version become champion? The one way in, for Dagster, the CLI and people alike.

`consider_promotion` has the challenger examined (`examination`), holds the findings to what the
policy needs (`policy`), asks whether a person said yes where that is needed (`approvals`), and
then moves the champion or does not. Either way the decision is recorded with everything it was
based on (`decisions`). A person may release a version against the judgement by giving a reason;
the release log says `forced` forever.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ml_assets.errors import WriteConflict
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.approvals import approval_finding
from ml_assets.registry.decisions import Decision, Outcome, evidence_of
from ml_assets.registry.examination import ReleaseCheck, examine
from ml_assets.registry.gate import Finding
from ml_assets.registry.policy import FOUNDATIONS, held_to
from ml_assets.registry.releases import Kind, add_release, champion
from ml_assets.registry.versions import ModelVersion, version_named
from ml_assets.storage import Home

ATTEMPTS = 3


def consider_promotion(
    problem: Problem,
    home: Home,
    version: ModelVersion | str,
    *,
    now: dt.datetime,
    who: str,
    run_id: str,
    reason: str | None = None,
    checks: Sequence[ReleaseCheck] = (),
) -> Decision:
    """Let a version answer if it deserves it, and record the decision.

    Args:
        problem: Its configuration says what a promotion asks for.
        home: Where everything is.
        version: The challenger.
        now: When it is considered.
        who: Asks.
        run_id: In which it happens.
        reason: Why a person wants this version to answer. It is what the policy `manual` waits
            for, and it overrides findings that did not pass, except that the bundle must load.
        checks: Further things that a release needs.

    Raises:
        VersionNotFound: If there is no such version.
        WriteConflict: If others kept moving the champion while it was compared.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    for _ in range(ATTEMPTS):
        case = _Case(problem, home, version, champion(problem, home), now, who, run_id, reason)
        with suppress(WriteConflict):  # the champion moved meanwhile: compare with the new one
            return _decide(case, checks)
    raise WriteConflict(
        f"The champion of {problem.name} kept moving while {version.version} was compared with "
        "it. Consider it again."
    )


@dataclass(frozen=True)
class _Case:
    """A promotion under consideration."""

    problem: Problem
    home: Home
    version: ModelVersion
    champion: ModelVersion | None
    now: dt.datetime
    who: str
    run_id: str
    reason: str | None


def _decide(case: _Case, checks: Sequence[ReleaseCheck]) -> Decision:
    """Judge, and act on it; the champion must not have moved in between."""
    if _answers_already(case):
        return _keep(
            case, "already champion", f"{case.version.version} is already champion.", ()
        )
    found, rows = examine(case.problem, case.home, case.version, case.champion, checks)
    findings = held_to(case.problem.config, found, is_first=case.champion is None)
    failed = [one for one in findings if one.blocks]
    lost = any(one.check in FOUNDATIONS for one in failed)
    if failed and (case.reason is None or lost):
        return _keep(case, "refused", _refusal(case, failed), findings, rows=rows)
    approval = approval_finding(
        case.problem, case.home, case.version, who=case.who, reason=case.reason
    )
    if not approval.passed:
        if case.reason is None:
            message = f"{case.version.version} stays challenger: {approval.text}."
            return _keep(case, "waiting", message, (*findings, approval), rows=rows)
        failed.append(approval)
    return _release(case, failed, (*findings, approval), rows=rows)


def _answers_already(case: _Case) -> bool:
    """Whether the challenger is the champion, or the same bundle."""
    return case.champion is not None and case.champion.artifact == case.version.artifact


def _refusal(case: _Case, failed: Sequence[Finding]) -> str:
    """The house's form of a refusal: what, by how much, and what to do."""
    texts = "; ".join(one.text for one in failed)
    return f"{case.version.version} stays challenger: {texts}. Promote anyway with reason=..."


def _keep(
    case: _Case,
    outcome: Outcome,
    message: str,
    findings: tuple[Finding, ...],
    *,
    rows: int = 0,
) -> Decision:
    """Leave the champion where it is, and record why."""
    with case.home.store.begin() as connection:
        _record(connection, case, outcome, message, evidence_of(findings, rows))
    return Decision(
        version=case.version.version,
        champion=case.champion.version if case.champion else None,
        outcome=outcome,
        message=message,
        findings=findings,
        rows=rows,
        release=None,
    )


def _release(
    case: _Case, failed: Sequence[Finding], findings: tuple[Finding, ...], *, rows: int
) -> Decision:
    """Move the champion; decision and release are kept together or not at all."""
    kind: Kind = "forced" if failed else "promotion"
    outcome: Outcome = "forced" if failed else "promoted"
    shown = "; ".join(one.text for one in failed or findings if failed or _is_news(one))
    against = f" against {len(failed)} findings" if failed else ""
    message = f"{case.version.version} is champion{against}: {shown}."
    evidence = evidence_of(findings, rows)
    release = add_release(
        case.problem,
        case.home,
        kind=kind,
        from_version=case.champion.version if case.champion else None,
        to_version=case.version.version,
        now=case.now,
        who=case.who,
        why=case.reason or message,
        run_id=case.run_id,
        evidence=evidence,
        record=lambda connection: _record(connection, case, outcome, message, evidence),
    )
    return Decision(
        version=case.version.version,
        champion=release.from_version,
        outcome=outcome,
        message=message,
        findings=findings,
        rows=rows,
        release=release,
    )


def _is_news(finding: Finding) -> bool:
    """Whether a passed finding belongs into the one sentence about a promotion."""
    return finding.difference is not None or finding.check in {"floor", "approval"}


def _record(
    connection: sa.Connection,
    case: _Case,
    outcome: Outcome,
    message: str,
    evidence: Mapping[str, Any],
) -> None:
    row = {
        "problem": case.problem.name,
        "version": case.version.version,
        "champion": case.champion.version if case.champion else None,
        "at": case.now,
        "who": case.who,
        "run_id": case.run_id,
        "outcome": outcome,
        "message": message,
        "evidence": evidence,
    }
    connection.execute(sa.insert(tables.decisions).values(row))
