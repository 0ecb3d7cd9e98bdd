"""Can a version be made again from what its manifest says? Tried, not promised.

The training set is read at the versions that were pinned, and the training section of the
manifest is run again. Either the bytes are the same, or every input and every learned number
that differs is named.
"""

from dataclasses import replace
from typing import NamedTuple

from ml_assets.evaluation import metric_named
from ml_assets.features import load_training_set
from ml_assets.problem import Problem
from ml_assets.problem.config import Training
from ml_assets.registry import frozen
from ml_assets.registry.bundle import MODEL
from ml_assets.registry.manifest import Manifest, differences
from ml_assets.registry.retraining import manifest_of, measure_of
from ml_assets.registry.versions import ModelVersion, version_named
from ml_assets.storage import Home
from ml_assets.training import train


class Reproduction(NamedTuple):
    """What came of making a version again."""

    version: str
    identical: bool
    """The same bytes were learned."""
    model_hash: str
    """Of the version."""
    reproduced_hash: str
    """Of what was made now."""
    inputs: tuple[str, ...]
    """Inputs that are not what they were: code, libraries, data."""
    learned: tuple[str, ...]
    """Places in the model that differ, and by how much."""

    def __str__(self) -> str:
        """One sentence for a person."""
        if self.identical:
            return f"{self.version} was made again, identical to the last bit."
        because = "; ".join(self.inputs) or "no input differs"
        learned = "; ".join(self.learned)
        return (
            f"{self.version} was made again and differs. Inputs: {because}. Learned: {learned}."
        )


def reproduce(problem: Problem, home: Home, version: ModelVersion | str) -> Reproduction:
    """Train a version again from the snapshot and the values of its manifest, and compare.

    Nothing is registered.

    Raises:
        VersionNotFound: If there is no such version.
        ArtifactError: If its bundle is missing, so there is nothing to compare with.
        TrainingError: If its rows are no longer in the lake, or it continued another version.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    before = version.manifest
    pinned = _pinned(problem, before)
    training_set = load_training_set(pinned, home, before.data.training_set)
    stored = (home.artifacts.get(version.artifact) / MODEL).read_bytes()
    trained = train(pinned, home, training_set, measure=measure_of(pinned))
    made = frozen.freeze(trained.winner.pipeline)
    made_hash = frozen.model_hash(made)
    after = manifest_of(pinned, home, trained).model_copy(update={"model_hash": made_hash})
    return Reproduction(
        version=version.version,
        identical=made_hash == before.model_hash,
        model_hash=before.model_hash,
        reproduced_hash=made_hash,
        inputs=tuple(
            line for line in differences(before, after) if not line.startswith(OUTCOMES)
        ),
        learned=frozen.differences(stored, made),
    )


OUTCOMES = ("model_hash", "metrics", "training_fingerprint")
"""Parts of a manifest that follow from the inputs."""


def _pinned(problem: Problem, manifest: Manifest) -> Problem:
    """The problem with the values that the manifest was made with."""
    metric = metric_named(manifest.algorithm.kpi)
    direction = "higher" if metric.higher_is_better else "lower"
    config = problem.config
    kpi = config.kpi.model_copy(update={"metric": metric.name, "direction": direction})
    training = Training.model_validate(manifest.algorithm.training)
    return replace(problem, config=config.model_copy(update={"training": training, "kpi": kpi}))
