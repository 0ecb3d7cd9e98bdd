"""Does a version become champion? The one way in, for Dagster, the CLI and people alike.

`consider_promotion` brings the challenger, the champion and the baseline to the same frozen rows,
asks `gate` for its judgement, adds what is not about numbers (the bundle loads, it is quick and
small enough, a person said yes where the policy asks for that), and then moves the champion or
does not. Either way the decision is recorded with everything it was based on. A person may release
a version against the judgement by giving a reason; the release log says `forced` forever.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ml_assets.errors import ArtifactError, NotPromotable, StorageError, WriteConflict
from ml_assets.evaluation import Difference
from ml_assets.features import load_training_set, training_frame
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.bundle import Bundle
from ml_assets.registry.course import finite
from ml_assets.registry.gate import Finding, FrozenRows, judge
from ml_assets.registry.measuring import (
    answers_of_champion,
    answers_on_test,
    baseline_answers,
    slice_columns,
)
from ml_assets.registry.releases import (
    Kind,
    Release,
    add_release,
    before_last,
    champion,
    releases,
)
from ml_assets.registry.versions import ModelVersion, load_bundle, version_named
from ml_assets.storage import Home

Outcome = Literal["promoted", "forced", "refused", "waiting", "already champion"]
ReleaseCheck = Callable[[Problem, Home, ModelVersion, Bundle], Finding]
"""A further thing that a release needs, from another room; e.g. that serving answers the same."""

MAX_BUNDLE_MB = 1024
"""A larger bundle does not fit beside others in a service of ordinary size."""

MAX_SECONDS = 10.0
"""For 1,000 rows at once; a slower model holds up every batch behind it."""

TIMED_ROWS = 1000
REHEARSED_ROWS = 100
ATTEMPTS = 3


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

    def require(self) -> None:
        """Raise unless the version answers now.

        Raises:
            NotPromotable: With the decision's message.
        """
        if not self.promoted and self.outcome != "already champion":
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


def approve(
    problem: Problem,
    home: Home,
    version: ModelVersion | str,
    *,
    now: dt.datetime,
    who: str,
    why: str,
    approved: bool = True,
) -> None:
    """Record a person's yes or no to exactly this bundle; a changed bundle needs a new one."""
    if isinstance(version, str):
        version = version_named(problem, home, version)
    row = {
        "problem": problem.name,
        "version": version.version,
        "artifact": version.artifact,
        "approved": approved,
        "at": now,
        "who": who,
        "why": why,
    }
    tables.prepare(home)
    with home.store.begin() as connection:
        connection.execute(sa.insert(tables.approvals).values(row))


