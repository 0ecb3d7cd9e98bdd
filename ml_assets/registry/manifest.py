"""What a model bundle says about itself: every input that made it, by name and by hash.

Three axes of versions are kept apart, so that two models can be compared axis by axis: the data
(partitions and their hashes), the hyperparameters, the code. Nothing in a manifest depends on
the hour or the machine's load, so that the same inputs give the same bytes; who registered it,
when and in which run is in the registry.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from ml_assets.evaluation.thresholds import CUSTOMARY
from ml_assets.fingerprint import fingerprint
from ml_assets.training.intervals import Intervals

FORMAT = 1
LONG = 60


class Section(BaseModel):
    """A part of the manifest: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """The snapshot that the model learned from.

    Attributes:
        training_set: Id of the training set.
        features_version: Version of the lake's features table that holds exactly these rows.
        partitions: Partition to the hash of its content.
        excluded: Partition to why it was left out.
        rows: Split to its number of rows.
        feedback: Feedback batch to the hash of its content.
        feedback_version: Version of the lake's feedback table, where there was one.
    """

    training_set: str
    features_version: int
    partitions: dict[str, str]
    excluded: dict[str, str]
    rows: dict[str, int]
    feedback: dict[str, str] = {}
    feedback_version: int | None = None


class Algorithm(Section):
    """How the model was fitted.

    Attributes:
        estimator: Name in `config.yaml` of the estimator that won.
        kind: What that estimator is.
        hyperparameters: As resolved, with those that `config.yaml` leaves open.
        hyperparameters_hash: Of kind and hyperparameters: the version of this axis.
        seed: Of everything random.
        training: The section `training` of `config.yaml`, whole, so that it can be run again.
        kpi: The metric that chose the winner.
    """

    estimator: str
    kind: str
    hyperparameters: dict[str, Any]
    hyperparameters_hash: str
    seed: int
    training: dict[str, Any]
    kpi: str


NO_HOOKS = "none"


class Code(Section):
    """Hashes of the source that rows went through, helpers included."""

    contract: str
    features: str
    training: str
    hooks: str = NO_HOOKS


class Signature(Section):
    """What the model needs and what it answers."""

    features: dict[str, str]
    target: str
    positive: str
    kind: Literal["binary", "regression"]
    classes: list[float]


class Manifest(Section):
    """Everything that made a model.

    Attributes:
        format: Of the bundle's layout.
        problem: Its name.
        data: First axis of versions.
        algorithm: Second axis.
        code: Third axis.
        signature: Input and output.
        environment: Library to version, with python and platform.
        training_fingerprint: One hash over all inputs: equal inputs are not trained twice.
        model_hash: Of the fitted model's content, independent of compression.
        metrics: Split to metric to value, as measured at training; None where undefined.
        parent: Version that training continued from, if any.
        intervals: Around its answers; None where it gives none.
        local_rows: Groups with a model of their own, and from how many rows each was fitted; None
            where all rows have one model.
        threshold: Probability from which on a decision is positive, where one was chosen by cost.
    """

    format: int = FORMAT
    problem: str
    data: Data
    algorithm: Algorithm
    code: Code
    signature: Signature
    environment: dict[str, str]
    training_fingerprint: str
    model_hash: str
    metrics: dict[str, dict[str, float | None]]
    parent: str | None = None
    intervals: Intervals | None = None
    local_rows: dict[str, int] | None = None
    threshold: float | None = None

    @property
    def decides_from(self) -> float:
        """The threshold that counts: the chosen one, or a half."""
        return CUSTOMARY if self.threshold is None else self.threshold

    def to_json(self) -> str:
        """The manifest as text; equal manifests give equal text."""
        return json.dumps(self.model_dump(), indent=2, allow_nan=False) + "\n"


class Axes(NamedTuple):
    """The three versions of whatever was fitted, each a hash that changes by itself."""

    data: str
    """Of the rows that it learned from."""
    pipeline: str
    """Of the code and the encoders that the rows went through: each new feature is a new one."""
    hyperparameters: str
    """Of the algorithm and its hyperparameters, as resolved."""


def axes_of(manifest: Manifest) -> Axes:
    """The three versions of a model."""
    return Axes(
        data=manifest.data.training_set,
        pipeline=pipeline_version(
            manifest.code, manifest.algorithm.training.get("encoders", {})
        ),
        hyperparameters=manifest.algorithm.hyperparameters_hash,
    )


def pipeline_version(code: Code, encoders: Mapping[str, Any]) -> str:
    """The version of code and encoders; the encoders as JSON has them, in their order."""
    return fingerprint(code=code.model_dump(), encoders=encoders, order=list(encoders))


def differences(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """What differs between two manifests, axis by axis, as `place: before, now after`."""
    return tuple(_walk("", before.model_dump(), after.model_dump()))


def _walk(place: str, before: Any, after: Any) -> list[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = sorted({*before, *after})
        return [
            line
            for name in names
            for line in _walk(
                f"{place}.{name}".removeprefix("."), before.get(name), after.get(name)
            )
        ]
    return [] if before == after else [f"{place}: {_short(before)}, now {_short(after)}"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONG else f"{text[:LONG]}..."
