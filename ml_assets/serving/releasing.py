"""A release with everything that may be asked of it: the registry's own checks and those of serving.

Dagster, the command line and the console go through here, so that none of them forgets a check.
"""

from collections.abc import Callable
from datetime import datetime

from ml_assets.problem import Problem
from ml_assets.registry import (
    Decision,
    ModelVersion,
    ReleaseCheck,
    approve,
    champion,
    consider_promotion,
    examine,
)
from ml_assets.registry.approvals import approval_finding
from ml_assets.registry.gate import Finding
from ml_assets.registry.policy import held_to
from ml_assets.serving.replay import served_alike
from ml_assets.storage import Home

Clock = Callable[[], datetime]


def release_checks(clock: Clock) -> tuple[ReleaseCheck, ...]:
    """What a release is asked for beside the comparison of answers."""
    return (served_alike(clock),)


def consider_release(
    problem: Problem,
    home: Home,
    version: ModelVersion | str,
    *,
    clock: Clock,
    who: str,
    run_id: str,
    reason: str | None = None,
) -> Decision:
    """Let a version answer if it deserves it; as `consider_promotion`, with every check.

    Raises:
        VersionNotFound: If there is no such version.
        WriteConflict: If others kept moving the champion while it was compared.
    """
    return consider_promotion(
        problem,
        home,
        version,
        now=clock(),
        who=who,
        run_id=run_id,
        reason=reason,
        checks=release_checks(clock),
    )


def decide_by_person(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    *,
    approved: bool,
    clock: Clock,
    who: str,
    why: str,
    run_id: str,
) -> Decision | None:
    """Record a person's yes or no to a bundle; after a yes, consider its release at once.

    Returns:
        What came of it; None after a no.
    """
    approve(problem, home, version, now=clock(), who=who, why=why, approved=approved)
    if not approved:
        return None
    return consider_release(problem, home, version, clock=clock, who=who, run_id=run_id)


def check_release(
    problem: Problem, home: Home, version: ModelVersion, *, clock: Clock, who: str
) -> tuple[Finding, ...]:
    """Everything that a release of the version needs, with its evidence; nothing is changed.

    Args:
        problem: Its `promotion.needs` say what is needed.
        home: Where everything is.
        version: That might answer.
        clock: Says what time it is.
        who: Asks.
    """
    answering = champion(problem, home)
    found = examine(problem, home, version, answering, release_checks(clock)).findings
    held = held_to(problem.config, found, is_first=answering is None)
    return (*held, approval_finding(problem, home, version, who=who, reason=None))