def rollback(
    problem: Problem,
    home: Home,
    *,
    now: dt.datetime,
    who: str,
    why: str,
    run_id: str = "by hand",
    to: str | None = None,
) -> Release:
    """Let the version answer again that answered before, once it has shown that it can.

    Args:
        problem: Whose champion moves.
        home: Where everything is.
        now: When.
        who: Asks.
        why: They do.
        run_id: In which it happens.
        to: Another version that was champion once; by default the one before the champion.

    Raises:
        NotPromotable: If there is no such version, or it cannot answer; the champion stays.
        WriteConflict: If somebody else moved the champion meanwhile.
    """
    log = releases(problem, home)
    current = log[-1].to_version if log else None
    target = _rollback_target(problem, home, log, to)
    _rehearse(problem, home, target)
    return add_release(
        problem,
        home,
        kind="rollback",
        from_version=current,
        to_version=target.version,
        now=now,
        who=who,
        why=why,
        run_id=run_id,
        evidence={"rehearsed_rows": REHEARSED_ROWS},
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

    @property
    def policy(self) -> str:
        """Who has the last word."""
        return self.problem.config.promotion.approval


def _decide(case: _Case, checks: Sequence[ReleaseCheck]) -> Decision:
    """Judge, and act on it; the champion must not have moved in between."""
    if _answers_already(case):
        return _keep(
            case, "already champion", f"{case.version.version} is already champion.", ()
        )
    try:
        bundle = load_bundle(case.problem, case.home, case.version)
    except ArtifactError as error:
        unloadable = Finding(
            "loads", passed=False, text=f"its bundle cannot be loaded: {error}"
        )
        return _keep(case, "refused", _refusal(case, [unloadable.text]), (unloadable,))
    rows, findings = _examine(case, bundle)
    findings += tuple(check(case.problem, case.home, case.version, bundle) for check in checks)
    failed = [finding for finding in findings if not finding.passed]
    approval = _approval(case)
    if failed and case.reason is None:
        return _keep(
            case, "refused", _refusal(case, [one.text for one in failed]), findings, rows=rows
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


def _examine(case: _Case, bundle: Bundle) -> tuple[int, tuple[Finding, ...]]:
    """Bring everybody to the same frozen rows, and judge; also how many rows there were."""
    problem, home = case.problem, case.home
    test = answers_on_test(problem, home, bundle)
    fitness = _fitness(case, bundle)
    baseline = baseline_answers(problem, home, case.version, len(test.y))
    answers, able = None, True
    unseen = np.ones(len(test.y), dtype=bool)
    if case.champion is not None:
        try:
            answers = answers_of_champion(problem, home, case.champion, test, challenger=bundle)
        except StorageError as error:
            text = f"the champion {case.champion.version} cannot be compared with: {error}"
            return 0, (fitness, Finding("champion", passed=False, text=text))
        unseen, able = np.isfinite(answers), _can_answer(case.champion, bundle)
    frozen = FrozenRows(
        y=test.y[unseen],
        challenger=test.challenger[unseen],
        baseline=baseline[unseen],
        champion=None if answers is None else answers[unseen],
        champion_can_answer=able,
        slices={} if answers is None else slice_columns(problem, home, test.keys[unseen]),
    )
    return int(unseen.sum()), (fitness, *judge(problem.config, frozen))


def _can_answer(incumbent: ModelVersion, challenger: Bundle) -> bool:
    """Whether the champion's rows went through the code that is installed, as the challenger's."""
    ours, theirs = incumbent.manifest.code, challenger.manifest.code
    parts = ("contract", "features", "hooks")
    return all(getattr(ours, part) == getattr(theirs, part) for part in parts)


def _fitness(case: _Case, bundle: Bundle) -> Finding:
    """Small and quick enough to serve; the limits are wide, they catch what went badly wrong."""
    folder = case.home.artifacts.get(case.version.artifact)
    megabytes = _bytes(folder) / 2**20
    rows = _some_rows(case.problem, case.home, bundle, TIMED_ROWS)
    started = time.perf_counter()
    bundle.predict(rows)
    seconds = (time.perf_counter() - started) * TIMED_ROWS / max(len(rows), 1)
    text = f"bundle of {megabytes:.1f} MiB, 1,000 rows in {seconds:.2f} s"
    if megabytes > MAX_BUNDLE_MB or seconds > MAX_SECONDS:
        text += f", at most {MAX_BUNDLE_MB} MiB and {MAX_SECONDS:g} s are allowed"
        return Finding("fitness", passed=False, text=text)
    return Finding("fitness", passed=True, text=text)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _some_rows(problem: Problem, home: Home, bundle: Bundle, rows: int) -> pd.DataFrame:
    """Features of about so many test rows of the model's training set."""
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    columns = list(bundle.manifest.signature.features)
    share = rows / max(training_set.rows.get("test", 0), 1)
    return training_frame(
        problem, home, training_set, splits=("test",), columns=columns, share=share
    )


def _approval(case: _Case) -> Finding:
    """What the policy asks of people, and whether they did it."""
    said = _last_word(case)
    if said is not None and not said["approved"]:
        text = f"{said['who']} refused this bundle: {said['why']}"
        return Finding("approval", passed=False, text=text)
    if case.policy == "auto":
        return Finding("approval", passed=True, text="the policy asks for no approval")
    if said is not None:
        text = f"approved by {said['who']} at {said['at']:%Y-%m-%d %H:%M}: {said['why']}"
        return Finding("approval", passed=True, text=text)
    if case.policy == "needs_approval":
        text = "every check passed, and it waits for somebody to approve this bundle"
        return Finding("approval", passed=False, text=text)
    if case.reason is not None:
        return Finding("approval", passed=True, text=f"released by {case.who}: {case.reason}")
    text = "every check passed, and it waits for somebody to release it with a reason"
    return Finding("approval", passed=False, text=text)


def _last_word(case: _Case) -> sa.RowMapping | None:
    """The last approval or refusal of exactly this bundle."""
    table = tables.approvals
    query = (
        sa.select(table)
        .where(table.c.problem == case.problem.name)
        .where(table.c.artifact == case.version.artifact)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    tables.prepare(case.home)
    with case.home.store.connect() as connection:
        return connection.execute(query).mappings().one_or_none()


def _refusal(case: _Case, texts: Sequence[str]) -> str:
    """The house's form of a refusal: what, by how much, and what to do."""
    return (
        f"{case.version.version} stays challenger: {'; '.join(texts)}. "
        "Promote anyway with reason=..."
    )


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
        _record(connection, case, outcome, message, _evidence(findings, rows))
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
    evidence = _evidence(findings, rows)
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


def _evidence(findings: Sequence[Finding], rows: int) -> Mapping[str, Any]:
    """Findings as JSON."""
    return {
        "rows": rows,
        "findings": [
            {
                "check": one.check,
                "passed": one.passed,
                "text": one.text,
                "difference": one.difference and _difference(one.difference),
            }
            for one in findings
        ],
    }


def _difference(difference: Difference) -> Mapping[str, Any]:
    metric, *numbers = difference
    names = difference._fields[1:]
    return {"metric": metric, **finite(dict(zip(names, numbers, strict=True)))}


def _rollback_target(
    problem: Problem, home: Home, log: list[Release], to: str | None
) -> ModelVersion:
    """Which version to go back to; only one that was champion before."""
    if to is not None:
        target = version_named(problem, home, to)
        was = {release.to_version for release in log[:-1]} - {
            log[-1].to_version if log else None
        }
        if target.version not in was:
            raise NotPromotable(
                f"{target.version} never answered before, so there is no going back to it. "
                f"Those that did: {', '.join(sorted(map(str, was))) or 'none'}."
            )
        return target
    before = before_last(log)
    if before is None:
        raise NotPromotable(
            f"{problem.name} has no version to go back to: "
            f"{log[-1].to_version if log else 'nobody'} is the first that answers."
        )
    return version_named(problem, home, before)


def _rehearse(problem: Problem, home: Home, version: ModelVersion) -> None:
    """Load the version and let it answer some rows, before anybody depends on it."""
    try:
        bundle = load_bundle(problem, home, version)
        answers = bundle.predict(_some_rows(problem, home, bundle, REHEARSED_ROWS))
    except StorageError as error:
        raise NotPromotable(
            f"{version.version} cannot answer, so the champion stays: {error}"
        ) from error
    if broken := int((~np.isfinite(answers)).sum()):
        raise NotPromotable(
            f"{version.version} gave {broken:,} of {len(answers):,} answers that are no numbers, "
            "so the champion stays. Roll back to another version with to=..."
        )
