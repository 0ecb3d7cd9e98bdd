"""Stateful training: go on from a model's weights with what is new, instead of beginning anew.

What turns features into numbers stays as it was fitted, so only an estimator that learns in
batches can be continued, and each new row is shown once. The cost follows the new rows, not the
history. A model that should learn new words or categories has to be fitted from scratch.
"""

import time
from copy import deepcopy

from sklearn.pipeline import Pipeline

from ml_assets.errors import InsufficientData, TrainingError
from ml_assets.training.epochs import fit_in_epochs
from ml_assets.training.estimators import hyperparameters_of
from ml_assets.training.outcome import Competitor, Fitted, Parent, Run, calibrating_rows
from ml_assets.training.rows import FITTED


def continue_model(run: Run, parent: Parent) -> tuple[Fitted, Competitor]:
    """Show a model the rows that it has not seen.

    It learns from the new train rows, is measured on the new validation rows, and then learns
    from those as well.

    Raises:
        TrainingError: If the model cannot be continued under the present configuration.
        InsufficientData: If there is no new row in one of the two.
    """
    _require_continuable(run, parent)
    _require_new_rows(run, parent)
    encoder = parent.pipeline.named_steps["encode"]
    model = deepcopy(parent.pipeline.named_steps["model"])
    train = run.rows.matrices(encoder, ["train"], name="new_train")
    validation = run.rows.matrices(
        encoder, ["validation"], name="new_validation", counted=False
    )
    started = time.perf_counter()
    seed = run.problem.config.training.seed
    fit_in_epochs(model, train, epochs=1, seed=seed)
    calibrating = calibrating_rows(run, encoder, name="new_calibrating")
    intervals = run.intervals(model, calibrating)
    metrics = [run.measured(model, rows, intervals) for rows in (train, validation)]
    competitor = Competitor(
        name=parent.estimator,
        kind=run.problem.config.training.estimators[parent.estimator].kind,
        kpi=run.kpi(metrics[1]),
        train=metrics[0],
        validation=metrics[1],
        seconds=time.perf_counter() - started,
        curve=(),
        hyperparameters=hyperparameters_of(model),
        warnings=(),
        threshold=run.threshold(model, validation),
    )
    learned = run.rows.matrices(encoder, ["validation"], name="new_validation")
    fit_in_epochs(model, learned, epochs=1, seed=seed)
    winner = Fitted(
        estimator=competitor.name,
        kind=competitor.kind,
        pipeline=Pipeline([("encode", encoder), ("model", model)]),
        hyperparameters=competitor.hyperparameters,
        seconds=time.perf_counter() - started,
        curve=(),
        warnings=(),
        intervals=run.intervals(model, calibrating),
    )
    return winner, competitor


def _require_continuable(run: Run, parent: Parent) -> None:
    training = run.problem.config.training
    if parent.estimator in training.estimators and (why := run.ruled_out(parent.estimator)):
        raise TrainingError(
            f"{parent.version} is a {parent.estimator}, which {why}. Train from scratch "
            "(retraining.mode: stateless)."
        )
    if parent.estimator not in training.estimators:
        raise TrainingError(
            f"{parent.version} is a {parent.estimator}, which training.estimators no longer has. "
            "Put it back, or train from scratch (retraining.mode: stateless)."
        )
    if run.kind(parent.estimator).learns == "at once":
        raise TrainingError(
            f"{parent.version} is a {parent.estimator}, which learns from all rows at once and "
            "cannot be continued. Train from scratch (retraining.mode: stateless), or let an "
            "estimator that learns in batches win, such as sgd."
        )
    known = set(parent.pipeline.named_steps["encode"].feature_names_in_)
    if known != set(training.encoders):
        odd = sorted(known ^ set(training.encoders))
        raise TrainingError(
            f"{parent.version} reads other features than training.encoders says now: "
            f"{', '.join(odd)}. Train from scratch (retraining.mode: stateless)."
        )


def _require_new_rows(run: Run, parent: Parent) -> None:
    for split in FITTED:
        rows = run.rows.count([split])
        if not rows:
            raise InsufficientData(
                f"Continuing {parent.version} ({split} rows that it has not seen)",
                rows=rows,
                needed=1,
            )
