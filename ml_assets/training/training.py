"""One training: several algorithms on the same matrices, the best of them fitted once more.

Every estimator of `config.yaml` is fitted on the train rows and measured on the validation rows;
the declared KPI chooses the winner, which is then fitted on both. Everything that made the model
is in the training fingerprint: the same fingerprint is the same model, bit by bit.
"""

import math
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml_assets.errors import TrainingError
from ml_assets.features import TrainingSet
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.progress import track
from ml_assets.storage import Home
from ml_assets.training.columns import plain
from ml_assets.training.continuation import continue_model
from ml_assets.training.encoders import Family, column_transformer
from ml_assets.training.epochs import (
    Checkpoint,
    EpochMetric,
    Patience,
    Progress,
    Watch,
    fit_in_epochs,
)
from ml_assets.training.estimators import epochs_of, hyperparameters_of, loss_of, unfitted
from ml_assets.training.matrices import Batches, labels
from ml_assets.training.outcome import (
    Competitor,
    Decide,
    Fitted,
    Measure,
    Parent,
    Run,
    Trained,
    calibrating_rows,
    predicted,
)
from ml_assets.training.rows import FITTED, Rows

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
"""What a model is computed with; another version may give another model."""


class Matrices(NamedTuple):
    """The rows as one family of estimators wants them."""

    encoder: ColumnTransformer
    train: Batches
    validation: Batches
    calibrating: Batches | None
    """Rows for intervals, where the problem asks for them."""
    warnings: tuple[str, ...]


class _Fit(NamedTuple):
    """What fitting gave."""

    model: Any
    seconds: float
    curve: tuple[EpochMetric, ...]
    warnings: tuple[str, ...]


def training_fingerprint(
    problem: Problem, training_set: TrainingSet, *, parent: str | None = None
) -> str:
    """Everything that a model is made from; the same fingerprint needs no training.

    Args:
        problem: Its contract, features and hooks by their source, and its configuration, count.
        training_set: Counts by the content of its rows and partitions.
        parent: Version that would be continued.
    """
    config = problem.config
    training = config.training.model_dump(exclude={"checkpoint_every"})
    return fingerprint(
        training_set=training_set.id,
        features=source_hash(problem.features, problem.contract, *problem.hooks),
        code=training_code_hash(),
        training=training,
        # Order decides ties between estimators, and the order of a model's columns.
        order=[list(config.training.estimators), list(config.training.encoders)],
        kind=config.kind,
        kpi=[config.kpi.metric, config.kpi.direction],
        interpretability=config.interpretability,
        threshold=config.threshold,
        libraries=library_versions(*LIBRARIES),
        parent=parent,
    )


def training_code_hash() -> str:
    """Source of the code that fits models."""
    return source_hash(train)


def train(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    measure: Measure,
    decide: Decide | None = None,
    parent: Parent | None = None,
) -> Trained:
    """Fit the estimators of `config.yaml`, choose by the KPI, fit the winner on all rows.

    A training that was killed goes on at the last checkpoint when it is called again.

    Args:
        problem: What to fit, and how.
        home: Where the rows are, and where checkpoints are kept.
        training_set: Which rows; those of its test split are never read.
        measure: Computes the metrics.
        decide: Chooses a threshold on validation rows; without it nobody does.
        parent: Continue this model with what is new, instead of fitting from scratch.

    Raises:
        TrainingError: If an estimator or encoder is declared wrongly, or none can be fitted.
    """
    started = time.perf_counter()
    made_from = training_fingerprint(problem, training_set, parent=parent and parent.version)
    folder = home.path / "checkpoints" / problem.name / made_from
    rows = Rows.of(
        problem,
        home,
        training_set,
        folder=folder / "batches",
        since=parent and parent.training_set,
    )
    run = Run(problem, rows, folder, measure, decide)
    # More threads make sparse fits slower when cores are busy, and sums differ with their number.
    with threadpool_limits(1):
        if parent is None:
            competitors, skipped = _compete(run)
            winner = _refit(run, _best(problem, competitors))
        else:
            winner, competitor = continue_model(run, parent)
            competitors, skipped = (competitor,), {}
    shutil.rmtree(folder, ignore_errors=True)
    return Trained(
        winner=winner,
        competitors=competitors,
        skipped=skipped,
        training_set=training_set,
        fingerprint=made_from,
        seed=problem.config.training.seed,
        feature_names=tuple(problem.config.training.encoders),
        environment=environment(),
        seconds=time.perf_counter() - started,
        on_disk=rows.on_disk,
        parent=parent and parent.version,
    )


