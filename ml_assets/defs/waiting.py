"""What waits to be done: rows that came, were revised, or were made by other code than today's.

Read from what the lake, the store and the source files say, never from Dagster's event log.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_assets.errors import MLAssetsError
from ml_assets.features.view import feature_recipe, features_fingerprint
from ml_assets.fingerprint import fingerprint
from ml_assets.ingestion import UNPLACED, RefusedFile, outdated_joins, pending_files
from ml_assets.ingestion.pending import pending_partitions, refused_files
from ml_assets.problem import Problem
from ml_assets.storage import Home, PartitionState
from ml_assets.validation import admissions, profile_fingerprint, verdict_fingerprint

Trigger = Literal["new data", "code"]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What the next run of a problem has to do.

    Attributes:
        partitions: That are not what their sources and code would make of them, in order.
        trigger: Why, for the record of the run.
        reasons: The same for a person, by partition.
        key: Changes with what waits; the same key need not be asked for again.
        refused: Files that cannot be read; they wait for a person.
    """

    partitions: tuple[str, ...]
    trigger: Trigger
    reasons: Mapping[str, str]
    key: str
    refused: tuple[RefusedFile, ...]


def waiting(problem: Problem, home: Home) -> Waiting:
    """Find what waits.

    Args:
        problem: Whose sources, code and configuration count.
        home: Where its tables are.
    """
    arrived = dict.fromkeys(pending_partitions(problem, home), "has new or revised rows")
    why = "was not made from its sources' rows by today's mappings"
    joins = dict.fromkeys(
        (each for each in outdated_joins(problem, home) if each != UNPLACED), why
    )
    reasons = {**dict(_outdated(problem, home)), **joins, **arrived}
    files = {str(file.path): file.content_hash for file in pending_files(problem, home)}
    version = home.lake.version(f"{problem.name}/raw")
    return Waiting(
        partitions=tuple(sorted(reasons)),
        trigger="new data" if arrived else "code",
        reasons=reasons,
        key=fingerprint(reasons=reasons, files=files, version=version),
        refused=tuple(refused_files(problem, home)),
    )


def nothing_to_learn(problem: Problem, home: Home, *, now: dt.datetime) -> str | None:
    """Say why a training run would give no new model; None when it would.

    The training set is built for it: labels become trustworthy with time, without new rows.
    """
    from ml_assets.features import build_training_set
    from ml_assets.feedback import pending_batches
    from ml_assets.registry import present_model

    if pending_batches(problem, home):
        return None
    try:
        training_set = build_training_set(problem, home, now=now, run_id="schedule")
    except MLAssetsError as error:
        return str(error)
    known = present_model(problem, home)
    if known is None or not home.artifacts.exists(known.artifact):
        return None
    return (
        f"Nothing new: {known.version} was trained from the same {len(training_set.snapshot)} "
        "partitions, code and configuration."
    )


def _outdated(problem: Problem, home: Home) -> Iterator[tuple[str, str]]:
    """Partitions that a killed run left behind, or that other code or configuration made."""
    lake, name = home.lake, problem.name
    validated, verdicts = lake.partitions(f"{name}/validated"), admissions(problem, home)
    features, profiles = lake.partitions(f"{name}/features"), lake.partitions(f"{name}/profile")
    recipe = feature_recipe(problem)
    for partition, state in validated.items():
        if _made_from(profiles.get(partition)) != profile_fingerprint(state):
            yield partition, "has no profile of its rows by today's code"
        if _made_from(features.get(partition)) != features_fingerprint(recipe, state):
            yield partition, "has no features of its rows by today's code"
    for partition, state in lake.partitions(f"{name}/raw").items():
        verdict = verdicts.get(partition)
        is_there = verdict is None or not verdict.admitted or verdict.state is not None
        if partition != UNPLACED and not (
            verdict and is_there and verdict.fingerprint == verdict_fingerprint(problem, state)
        ):
            yield partition, "was not judged from its rows by today's contract and gate"


def _made_from(state: PartitionState | None) -> str | None:
    return state.fingerprint if state else None
