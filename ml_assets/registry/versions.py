"""Registered model versions: immutable, named by time and content, each with its whole manifest.

A version id, `20261120T080000Z-3f9ac`, is the moment of registration and the first digits of the
bundle's content hash, so ids sort by time. Training is asked for in `retraining`; which version
answers is in `releases`.
"""

import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ml_assets.errors import VersionNotFound, WriteConflict
from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.bundle import Bundle, open_bundle
from ml_assets.registry.course import Course
from ml_assets.registry.manifest import Manifest
from ml_assets.registry.numbering import next_number
from ml_assets.storage import Home

HASH_DIGITS = 5
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One immutable registered model.

    Attributes:
        version: Its id, which sorts by time.
        problem: Name of the problem.
        sequence: Which one of the problem it is, from 1.
        artifact: Content hash of its bundle.
        number: Semantic version; see `numbering`.
        number_reason: Why it is this one.
        previous: The version that was registered before it.
        training_set: Id of what it learned from.
        training_fingerprint: Of all inputs.
        trigger: Why it was trained: feedback, drift, schedule, manual.
        run_id: That registered it.
        created_at: When it was registered.
        manifest: Everything that made it.
        course: How its training went; None where that was not recorded.
        unchanged: It was there already, and nothing was trained.
        rebuilt: It was there already, its bundle was lost, and the same bytes were made again.
    """

    version: str
    problem: str
    sequence: int
    artifact: str
    number: str
    number_reason: str
    previous: str | None
    training_set: str
    training_fingerprint: str
    trigger: str
    run_id: str
    created_at: dt.datetime
    manifest: Manifest
    course: Course | None = None
    unchanged: bool = False
    rebuilt: bool = False


def versions(problem: Problem, home: Home) -> list[ModelVersion]:
    """All versions of the problem, in the order of their registration."""
    models = tables.models
    query = (
        sa.select(models).where(models.c.problem == problem.name).order_by(models.c.sequence)
    )
    with _reading(home) as connection:
        return [version_from(row) for row in connection.execute(query).mappings()]


def version_named(problem: Problem, home: Home, name: str) -> ModelVersion:
    """The version with the id `name`, the semantic version `name`, or the only id that starts so.

    Raises:
        VersionNotFound: If there is none, or several; the message lists the newest ones.
    """
    known = versions(problem, home)
    exact = [one for one in known if name in (one.version, one.number)]
    found = exact or [one for one in known if one.version.startswith(name)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(one.version for one in reversed(known[-5:])) or "none"
    what = f"{len(found)} models called {name!r}" if found else f"no model {name!r}"
    raise VersionNotFound(f"{problem.name} has {what}. The newest: {newest}.")


def version_or_newest(problem: Problem, home: Home, name: str | None) -> ModelVersion:
    """The version called `name`; the newest where no name is given.

    Raises:
        VersionNotFound: If there is none.
    """
    if name is not None:
        return version_named(problem, home, name)
    known = versions(problem, home)
    if not known:
        raise VersionNotFound(
            f"{problem.name} has no model yet. Make one: ml-assets run {problem.name} --source …"
        )
    return known[-1]


def version_trained_from(
    problem: Problem, home: Home, training_fingerprint: str
) -> ModelVersion | None:
    """The newest version that was trained from exactly these inputs."""
    with _reading(home) as connection:
        return _newest(
            connection,
            problem.name,
            tables.models.c.training_fingerprint == training_fingerprint,
        )


def register(
    problem: Problem,
    home: Home,
    *,
    artifact: str,
    manifest: Manifest,
    trigger: str,
    run_id: str,
    now: dt.datetime,
    course: Course | None = None,
) -> ModelVersion:
    """Register a stored bundle; one that is registered already stays what it is.

    Raises:
        WriteConflict: If other processes kept registering at the same moment.
    """
    tables.prepare(home)
    for _ in range(ATTEMPTS):
        try:
            with home.store.begin() as connection:
                same = _newest(connection, problem.name, tables.models.c.artifact == artifact)
                if same is not None:
                    return same
                version = _following(
                    _newest(connection, problem.name),
                    problem=problem.name,
                    artifact=artifact,
                    manifest=manifest,
                    trigger=trigger,
                    run_id=run_id,
                    created_at=now,
                    course=course,
                )
                connection.execute(sa.insert(tables.models).values(_row(version)))
                return version
        except IntegrityError:
            continue  # somebody registered in between, so number and predecessor are another
    raise WriteConflict(
        f"{problem.name}: other processes kept registering models. Try it again."
    )


def _following(
    last: ModelVersion | None,
    *,
    problem: str,
    artifact: str,
    manifest: Manifest,
    trigger: str,
    run_id: str,
    created_at: dt.datetime,
    course: Course | None,
) -> ModelVersion:
    """The version that comes after `last`."""
    number = next_number(
        last.manifest if last else None, last.number if last else None, manifest
    )
    return ModelVersion(
        version=version_id(created_at, artifact),
        problem=problem,
        sequence=last.sequence + 1 if last else 1,
        artifact=artifact,
        number=number.number,
        number_reason=number.explanation,
        previous=last.version if last else None,
        training_set=manifest.data.training_set,
        training_fingerprint=manifest.training_fingerprint,
        trigger=trigger,
        run_id=run_id,
        created_at=created_at,
        manifest=manifest,
        course=course,
    )


def version_id(now: dt.datetime, artifact: str) -> str:
    """Name of a version: the moment in UTC, and the beginning of the bundle's hash."""
    moment = now.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{artifact[:HASH_DIGITS]}"


def load_bundle(problem: Problem, home: Home, version: ModelVersion | str) -> Bundle:
    """Load the bundle of a version, verified against its hash and the installed problem.

    Raises:
        VersionNotFound: If there is no such version.
        ArtifactError: If the bundle is missing, was changed, or was made by other code than what
            is installed.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    return open_bundle(home.artifacts.get(version.artifact), problem)


def version_from(row: sa.RowMapping) -> ModelVersion:
    """A row of the table `models` as a `ModelVersion`."""
    course = row["course"] and Course.model_validate(row["course"])
    manifest = Manifest.model_validate(row["manifest"])
    return ModelVersion(**{**row, "manifest": manifest, "course": course})


def _newest(
    connection: sa.Connection, problem: str, *conditions: sa.ColumnElement[bool]
) -> ModelVersion | None:
    """The newest version of the problem that fulfils the conditions."""
    models = tables.models
    query = (
        sa.select(models)
        .where(models.c.problem == problem, *conditions)
        .order_by(models.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else version_from(row)


def _row(version: ModelVersion) -> Mapping[str, Any]:
    columns = tables.models.c.keys()
    values = {name: getattr(version, name) for name in columns}
    course = version.course and version.course.model_dump(mode="json")
    return {**values, "manifest": version.manifest.model_dump(mode="json"), "course": course}


def _reading(home: Home) -> AbstractContextManager[sa.Connection]:
    tables.prepare(home)
    return home.store.connect()