def environment() -> dict[str, str]:
    """Versions of what a model is computed with, and on what kind of machine."""
    machine = {"platform": f"{platform.system()} {platform.machine()}"}
    return {**library_versions("python", "skops", "threadpoolctl", *LIBRARIES), **machine}


def _compete(run: Run) -> tuple[tuple[Competitor, ...], dict[str, str]]:
    """Fit every estimator that can be fitted on the train rows."""
    training = run.problem.config.training
    matrices: dict[tuple[Family, str | None], Matrices] = {}
    competitors, skipped = [], {}
    kinds = {name: run.kind(name) for name in training.estimators}
    for name, kind in track(kinds.items(), "estimators", total=len(kinds)):
        if why := run.ruled_out(name):
            skipped[name] = why
            continue
        if run.rows.on_disk and kind.learns == "at once":
            limit = f"{training.memory_limit_mb:,} MB"
            skipped[name] = f"learns from all rows at once, which take more than {limit}"
            continue
        wanted = kind.family, own_by(run.problem, name)
        if wanted not in matrices:
            matrices[wanted] = encode(run, *wanted)
        competitors.append(competitor(run, name, matrices[wanted]))
    if not competitors:
        reasons = "; ".join(f"{name} {why}" for name, why in skipped.items())
        remedy = (
            "Raise training.memory_limit_mb, or add an estimator that learns in batches, such as sgd."
            if run.rows.on_disk
            else "Add a linear estimator, such as logistic or ridge."
        )
        raise TrainingError(
            f"{run.problem.name}: no estimator can be fitted: {reasons}. {remedy}"
        )
    return tuple(competitors), skipped


def encode(run: Run, family: Family, by: str | None) -> Matrices:
    """The train and validation rows as a family of estimators wants them."""
    encoder = encoder_of(run.problem, family, by)
    with _heard() as said:
        train = run.rows.matrices(encoder, ["train"], learn=True, name=f"{family}_{by}_train")
        validation = run.rows.matrices(
            encoder, ["validation"], counted=False, name=f"{family}_{by}_validation"
        )
        calibrating = calibrating_rows(run, encoder, name=f"{family}_{by}_calibrating")
    return Matrices(encoder, train, validation, calibrating, tuple(said))


def own_by(problem: Problem, name: str) -> str | None:
    """The feature by which an estimator has local models."""
    local = problem.config.training.estimators[name].local
    return None if local is None else local.by


def encoder_of(problem: Problem, family: Family, by: str | None) -> ColumnTransformer:
    """What turns features into numbers for a family of estimators, unfitted."""
    training = problem.config.training
    return column_transformer(training.encoders, family, seed=training.seed, by=by)


def competitor(
    run: Run,
    name: str,
    matrices: Matrices,
    *,
    seen: Callable[[EpochMetric], None] | None = None,
) -> Competitor:
    """Fit an estimator on train rows, and measure it on validation rows.

    Args:
        run: What is fitted.
        name: Of the estimator.
        matrices: The rows.
        seen: Is told of every epoch, and may end the fit by an exception.
    """
    watch = _watch(run, matrices, seen)
    fit = _fit(run, name, matrices.train, checkpoint=f"{name}_train", watch=watch)
    intervals = run.intervals(fit.model, matrices.calibrating)
    validation = run.measured(fit.model, matrices.validation, intervals)
    return Competitor(
        name=name,
        kind=run.problem.config.training.estimators[name].kind,
        kpi=run.kpi(validation),
        train=run.measured(fit.model, matrices.train, intervals),
        validation=validation,
        seconds=fit.seconds,
        curve=fit.curve,
        hyperparameters=hyperparameters_of(fit.model),
        warnings=(*matrices.warnings, *fit.warnings),
        threshold=run.threshold(fit.model, matrices.validation),
    )


