"""What a training needs and what comes out of it: the nouns of this room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from ml_assets.errors import TrainingError
from ml_assets.features import TrainingSet
from ml_assets.fingerprint import fingerprint
from ml_assets.problem import Problem
from ml_assets.training.epochs import EpochMetric
from ml_assets.training.estimators import Kind, Values, kind_named, predictions
from ml_assets.training.intervals import Intervals, scale_of
from ml_assets.training.matrices import Batches, each, groups_of, labels
from ml_assets.training.rows import Rows

Measure = Callable[[Values, Values], dict[str, float]]
"""Labels and predictions to metrics by name, among them the KPI."""


class Threshold(Protocol):
    """From which probability on a decision is positive, and what was known when it was chosen."""

    @property
    def threshold(self) -> float:
        """A probability."""


Decide = Callable[[Values, Values], Threshold]
"""Labels and predictions of rows that a model has not seen, to its threshold."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model, and how it was fitted."""

    estimator: str
    """Its name in `config.yaml`."""
    kind: str
    pipeline: Pipeline
    """Steps `encode` and `model`."""
    hyperparameters: dict[str, Any]
    """All of them, those that `config.yaml` leaves open included."""
    seconds: float
    curve: tuple[EpochMetric, ...]
    """Of an estimator that learns in epochs: how good it was after each."""
    warnings: tuple[str, ...]
    intervals: Intervals | None = None
    """Around its answers, calibrated on rows that it has not learned from."""

    @property
    def hyperparameters_hash(self) -> str:
        """The version of this axis: of the estimator's kind and its hyperparameters."""
        return fingerprint(kind=self.kind, hyperparameters=self.hyperparameters)


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One estimator of a training, fitted on the train rows only."""

    name: str
    kind: str
    kpi: float
    """On the validation rows; decides who wins."""
    train: dict[str, float]
    """Metrics on the rows it was fitted on."""
    validation: dict[str, float]
    """Metrics on rows it never saw."""
    seconds: float
    curve: tuple[EpochMetric, ...]
    hyperparameters: dict[str, Any]
    warnings: tuple[str, ...]
    threshold: Threshold | None = None
    """Chosen on the validation rows, where the problem says what mistakes cost."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The outcome of a training."""

    winner: Fitted
    competitors: tuple[Competitor, ...]
    skipped: dict[str, str]
    """Estimator to why it did not compete."""
    training_set: TrainingSet
    fingerprint: str
    seed: int
    feature_names: tuple[str, ...]
    """Features that the model reads, in the order of `config.yaml`."""
    environment: dict[str, str]
    seconds: float
    on_disk: bool
    """The rows did not fit into memory, so they were fitted in batches."""
    parent: str | None
    """Version that was continued; None when fitted from scratch."""


class Parent(NamedTuple):
    """A model that is to be continued."""

    version: str
    estimator: str
    """Its name in `config.yaml`."""
    pipeline: Pipeline
    training_set: TrainingSet


class Run(NamedTuple):
    """What every step of one training needs."""

    problem: Problem
    rows: Rows
    folder: Path
    """For checkpoints."""
    measure: Measure
    decide: Decide | None = None

    def kind(self, name: str) -> Kind:
        """What the estimator called `name` in `config.yaml` is."""
        config = self.problem.config
        return kind_named(name, config.training.estimators[name], predicts=config.kind)

    def ruled_out(self, name: str) -> str | None:
        """Why an estimator may not compete whatever it is worth; None where it may."""
        return ruled_out(self.problem, self.kind(name))

    def measured(
        self, model: Any, batches: Batches, intervals: Intervals | None = None
    ) -> dict[str, float]:
        """Metrics of a model on rows."""
        found = predicted(model, batches)
        if intervals is not None:
            found = intervals.with_ends(found, groups_of(batches))
        return self.measure(labels(batches), found)

    def intervals(self, model: Any, calibrating: Batches | None) -> Intervals | None:
        """Intervals of a model by rows that it has not seen, where the problem asks for them."""
        training = self.problem.config.training
        if training.interval is None or calibrating is None:
            return None
        return Intervals.calibrated(
            training.interval,
            scale_of(training),
            labels(calibrating),
            predicted(model, calibrating),
            groups_of(calibrating),
        )

    def threshold(self, model: Any, batches: Batches) -> Threshold | None:
        """What a model decides from, by rows that it has not seen; None where nobody asks."""
        if self.decide is None:
            return None
        return self.decide(labels(batches), predicted(model, batches))

    def kpi(self, metrics: Mapping[str, float]) -> float:
        """The metric that decides."""
        name = self.problem.config.kpi.metric
        if name not in metrics:
            raise TrainingError(
                f"The KPI {name} is not among the metrics that were measured: "
                f"{', '.join(metrics)}."
            )
        return metrics[name]


def ruled_out(problem: Problem, kind: Kind) -> str | None:
    """Why an estimator of a kind may not make the model of a problem; None where it may."""
    if problem.config.interpretability == "optional" or kind.is_additive:
        return None
    return (
        "is ruled out by interpretability: required, since its answers are no sum of what "
        "each feature adds"
    )


def calibrating_rows(run: Run, encoder: ColumnTransformer, *, name: str) -> Batches | None:
    """Rows that no model learns from or is chosen by, for intervals; None where there are none."""
    if run.problem.config.training.interval is None:
        return None
    return run.rows.matrices(
        encoder, ["validation"], counted=False, calibrating=True, name=name
    )


def predicted(model: Any, batches: Batches) -> Values:
    """Probabilities, or values, of all rows."""
    return np.concatenate([predictions(model, batch.X) for batch in each(batches)])
