"""What a release of a version needs, with its evidence; and a person's yes or no to it."""

from typing import TYPE_CHECKING, NamedTuple

from ml_assets.cli.clock import now, who
from ml_assets.cli.models import BY_HAND
from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.problem import problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.problem import Problem
    from ml_assets.registry import Decision, ModelVersion


class CheckFacts(NamedTuple):
    """One thing that a release may need."""

    check: str
    needed: bool
    passed: bool
    evidence: str


class ReleaseFacts(NamedTuple):
    """Everything that a release of a version needs."""

    problem: str
    version: str
    champion: str | None
    ready: bool
    """Whether nothing keeps it back."""
    checks: tuple[CheckFacts, ...]


class Said(NamedTuple):
    """What came of a person's yes or no."""

    version: str
    approved: bool
    who: str
    why: str
    decision: "Decision | None"


def release_facts(problem_name: str, home: Home, version: str | None) -> ReleaseFacts:
    """Find out what keeps a version from answering, without changing anything.

    Of the champion: what was found when it was released.

    Raises:
        VersionNotFound: If there is no such version, or none at all.
    """
    from ml_assets.registry import champion, version_or_newest
    from ml_assets.serving.releasing import check_release

    problem = problem_named(problem_name)
    asked, answering = version_or_newest(problem, home, version), champion(problem, home)
    is_champion = answering is not None and answering.version == asked.version
    if is_champion:
        checks = _checks_of_release(problem, home, asked)
    else:
        found = check_release(problem, home, asked, clock=now, who=who())
        checks = tuple(CheckFacts(one.check, one.needed, one.passed, one.text) for one in found)
    return ReleaseFacts(
        problem=problem.name,
        version=asked.version,
        champion=answering.version if answering else None,
        ready=is_champion or not any(one.needed and not one.passed for one in checks),
        checks=checks,
    )


def _checks_of_release(
    problem: "Problem", home: Home, version: "ModelVersion"
) -> tuple[CheckFacts, ...]:
    """What was found when the champion was released."""
    from ml_assets.registry import decisions

    released = [
        one
        for one in decisions(problem, home)
        if one.version == version.version and one.outcome in ("promoted", "forced")
    ]
    return tuple(
        CheckFacts(one["check"], one.get("needed", True), one["passed"], one["text"])
        for one in (released[-1].evidence["findings"] if released else ())
    )


def print_release(found: ReleaseFacts, *, as_json: bool) -> None:
    """Print the list, and whether it is complete."""
    if as_json:
        print_json(found)
        return
    rows = [
        (one.check, "needed" if one.needed else "", _mark(one), one.evidence)
        for one in found.checks
    ]
    columns = ["check", "", "held", "evidence"]
    print_table(f"Release of {found.version}", columns, rows, empty="nothing is asked")
    if found.version == found.champion:
        say("It is champion; this was found when it was released.")
    elif found.ready:
        say(f"Nothing keeps it back: ml-assets promote {found.problem} {found.version}")
    else:
        kept = sum(1 for one in found.checks if one.needed and not one.passed)
        say(f"It stays challenger: {kept} of {len(rows)} checks keep it back.")


def say_yes_or_no(
    problem_name: str, home: Home, version: str | None, *, approved: bool, why: str
) -> Said:
    """Record a person's yes or no to a bundle; after a yes its release is considered at once."""
    from ml_assets.registry import version_or_newest
    from ml_assets.serving.releasing import decide_by_person

    problem = problem_named(problem_name)
    asked = version_or_newest(problem, home, version)
    decision = decide_by_person(
        problem,
        home,
        asked,
        approved=approved,
        clock=now,
        who=who(),
        why=why,
        run_id=BY_HAND,
    )
    return Said(asked.version, approved, who(), why, decision)


def print_said(said: Said, *, as_json: bool) -> None:
    """Print what was recorded, and what came of it."""
    if as_json:
        print_json(said)
        return
    answer = "approved" if said.approved else "refused"
    say(f"{said.who} {answer} {said.version}: {said.why}")
    if said.decision is not None:
        say(said.decision.message)


def _mark(one: CheckFacts) -> str:
    return "yes" if one.passed else "NO" if one.needed else "no"