def _fit(
    run: Run,
    name: str,
    batches: Batches,
    *,
    checkpoint: str,
    watch: Watch | None = None,
    epochs: int | None = None,
) -> _Fit:
    """Fit one estimator, keeping what it warns of.

    Args:
        run: What is fitted.
        name: Of the estimator.
        batches: Rows to learn from.
        checkpoint: Name of the folder that keeps the state.
        watch: Measures every epoch; with it, epochs end when they are no longer worth it.
        epochs: Passes over the rows; default as many as the estimator asks for.
    """
    training, kind = run.problem.config.training, run.kind(name)
    model = unfitted(
        name, training.estimators[name], kind, seed=training.seed, target=training.target
    )
    kept = Checkpoint(folder=run.folder / checkpoint, every=training.checkpoint_every)
    started = time.perf_counter()
    with _heard() as said:
        try:
            progress = (
                fit_at_once(model, batches)
                if kind.learns == "at once"
                else fit_in_epochs(
                    model,
                    batches,
                    epochs=epochs or epochs_of(kind, model),
                    seed=training.seed,
                    watch=watch,
                    patience=Patience.of(model) if watch else None,
                    checkpoint=kept,
                    label=f"epochs of {name}",
                )
            )
        except ValueError as error:
            raise TrainingError(
                f"{run.problem.name}: {name} cannot be fitted: {error}"
            ) from error
    seconds = time.perf_counter() - started
    return _Fit(progress.model, seconds, progress.curve, tuple(said))


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what libraries warn of inside the block, each thing once."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += dict.fromkeys(f"{each.category.__name__}: {each.message}" for each in caught)


def fit_at_once(model: Any, batches: Batches) -> Progress:
    """Fit an estimator that wants all rows at once."""
    X, y, weight, _ = batches.load(0)
    model.fit(X, y, sample_weight=None if (weight == 1).all() else weight)
    return Progress(model, 1, ())


def _refit(run: Run, best: Competitor) -> Fitted:
    """Fit the winner on train and validation rows together."""
    family = run.kind(best.name).family
    encoder = encoder_of(run.problem, family, own_by(run.problem, best.name))
    with _heard() as said:
        batches = run.rows.matrices(encoder, FITTED, learn=True, name=f"{family}_all")
        calibrating = calibrating_rows(run, encoder, name=f"{family}_calibrating")
    # As many epochs as were worth it on the train rows: nothing measures these.
    epochs = len(best.curve) or None
    fit = _fit(run, best.name, batches, checkpoint=f"{best.name}_all", epochs=epochs)
    return Fitted(
        estimator=best.name,
        kind=best.kind,
        pipeline=Pipeline([("encode", plain(encoder)), ("model", fit.model)]),
        hyperparameters=hyperparameters_of(fit.model),
        seconds=fit.seconds,
        curve=best.curve,
        warnings=(*said, *fit.warnings),
        intervals=run.intervals(fit.model, calibrating),
    )


def _best(problem: Problem, competitors: tuple[Competitor, ...]) -> Competitor:
    """The best by the KPI; of equals, the first in `config.yaml`."""
    sign = 1 if problem.config.kpi.direction == "higher" else -1
    best = max(
        competitors,
        key=lambda each: -math.inf if math.isnan(each.kpi) else sign * each.kpi,
    )
    if math.isnan(best.kpi):
        raise TrainingError(
            f"{problem.name}: {problem.config.kpi.metric} is undefined on the validation rows for "
            "every estimator. It needs rows of every class; see split.validation_share."
        )
    return best


def _watch(run: Run, matrices: Matrices, seen: Callable[[EpochMetric], None] | None) -> Watch:
    """Measures a model that is being fitted, on the rows it learns from and on others."""
    config = run.problem.config
    parts = (matrices.train, matrices.validation)
    y = [labels(batches) for batches in parts]

    def watch(model: Any, epoch: int) -> EpochMetric:
        pairs = list(zip(y, (predicted(model, batches) for batches in parts), strict=True))
        losses = [loss_of(config.kind, *pair) for pair in pairs]
        kpis = [run.measure(*pair)[config.kpi.metric] for pair in pairs]
        metric = EpochMetric(epoch, losses[0], losses[1], kpis[0], kpis[1])
        if seen is not None:
            seen(metric)
        return metric

    return watch
