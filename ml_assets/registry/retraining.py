"""A model for the present training set: the one that is there, or a new one, fitted and registered.

Everything that makes a model is in its training fingerprint. When a version with the same one is
registered and its bundle is stored, nothing is trained. A lost bundle is made again; if that gives
the same bytes, it is the same version.
"""

import datetime as dt
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_assets.errors import ArtifactError
from ml_assets.evaluation import measure
from ml_assets.evaluation.thresholds import cheapest_threshold
from ml_assets.features import TrainingSet, feature_code_hash, load_training_set
from ml_assets.governance import require_protection
from ml_assets.problem import Problem
from ml_assets.registry.bundle import contract_code_hash, hooks_code_hash, save_bundle
from ml_assets.registry.course import course_of, finite
from ml_assets.registry.manifest import Algorithm, Code, Data, Manifest, Signature
from ml_assets.registry.measuring import metric_names
from ml_assets.registry.releases import champion
from ml_assets.registry.versions import (
    ModelVersion,
    load_bundle,
    register,
    version_trained_from,
    versions,
)
from ml_assets.storage import Home
from ml_assets.training import (
    Decide,
    Measure,
    Parent,
    Trained,
    train,
    training_code_hash,
    training_fingerprint,
)
from ml_assets.training.wrappers import local_rows
from ml_assets.tuning import with_chosen

CLASSES = {"binary": [0.0, 1.0], "regression": list[float]()}


def ensure_model(
    problem: Problem,
    home: Home,
    *,
    now: dt.datetime,
    run_id: str,
    trigger: str = "manual",
    force: bool = False,
) -> ModelVersion:
    """Return the model of the present training set, trained and registered if it is not yet.

    Args:
        problem: Whose.
        home: Where the training set is, and where the model goes.
        now: When a new version is registered.
        run_id: Who asks.
        trigger: Why a retraining is considered: feedback, drift, schedule, manual.
        force: Train even though nothing has changed.

    Returns:
        The version; `unchanged` when nothing was trained.

    Raises:
        ProtectedFeature: If a feature is a protected attribute, or stands for one.
        TrainingError: If there is no training set, or no estimator can be fitted.
    """
    problem, training_set = with_chosen(problem, home), load_training_set(problem, home)
    parent = _parent(problem, home, training_set)
    known = _known(problem, home, training_set, parent)
    if known is not None and not force and home.artifacts.exists(known.artifact):
        return replace(known, unchanged=True)
    require_protection(problem, home, training_set, now=now, run_id=run_id)
    trained = train(
        problem,
        home,
        training_set,
        measure=measure_of(problem),
        decide=decide_of(problem),
        parent=parent,
    )
    version = register_trained(problem, home, trained, now=now, run_id=run_id, trigger=trigger)
    return replace(version, rebuilt=known is not None and version.version == known.version)


def present_model(problem: Problem, home: Home) -> ModelVersion | None:
    """The version that was made from the present training set, code and configuration, if any."""
    problem, training_set = with_chosen(problem, home), load_training_set(problem, home)
    return _known(problem, home, training_set, _parent(problem, home, training_set))


def register_trained(
    problem: Problem,
    home: Home,
    trained: Trained,
    *,
    now: dt.datetime,
    run_id: str,
    trigger: str,
) -> ModelVersion:
    """Store a trained model as a bundle, and register it."""
    with tempfile.TemporaryDirectory(prefix="ml_assets_") as place:
        folder = Path(place) / "bundle"
        manifest = save_bundle(
            folder,
            manifest=manifest_of(problem, home, trained),
            pipeline=trained.winner.pipeline,
        )
        artifact = home.artifacts.put(folder)
    return register(
        problem,
        home,
        artifact=artifact,
        manifest=manifest,
        trigger=trigger,
        run_id=run_id,
        now=now,
        course=course_of(trained),
    )


