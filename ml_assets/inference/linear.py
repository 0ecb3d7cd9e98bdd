"""Linear models as weights, an intercept and a link.

Naive Bayes is one of them: its log-odds are linear in the counts. Models of more than two classes
are not here, since the platform predicts one probability or one value.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.naive_bayes import ComplementNB, MultinomialNB

from ml_assets.inference.links import CLIPPED, EXPONENTIAL, IDENTITY, LOGISTIC, Link

VALUE_MODELS = (ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge, SGDRegressor)
CLASSIFIERS = (LogisticRegression, SGDClassifier, MultinomialNB, ComplementNB)


class Linear(NamedTuple):
    """The answer is link(features · weights + intercept)."""

    weights: np.ndarray
    intercept: float
    link: Link


def linear_of(estimator: Any) -> Linear | None:
    """Return a fitted linear model as weights, or None where it is none.

    Raises:
        ValueError: If it is one, but cannot be written so; the message says why.
    """
    if isinstance(estimator, CLASSIFIERS):
        return _classifier(estimator)
    if isinstance(estimator, VALUE_MODELS):
        return _linear(estimator.coef_, estimator.intercept_, IDENTITY)
    if isinstance(estimator, PoissonRegressor | GammaRegressor):
        return _linear(estimator.coef_, estimator.intercept_, EXPONENTIAL)
    return None


def _classifier(estimator: Any) -> Linear:
    """Return a classifier of two classes as weights for the second one."""
    if len(estimator.classes_) != 2:  # noqa: PLR2004
        raise ValueError(
            f"it tells {len(estimator.classes_)} classes apart, and only 2 have a path"
        )
    match estimator:
        case MultinomialNB():
            prior = np.diff(estimator.class_log_prior_)
            return _linear(np.diff(estimator.feature_log_prob_, axis=0), prior, LOGISTIC)
        case ComplementNB():
            return _linear(np.diff(estimator.feature_log_prob_, axis=0), 0.0, LOGISTIC)
        case SGDClassifier(loss="modified_huber"):
            return _linear(estimator.coef_, estimator.intercept_, CLIPPED)
        case SGDClassifier(loss=loss) if loss != "log_loss":
            raise ValueError(f"the loss {loss!r} gives no probability")
    return _linear(estimator.coef_, estimator.intercept_, LOGISTIC)


def _linear(weights: np.ndarray, intercept: Any, link: Link) -> Linear:
    """Check that there is one answer, computed in double precision."""
    flat = np.atleast_2d(weights)
    if len(flat) != 1:
        raise ValueError(f"it gives {len(flat)} values at once")
    if flat.dtype != np.float64:
        raise ValueError(f"it computes in {flat.dtype}")
    return Linear(flat[0], float(np.ravel(intercept)[0]), link)
