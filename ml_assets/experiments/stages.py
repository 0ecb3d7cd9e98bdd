"""What the sides of experiments are made in: rows, matrices, answers. Each is made once.

A stage is named by everything that it is made from. Whoever needs it again, in whatever
experiment, finds it in the cache; losing the cache costs time and nothing else.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import get_ident
from time import perf_counter, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ml_assets.errors import ExperimentError
from ml_assets.experiments.arms import OWN_FEATURES, Arm
from ml_assets.experiments.changes import features_of
from ml_assets.features import (
    SplitName,
    TrainingSet,
    build_features,
    contract_frame,
    feature_code_hash,
    groups_of,
    load_training_set,
    training_frame,
)
from ml_assets.features.view import PARTITION, feature_recipe, features_fingerprint
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.registry.manifest import Axes, pipeline_version
from ml_assets.registry.retraining import code_of
from ml_assets.storage import Home
from ml_assets.training import training_code_hash
from ml_assets.training.encoders import column_transformer
from ml_assets.training.epochs import fit_in_epochs
from ml_assets.training.estimators import (
    Kind,
    epochs_of,
    hyperparameters_of,
    kind_named,
    predictions,
    unfitted,
)
from ml_assets.training.matrices import (
    Batch,
    InMemory,
    encoded,
    fitted_rows,
    read_batch,
    write_batch,
)
from ml_assets.training.rows import FITTED, estimated_mb, fitting_part
from ml_assets.training.training import LIBRARIES, fit_at_once

Array = npt.NDArray[np.float64]

KEPT = 40
"""Stages of a problem that stay in the cache; the oldest make room."""

ABANDONED_SECONDS = 86_400
"""What is unfinished for so long was left by a process that was killed."""


@dataclass(frozen=True)
class Answered:
    """What one side answers on the held-out rows.

    Attributes:
        y: Labels.
        prediction: Answers.
        versions: Of the side, by axis.
        fingerprint: Of everything that the answers were made from.
        rows: That it learned from.
        seconds: Stage to how long it took.
        reused: Stages that were there.
    """

    y: Array
    prediction: Array
    versions: Axes
    fingerprint: str
    rows: int
    seconds: Mapping[str, float]
    reused: tuple[str, ...]


@dataclass
class Side:
    """One side of an experiment on its way from rows to answers."""

    problem: Problem
    home: Home
    arm: Arm
    held_out: str
    seconds: dict[str, float] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)

    def answered(self) -> Answered:
        """Fit the side, or find what it answered before.

        Raises:
            ExperimentError: If its rows are no longer what they were, or too many.
            TrainingError: If it cannot be fitted.
        """
        found = self._kept("fit", self._answers_key(), self._fit)
        values = found.load("answers")
        return Answered(
            y=values["y"],
            prediction=values["prediction"],
            versions=self.versions(),
            fingerprint=self._answers_key(),
            rows=int(values["rows"]),
            seconds=dict(self.seconds),
            reused=tuple(self.reused),
        )

    def versions(self) -> Axes:
        """The three versions of the side."""
        arm, problem = self.arm, self._problem
        whole = arm.training_set
        return Axes(
            data=fingerprint(of=whole, window=arm.window) if arm.window else whole,
            pipeline=pipeline_version(
                code_of(problem), arm.model_dump(mode="json")["encoders"]
            ),
            hyperparameters=fingerprint(
                kind=arm.kind, hyperparameters=hyperparameters_of(self._model())
            ),
        )

    @property
    def _problem(self) -> Problem:
        """The problem as this side has it."""
        config = self.problem.config
        training = self.arm.training(config.training)
        features = features_of(self.problem, self.arm)
        changed = config.model_copy(update={"training": training})
        return replace(self.problem, features=features, config=changed)

    def _answers_key(self) -> str:
        arm = self.arm
        return fingerprint(
            matrices=self._matrices_key(),
            kind=arm.kind,
            hyperparameters=arm.hyperparameters,
            local=arm.local,
            target=self.problem.config.training.target,
            seed=arm.seed,
            code=training_code_hash(),
        )

    def _matrices_key(self) -> str:
        arm = self.arm
        return fingerprint(
            training_set=arm.training_set,
            window=arm.window,
            held_out=self.held_out,
            features=feature_code_hash(self._problem),
            encoders=arm.encoders,
            order=list(arm.encoders),
            seed=arm.seed,
            family=self._kind().family,
            by=self._own_by(),
            interval=self.problem.config.training.interval,
            code=source_hash(frame_of, column_transformer, encoded),
            libraries=library_versions(*LIBRARIES),
        )

    def _kind(self) -> Kind:
        estimator = self.arm.training(self.problem.config.training).estimators[
            self.arm.estimator
        ]
        return kind_named(self.arm.estimator, estimator, predicts=self.problem.config.kind)

    def _model(self) -> Any:
        arm = self.arm
        estimator = arm.training(self.problem.config.training).estimators[arm.estimator]
        target = self.problem.config.training.target
        return unfitted(arm.estimator, estimator, self._kind(), seed=arm.seed, target=target)

    def _own_by(self) -> str | None:
        """The feature by which it has local models."""
        return self.arm.local.by if self.arm.local else None

    def _fit(self, made: "Stage") -> None:
        matrices = self._kept("encode", self._matrices_key(), self._encode)
        train, test = (read_batch(matrices.path / f"{name}.npz") for name in ("fit", "test"))
        kind, model, batches = self._kind(), self._model(), InMemory(train)
        with threadpool_limits(1):
            if kind.learns == "at once":
                fit_at_once(model, batches)
            else:
                epochs = epochs_of(kind, model)
                fit_in_epochs(model, batches, epochs=epochs, seed=self.arm.seed)
            answers = predictions(model, test.X)
        made.save("answers", y=test.y, prediction=answers, rows=len(train.y))

    def _encode(self, made: "Stage") -> None:
        problem, columns = self._problem, list(self.arm.encoders)
        fit, test = frames_of(self, problem)
        encoder = column_transformer(
            self.arm.encoders, self._kind().family, seed=self.arm.seed, by=self._own_by()
        )
        with threadpool_limits(1):
            batches: dict[str, Batch] = {
                "fit": encoded(encoder, fitted_rows(fit), columns, fit=True),
                "test": encoded(encoder, test, columns),
            }
        for name, batch in batches.items():
            write_batch(made.path / f"{name}.npz", batch)

    def _kept(self, name: str, key: str, make: "Make") -> "Stage":
        """A stage from the cache, made if it is not there."""
        started = perf_counter()
        folder = self.home.path / "cache" / "experiments" / self.problem.name
        stage = Stage(folder / key)
        if stage.path.exists():
            self.reused.append(name)
            os.utime(stage.path)
        else:
            stage.fill(make)
            _make_room(folder)
        self.seconds[name] = perf_counter() - started
        return stage


@dataclass(frozen=True)
class Stage:
    """A folder of the cache; there whole, or not at all."""

    path: Path

    def fill(self, make: "Make") -> None:
        """Let `make` write its files; two that make the same at once are no trouble."""
        unfinished = Stage(
            self.path.with_name(f".{self.path.name}.{os.getpid()}.{get_ident()}")
        )
        shutil.rmtree(unfinished.path, ignore_errors=True)
        unfinished.path.mkdir(parents=True)
        try:
            make(unfinished)
            try:
                unfinished.path.rename(self.path)
            except OSError:
                if not self.path.exists():
                    raise
        finally:
            shutil.rmtree(unfinished.path, ignore_errors=True)

    def save(self, name: str, *, y: Array, prediction: Array, rows: int) -> None:
        """Write arrays."""
        np.savez(self.path / f"{name}.npz", y=y, prediction=prediction, rows=rows)

    def load(self, name: str) -> dict[str, Array]:
        """Read them."""
        with np.load(self.path / f"{name}.npz") as found:
            return {key: found[key] for key in found.files}


Make = Callable[[Stage], None]
"""Writes the files of a stage."""


def frames_of(side: Side, problem: Problem) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that a side learns from, and those that both sides answer.

    No entity is among both, nor one that is about the same thing, whatever the side learns from.

    Args:
        side: Which one.
        problem: As the side has it.
    """
    arm, home = side.arm, side.home
    ours = load_training_set(problem, home, arm.training_set)
    theirs = load_training_set(problem, home, side.held_out)
    _require_room(side.problem, home, ours)
    fit = fitting_part(problem, frame_of(side, problem, ours, splits=FITTED))
    test = frame_of(side, problem, theirs, splits=("test",))
    held_out = _of_one_thing(problem, home, (ours, theirs), set(test[problem.entity_id]))
    fit = fit[~fit[problem.entity_id].isin(held_out)]
    if arm.window is not None:
        fit = fit[fit[PARTITION].isin(_newest(ours, arm.window))]
    return fit, test


