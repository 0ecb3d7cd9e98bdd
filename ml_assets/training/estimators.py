"""The algorithms that `training.estimators` in `config.yaml` can name.

All are scikit-learn's own classes. A kind says which numbers it wants, what it predicts, and
whether it learns batch by batch. To add one, write it into `KINDS`; nothing else needs to know.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB

from ml_assets.errors import TrainingError
from ml_assets.problem.config import Estimator, Target
from ml_assets.training.encoders import Family
from ml_assets.training.wrappers import LocalModels, LogTarget, innermost

Matrix = Any
"""A sparse CSR matrix or a dense array, rows by columns."""
Values = npt.NDArray[np.float64]

EPOCHS = 20
"""Passes over the rows of an estimator that learns in epochs, unless `max_iter` says otherwise."""


class SGDValues(SGDRegressor):  # type: ignore[misc]
    """Stochastic gradient descent on standardized targets, so that their unit does not matter.

    Mean and scale are those of the first rows that it is shown.
    """

    def partial_fit(self, X: Matrix, y: Values, sample_weight: Values | None = None) -> Self:
        """Learn from some rows."""
        if not hasattr(self, "target_mean_"):
            self.target_mean_ = float(np.mean(y))
            self.target_scale_ = float(np.std(y)) or 1.0
        standardized = (y - self.target_mean_) / self.target_scale_
        super().partial_fit(X, standardized, sample_weight=sample_weight)
        return self

    def predict(self, X: Matrix) -> Values:
        """Values in the target's own unit."""
        return super().predict(X) * self.target_scale_ + self.target_mean_


class Kind(NamedTuple):
    """What one name in `config.yaml` stands for."""

    estimator: Callable[..., Any]
    predicts: Literal["binary", "regression"]
    family: Family
    learns: Literal["at once", "in batches", "in epochs"]
    """In batches: one pass is enough. In epochs: each pass improves it."""
    defaults: Mapping[str, object]
    is_additive: bool = True
    """Whether an answer is a sum of what each feature adds, so that a person can follow it."""


KINDS: dict[str, Kind] = {
    "logistic": Kind(LogisticRegression, "binary", "sparse", "at once", {"max_iter": 1000}),
    "sgd": Kind(SGDClassifier, "binary", "sparse", "in epochs", {"loss": "log_loss"}),
    "naive_bayes": Kind(BernoulliNB, "binary", "sparse", "in batches", {}),
    "boosting": Kind(
        HistGradientBoostingClassifier, "binary", "dense", "at once", {}, is_additive=False
    ),
    "ridge": Kind(Ridge, "regression", "sparse", "at once", {}),
    "sgd_regression": Kind(SGDValues, "regression", "sparse", "in epochs", {}),
    "boosting_regression": Kind(
        HistGradientBoostingRegressor,
        "regression",
        "dense",
        "at once",
        {},
        is_additive=False,
    ),
}

GIVES_PROBABILITIES = ("log_loss", "modified_huber")


def kind_named(name: str, estimator: Estimator, *, predicts: str) -> Kind:
    """Find what the estimator called `name` is.

    Raises:
        TrainingError: If there is no such kind, or it does not predict what the problem needs.
    """
    kind = KINDS.get(estimator.kind)
    fitting = [each for each, known in KINDS.items() if known.predicts == predicts]
    if kind is None:
        near = difflib.get_close_matches(estimator.kind, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fitting)}."
        raise TrainingError(
            f"training.estimators.{name}: there is no kind {estimator.kind!r}; {hint}"
        )
    if kind.predicts != predicts:
        raise TrainingError(
            f"training.estimators.{name}: {estimator.kind} is for {kind.predicts} problems, this "
            f"one is {predicts}. Use one of {', '.join(fitting)}."
        )
    return kind


def unfitted(
    name: str, estimator: Estimator, kind: Kind, *, seed: int, target: Target | None = None
) -> Any:
    """Make the estimator that is to be fitted, with what goes around it.

    Raises:
        TrainingError: If it does not know a hyperparameter, could not give probabilities, or
            should have local models and cannot.
    """
    model = _alone(name, estimator, kind, seed=seed)
    if estimator.local is not None:
        if kind.learns != "at once":
            raise TrainingError(
                f"training.estimators.{name}: {estimator.kind} learns {kind.learns} and cannot "
                "have local models. Take out `local`, or use an estimator that learns from all "
                "rows at once."
            )
        model = LocalModels(model, min_rows=estimator.local.min_rows)
    return LogTarget(model) if target is not None and target.transform == "log" else model


def hyperparameters_of(model: Any) -> dict[str, Any]:
    """Those of the estimator itself, then what is around it."""
    found = dict(innermost(model).get_params())
    if isinstance(model, LogTarget):
        found["target"] = "log"
        model = model.inner
    if isinstance(model, LocalModels):
        found["local_min_rows"] = model.min_rows
    return found


def _alone(name: str, estimator: Estimator, kind: Kind, *, seed: int) -> Any:
    """The estimator itself."""
    given = {**kind.defaults, **estimator.hyperparameters}
    known = list(inspect.signature(kind.estimator).parameters)
    for parameter in given:
        if parameter not in known:
            near = difflib.get_close_matches(parameter, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}."
            raise TrainingError(
                f"training.estimators.{name}: {estimator.kind} has no hyperparameter "
                f"{parameter!r}; {hint}"
            )
    if kind.estimator is SGDClassifier and given["loss"] not in GIVES_PROBABILITIES:
        raise TrainingError(
            f"training.estimators.{name}: with loss {given['loss']!r} there are no probabilities. "
            f"Use {' or '.join(GIVES_PROBABILITIES)}."
        )
    if "random_state" in known:
        given.setdefault("random_state", seed)
    return kind.estimator(**given)


def default_arguments(estimator: Callable[..., Any]) -> dict[str, Any]:
    """What hyperparameters are when nobody says them."""
    parameters = inspect.signature(estimator).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def epochs_of(kind: Kind, model: Any) -> int:
    """Passes over the rows, at most."""
    if kind.learns != "in epochs":
        return 1
    estimator = innermost(model)
    chosen = estimator.get_params().get("max_iter")
    return EPOCHS if chosen == type(estimator)().max_iter else int(chosen)


def predictions(model: Any, X: Matrix) -> Values:
    """Probability of the positive class, or the value, of each row."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(X), dtype=np.float64)


def loss_of(predicts: str, y: Values, prediction: Values) -> float:
    """What fitting makes small: log loss (nats), or the mean squared error."""
    if predicts == "regression":
        return float(np.mean((y - prediction) ** 2))
    safe = np.clip(prediction, 1e-15, 1 - 1e-15)
    return float(-np.mean(y * np.log(safe) + (1 - y) * np.log1p(-safe)))