def manifest_of(problem: Problem, home: Home, trained: Trained) -> Manifest:
    """Everything that made `trained`."""
    made_from, config, winner = trained.training_set, problem.config, trained.winner
    contest = next(one for one in trained.competitors if one.name == winner.estimator)
    return Manifest(
        problem=problem.name,
        data=Data(
            training_set=made_from.id,
            features_version=made_from.features_version,
            partitions=made_from.snapshot,
            excluded=made_from.excluded,
            rows=made_from.rows,
            feedback=made_from.feedback,
            feedback_version=made_from.feedback_version,
        ),
        algorithm=Algorithm(
            estimator=winner.estimator,
            kind=winner.kind,
            hyperparameters=_plain(winner.hyperparameters),
            hyperparameters_hash=winner.hyperparameters_hash,
            seed=trained.seed,
            training=config.training.model_dump(mode="json"),
            kpi=config.kpi.metric,
        ),
        code=code_of(problem),
        signature=Signature(
            features=_feature_types(home, made_from, trained.feature_names),
            target=problem.target,
            positive=config.label.positive,
            kind=config.kind,
            classes=CLASSES[config.kind],
        ),
        environment=trained.environment,
        training_fingerprint=trained.fingerprint,
        model_hash="",
        metrics={"train": finite(contest.train), "validation": finite(contest.validation)},
        parent=trained.parent,
        intervals=winner.intervals,
        local_rows=local_rows(winner.pipeline),
        threshold=contest.threshold.threshold if contest.threshold else None,
    )


def code_of(problem: Problem) -> Code:
    """The source that rows go through, as it is now."""
    return Code(
        contract=contract_code_hash(problem),
        features=feature_code_hash(problem),
        training=training_code_hash(),
        hooks=hooks_code_hash(problem),
    )


def measure_of(problem: Problem) -> Measure:
    """The problem's metrics, as training asks for them."""
    return partial(measure, metric_names(problem))


def decide_of(problem: Problem) -> Decide | None:
    """How a threshold is chosen, where the problem says what mistakes cost."""
    costs = problem.config.threshold
    if costs is None:
        return None
    return partial(
        cheapest_threshold,
        cost_false_positive=costs.cost_false_positive,
        cost_false_negative=costs.cost_false_negative,
    )


def _parent(problem: Problem, home: Home, training_set: TrainingSet) -> Parent | None:
    """The model to continue: with stateful retraining the champion, if it can be continued."""
    if problem.config.retraining.mode == "stateless":
        return None
    incumbent = champion(problem, home)
    if incumbent is None or incumbent.training_set == training_set.id:
        return None
    try:
        bundle = load_bundle(problem, home, incumbent)
    except ArtifactError:
        return None  # other code or no bundle: there is nothing to continue, so it starts anew
    return Parent(
        version=incumbent.version,
        estimator=bundle.manifest.algorithm.estimator,
        pipeline=bundle.pipeline,
        training_set=load_training_set(problem, home, incumbent.training_set),
    )


def _known(
    problem: Problem, home: Home, training_set: TrainingSet, parent: Parent | None
) -> ModelVersion | None:
    """The version that was made from the same things, continued from wherever it was."""
    parents = {parent.version if parent else None: None}
    if problem.config.retraining.mode == "stateful":
        alike = [one for one in versions(problem, home) if one.training_set == training_set.id]
        parents |= {one.manifest.parent: None for one in alike}
    for name in parents:
        made_from = training_fingerprint(problem, training_set, parent=name)
        if (found := version_trained_from(problem, home, made_from)) is not None:
            return found
    return None


def _feature_types(
    home: Home, training_set: TrainingSet, names: tuple[str, ...]
) -> dict[str, str]:
    """Feature to `number` or `text`, in the order in which the model reads them."""
    pinned = training_set.some_features
    schema = home.lake.batches(
        pinned.table,
        version=pinned.version,
        partitions=[pinned.partition],
        columns=list(names),
    ).schema
    return {
        name: "number" if pa.types.is_floating(schema.field(name).type) else "text"
        for name in names
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as JSON can hold them; what it cannot is written as Python shows it."""
    return json.loads(json.dumps(values, default=repr))