def _of_one_thing(
    problem: Problem, home: Home, known: Sequence[TrainingSet], entities: set[str]
) -> set[str]:
    """Some entities, and those of which a training set says that they are about the same thing."""
    found = set(entities)
    for training_set in known:
        groups = groups_of(problem, home, training_set)
        found |= set(groups.index[groups.isin(set(groups[groups.index.isin(found)]))])
    return found


def frame_of(
    side: Side, problem: Problem, training_set: TrainingSet, *, splits: Sequence[SplitName]
) -> pd.DataFrame:
    """Rows of a training set with the features of a side."""
    home, columns = side.home, list(side.arm.encoders)
    if side.arm.features == OWN_FEATURES:
        return training_frame(problem, home, training_set, splits=splits, columns=columns)
    _require_rows_as_they_were(side.problem, home, training_set)
    rows = training_frame(problem, home, training_set, splits=splits, columns=[])
    features = _computed(problem, home, sorted(set(rows[PARTITION])), columns=columns)
    keys = [problem.entity_id, problem.event_time]
    return rows.merge(features, on=keys, how="left", validate="1:1")


def _computed(
    problem: Problem, home: Home, partitions: Sequence[str], *, columns: list[str]
) -> pd.DataFrame:
    """Features of whole partitions by the side's own function, with the keys of the rows."""
    keys = [problem.entity_id, problem.event_time]
    frames = []
    for batch in home.lake.batches(f"{problem.name}/validated", partitions=list(partitions)):
        rows = contract_frame(problem, batch)
        features = build_features(problem, rows)
        if missing := [name for name in columns if name not in features]:
            raise ExperimentError(
                f"training.encoders names {', '.join(missing)}, which the feature function does "
                f"not give. It gives: {', '.join(map(str, features.columns))}."
            )
        frames.append(pd.concat([rows[keys], features[columns]], axis=1))
    return pd.concat(frames, ignore_index=True)


