"""How a training went: what differs from run to run, and so is not in the manifest.

Seconds, warnings, and the curve of every competitor, for people and for plots.
"""

import math
from collections.abc import Mapping

from ml_assets.evaluation.thresholds import ThresholdChoice
from ml_assets.registry.manifest import Section
from ml_assets.training import Competitor, Trained


class Epoch(Section):
    """How good an estimator was after one pass over the rows."""

    epoch: int
    loss_train: float | None
    loss_validation: float | None
    kpi_train: float | None
    kpi_validation: float | None


class Contest(Section):
    """One estimator of the training."""

    name: str
    kind: str
    kpi: float | None
    train: dict[str, float | None]
    validation: dict[str, float | None]
    seconds: float
    curve: list[Epoch]
    warnings: list[str]
    threshold: ThresholdChoice | None = None


class Course(Section):
    """How one training went.

    Attributes:
        seconds: All of it.
        on_disk: The rows did not fit into memory, so they were fitted in batches.
        contests: Every estimator that competed, the winner first.
        skipped: Estimator to why it did not compete.
        warnings: Of the last fit, on all rows.
    """

    seconds: float
    on_disk: bool
    contests: list[Contest]
    skipped: dict[str, str]
    warnings: list[str]


def course_of(trained: Trained) -> Course:
    """How `trained` went, its winner first."""
    winner = trained.winner.estimator
    ordered = sorted(trained.competitors, key=lambda one: one.name != winner)
    return Course(
        seconds=trained.seconds,
        on_disk=trained.on_disk,
        contests=[_contest(one) for one in ordered],
        skipped=trained.skipped,
        warnings=list(trained.winner.warnings),
    )


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON can hold them: None for what is undefined."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _contest(one: Competitor) -> Contest:
    return Contest(
        name=one.name,
        kind=one.kind,
        kpi=finite({"kpi": one.kpi})["kpi"],
        train=finite(one.train),
        validation=finite(one.validation),
        seconds=one.seconds,
        curve=[Epoch.model_validate(finite(epoch._asdict())) for epoch in one.curve],
        warnings=list(one.warnings),
        threshold=one.threshold if isinstance(one.threshold, ThresholdChoice) else None,
    )
