"""Back to a version that answered before, once it has shown that it still can."""

import datetime as dt

import numpy as np

from ml_assets.errors import NotPromotable, StorageError
from ml_assets.problem import Problem
from ml_assets.registry.examination import some_rows
from ml_assets.registry.releases import Release, add_release, before_last, releases
from ml_assets.registry.versions import ModelVersion, load_bundle, version_named
from ml_assets.storage import Home

REHEARSED_ROWS = 100


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
    target = _target(problem, home, log, to)
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


def _target(problem: Problem, home: Home, log: list[Release], to: str | None) -> ModelVersion:
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
        answers = bundle.predict(some_rows(problem, home, bundle, REHEARSED_ROWS))
    except StorageError as error:
        raise NotPromotable(
            f"{version.version} cannot answer, so the champion stays: {error}"
        ) from error
    if broken := int((~np.isfinite(answers)).sum()):
        raise NotPromotable(
            f"{version.version} gave {broken:,} of {len(answers):,} answers that are no numbers, "
            "so the champion stays. Roll back to another version with to=..."
        )