def _require_rows_as_they_were(own: Problem, home: Home, training_set: TrainingSet) -> None:
    """Features can only be computed anew of rows that are still those of the training set."""
    if training_set.feedback:
        raise ExperimentError(
            f"The training set has {len(training_set.feedback)} feedback batches, whose rows are "
            "kept as features only, so another feature function cannot read them."
        )
    pinned = home.lake.partitions(f"{own.name}/features", version=training_set.features_version)
    validated = home.lake.partitions(f"{own.name}/validated")
    recipe = feature_recipe(own)
    changed = [
        name
        for name in training_set.snapshot
        if name not in validated
        or pinned[name].fingerprint != features_fingerprint(recipe, validated[name])
    ]
    if changed:
        raise ExperimentError(
            f"{len(changed)} of {len(training_set.snapshot)} partitions were validated or made into "
            f"features anew since the training set was built, such as {changed[0]}. Build it "
            "again, and declare the experiment anew."
        )


def _newest(training_set: TrainingSet, window: int) -> set[str]:
    partitions = sorted(training_set.snapshot)
    if window > len(partitions):
        raise ExperimentError(
            f"A window of {window} partitions is longer than the training set, which has "
            f"{len(partitions)}. Take fewer, or build a longer one."
        )
    return set(partitions[-window:])


def _require_room(problem: Problem, home: Home, training_set: TrainingSet) -> None:
    needed = estimated_mb(problem, home, training_set)
    limit = problem.config.training.memory_limit_mb
    if needed > limit:
        raise ExperimentError(
            f"Fitting {sum(training_set.rows.values()):,} rows takes about {needed:,.0f} MB, more than "
            f"{limit:,}, and experiments are fitted in memory. Take a --window, or raise "
            "training.memory_limit_mb."
        )


def _make_room(folder: Path) -> None:
    stages = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
    long_ago = time() - ABANDONED_SECONDS
    left = [each for each in folder.glob(".*") if each.stat().st_mtime < long_ago]
    for path in (*stages[:-KEPT], *left):
        shutil.rmtree(path, ignore_errors=True)
