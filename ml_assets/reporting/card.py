"""The model card: what a version is for, and every input that made it.

From the problem's configuration and the version's manifest; how good it is stands elsewhere.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml_assets.problem import Problem
from ml_assets.registry import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What the model is for.

    Attributes:
        objective: Of the business.
        owner: Of the problem.
        kind: Whether it says yes or no, or a value.
        positive: What a label of 1, or a value, says.
        moment: Of the prediction; facts that are known later are no features.
        label_delay_days: Until a label can be trusted.
        kpi: Metric that chooses.
        formula: Of it, in words.
        direction: That is better.
        floor: That a model has to keep.
        kpi_owner: Who answers for it.
        protected: Columns that are kept for the audit and are never features.
        withheld: Columns that are kept from features because they could stand for those.
    """

    objective: str
    owner: str
    kind: Literal["binary", "regression"]
    positive: str
    moment: str
    label_delay_days: int
    kpi: str
    formula: str
    direction: Literal["higher", "lower"]
    floor: float
    kpi_owner: str
    protected: tuple[str, ...]
    withheld: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What the model was made from.

    Attributes:
        origin: Of the data.
        terms: Under which it may be used.
        training_set: Id of the snapshot.
        rows: Split to rows.
        partitions: Partition to the hash of its content.
        excluded: Partition to why it was left out.
        feedback: Feedback batch to the hash of its content.
        code: Part of the code to its hash.
        environment: Library to version.
        parent: Version that training continued from.
        fingerprint: Of all inputs together.
    """

    origin: str
    terms: str
    training_set: str
    rows: Mapping[str, int]
    partitions: Mapping[str, str]
    excluded: Mapping[str, str]
    feedback: Mapping[str, str]
    code: Mapping[str, str]
    environment: Mapping[str, str]
    parent: str | None
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Rival:
    """An estimator that competed; the winner comes first."""

    name: str
    kind: str
    kpi: float | None
    """On the validation rows."""
    train: float | None
    seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Design:
    """How it was fitted.

    Attributes:
        estimator: That won.
        algorithm: Its kind.
        hyperparameters: Name to value.
        hyperparameters_hash: The version of this axis.
        seed: Of everything random.
        features: Feature to its type.
        rivals: Estimators that competed; empty where that was not recorded.
        ruled_out: Estimator to why it did not compete.
        interval_coverage: Share of labels that the intervals around answers promise to hold.
        local_rows: Groups with a model of their own, and their rows.
    """

    estimator: str
    algorithm: str
    hyperparameters: Mapping[str, Any]
    hyperparameters_hash: str
    seed: int
    features: Mapping[str, str]
    rivals: tuple[Rival, ...]
    ruled_out: Mapping[str, str]
    interval_coverage: float | None
    local_rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Card:
    """The model card of one version."""

    problem: str
    version: str
    number: str
    number_reason: str
    created_at: dt.datetime
    trigger: str
    run_id: str
    artifact: str
    purpose: Purpose
    lineage: Lineage
    design: Design


def card_of(problem: Problem, version: ModelVersion) -> Card:
    """Write the card of a version."""
    return Card(
        problem=problem.name,
        version=version.version,
        number=version.number,
        number_reason=version.number_reason,
        created_at=version.created_at,
        trigger=version.trigger,
        run_id=version.run_id,
        artifact=version.artifact,
        purpose=_purpose(problem),
        lineage=_lineage(problem, version),
        design=_design(version),
    )


def _purpose(problem: Problem) -> Purpose:
    config, kpi = problem.config, problem.config.kpi
    return Purpose(
        objective=config.objective,
        owner=config.owner,
        kind=config.kind,
        positive=config.label.positive,
        moment=config.moment_of_prediction,
        label_delay_days=config.label.delay_days,
        kpi=kpi.metric,
        formula=kpi.formula,
        direction=kpi.direction,
        floor=kpi.floor,
        kpi_owner=kpi.owner,
        protected=tuple(config.protected),
        withheld=tuple(config.proxies),
    )


def _lineage(problem: Problem, version: ModelVersion) -> Lineage:
    manifest, source = version.manifest, problem.config.source
    data = manifest.data
    return Lineage(
        origin=source.origin,
        terms=source.terms,
        training_set=data.training_set,
        rows=data.rows,
        partitions=dict(sorted(data.partitions.items())),
        excluded=dict(sorted(data.excluded.items())),
        feedback=dict(sorted(data.feedback.items())),
        code=manifest.code.model_dump(),
        environment=manifest.environment,
        parent=manifest.parent,
        fingerprint=manifest.training_fingerprint,
    )


def _design(version: ModelVersion) -> Design:
    manifest, course = version.manifest, version.course
    algorithm = manifest.algorithm
    contests = course.contests if course else []
    return Design(
        estimator=algorithm.estimator,
        algorithm=algorithm.kind,
        hyperparameters=algorithm.hyperparameters,
        hyperparameters_hash=algorithm.hyperparameters_hash,
        seed=algorithm.seed,
        features=manifest.signature.features,
        rivals=tuple(
            Rival(
                name=one.name,
                kind=one.kind,
                kpi=one.kpi,
                train=one.train.get(algorithm.kpi),
                seconds=one.seconds,
                warnings=tuple(one.warnings),
            )
            for one in contests
        ),
        ruled_out=course.skipped if course else {},
        interval_coverage=manifest.intervals.coverage if manifest.intervals else None,
        local_rows=manifest.local_rows or {},
    )
