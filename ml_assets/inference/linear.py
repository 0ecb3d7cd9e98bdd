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
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

from ml_assets.inference.links import CLIPPED, EXPONENTIAL, IDENTITY, LOGISTIC, Link
from ml_assets.training.estimators import SGDValues

CLASSIFIERS = (LogisticRegression, SGDClassifier, BernoulliNB, MultinomialNB, ComplementNB)
VALUES = (ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge, SGDRegressor)
POSITIVE_VALUES = (GammaRegressor, PoissonRegressor)


class Linear(NamedTuple):
    """The answer is link(features · weights + intercept)."""

    weights: np.ndarray
    intercept: float
    link: Link
    of_presence: bool = False
    """What counts of a feature is only whether it is more than 0."""


def linear_of(estimator: Any) -> Linear | None:
    """Return a fitted linear model as weights, or None where it is none.

    Raises:
        ValueError: If it is one, but cannot be written so; the message says why.
    """
    # A class that inherits from one of these may predict in its own way.
    kind = type(estimator)
    if kind in CLASSIFIERS:
        return _classifier(estimator)
    if kind in VALUES:
        return _linear(estimator.coef_, estimator.intercept_, IDENTITY)
    if kind in POSITIVE_VALUES:
        return _linear(estimator.coef_, estimator.intercept_, EXPONENTIAL)
    if kind is SGDValues:
        scale, mean = estimator.target_scale_, estimator.target_mean_
        return _linear(estimator.coef_ * scale, estimator.intercept_ * scale + mean, IDENTITY)
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
        case BernoulliNB():
            return _presence(estimator)
        case SGDClassifier(loss="modified_huber"):
            return _linear(estimator.coef_, estimator.intercept_, CLIPPED)
        case SGDClassifier(loss=loss) if loss != "log_loss":
            raise ValueError(f"the loss {loss!r} gives no probability")
    return _linear(estimator.coef_, estimator.intercept_, LOGISTIC)


def _presence(estimator: BernoulliNB) -> Linear:
    """Return naive Bayes over the presence of features: an absent one counts as well."""
    if estimator.binarize != 0.0:
        raise ValueError(f"a feature is present from {estimator.binarize} on, and not from 0")
    present = estimator.feature_log_prob_
    absent = np.log(1 - np.exp(present))
    prior = estimator.class_log_prior_ + absent.sum(axis=1)
    found = _linear(np.diff(present - absent, axis=0), np.diff(prior), LOGISTIC)
    return found._replace(of_presence=True)


def _linear(weights: np.ndarray, intercept: Any, link: Link) -> Linear:
    """Check that there is one answer, computed in double precision."""
    flat = np.atleast_2d(weights)
    if len(flat) != 1:
        raise ValueError(f"it gives {len(flat)} values at once")
    if flat.dtype != np.float64:
        raise ValueError(f"it computes in {flat.dtype}")
    return Linear(flat[0], float(np.ravel(intercept)[0]), link)
