"""The release log: which version answered from when, who moved it, and why.

The last row of the log says which version is champion; nothing else does. Rows are only ever
added, and every row names the version that it took over from, so that two releases at once
cannot both follow the same one. Whether a version deserves it is judged in `promotion`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ml_assets.errors import WriteConflict
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.versions import ModelVersion, version_from
from ml_assets.storage import Home

Kind = Literal["promotion", "rollback", "forced"]


class Release(NamedTuple):
    """One row of the release log."""

    problem: str
    sequence: int
    deployment: str
    """Id of the deployment, `complaints-3`; the same model may be deployed more than once."""
    at: datetime
    kind: Kind
    from_version: str | None
    to_version: str
    who: str
    why: str
    run_id: str
    evidence: Mapping[str, Any]
    """What was known when it was decided, as JSON."""


def releases(problem: Problem, home: Home) -> list[Release]:
    """The release log, oldest first."""
    tables.prepare(home)
    log = tables.releases
    query = sa.select(log).where(log.c.problem == problem.name).order_by(log.c.sequence)
    with home.store.connect() as connection:
        return [Release(**row) for row in connection.execute(query).mappings()]


def champion(
    problem: Problem, home: Home, *, at: datetime | None = None
) -> ModelVersion | None:
    """The version that answers now, or answered at the moment `at`; None before the first."""
    tables.prepare(home)
    log, models = tables.releases, tables.models
    query = (
        sa.select(models)
        .join(log, log.c.to_version == models.c.version)
        .where(log.c.problem == problem.name)
        .order_by(log.c.sequence.desc())
        .limit(1)
    )
    if at is not None:
        query = query.where(log.c.at <= at)
    with home.store.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else version_from(row)


def add_release(
    problem: Problem,
    home: Home,
    *,
    kind: Kind,
    from_version: str | None,
    to_version: str,
    now: datetime,
    who: str,
    why: str,
    run_id: str,
    evidence: Mapping[str, Any],
    record: Callable[[sa.Connection], None] = lambda _: None,
) -> Release:
    """Let `to_version` answer, provided that `from_version` is still the one that does.

    Args:
        problem: Whose champion moves.
        home: Where the log is.
        kind: Of the release.
        from_version: Who answered when this was decided.
        to_version: Who answers from now on.
        now: When.
        who: Moved it.
        why: They did.
        run_id: In which it happened.
        evidence: What was known, as JSON.
        record: Writes what must be kept if and only if the release is.

    Raises:
        WriteConflict: If somebody else moved the champion in the meantime.
    """
    tables.prepare(home)
    try:
        with home.store.begin() as connection:
            last = _last(connection, problem.name)
            if (last.to_version if last else None) != from_version:
                raise _moved(problem, from_version, last)
            sequence = last.sequence + 1 if last else 1
            release = Release(
                problem=problem.name,
                sequence=sequence,
                deployment=f"{problem.name}-{sequence}",
                at=now,
                kind=kind,
                from_version=from_version,
                to_version=to_version,
                who=who,
                why=why,
                run_id=run_id,
                evidence=evidence,
            )
            connection.execute(sa.insert(tables.releases).values(release._asdict()))
            record(connection)
    except IntegrityError:
        # Another process took this sequence between our reading and our writing (Postgres).
        with home.store.connect() as connection:
            raise _moved(problem, from_version, _last(connection, problem.name)) from None
    return release


def before_last(log: list[Release]) -> str | None:
    """The version that a rollback leads to: the one that answered before the champion.

    A version that was rolled back from is not led to again.
    """
    answered: list[str] = []
    for release in log:
        if release.kind == "rollback":
            while answered and answered[-1] != release.to_version:
                answered.pop()
        if not answered or answered[-1] != release.to_version:
            answered.append(release.to_version)
    return answered[-2] if len(answered) > 1 else None


def _last(connection: sa.Connection, problem: str) -> Release | None:
    log = tables.releases
    query = (
        sa.select(log).where(log.c.problem == problem).order_by(log.c.sequence.desc()).limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Release(**row)


def _moved(problem: Problem, expected: str | None, last: Release | None) -> WriteConflict:
    now = last.to_version if last else None
    return WriteConflict(
        f"The champion of {problem.name} was {expected or 'nobody'} when this was decided and is "
        f"{now or 'nobody'} now. Consider it again."
    )
