"""Every metric that the platform knows: its formula in words, its direction, its function.

A metric is defined here once, and the same definition measures a whole table, its slices, and
the resamples of a comparison. One that is undefined on the given rows (ROC AUC of one class,
precision of a model that never decides for the positive class) is NaN, never a stand-in.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from ml_assets.errors import ProblemError
from ml_assets.evaluation import sums
from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.ranks import AreaUnderROC, AveragePrecision, MedianRelativeError

Array = npt.NDArray[np.float64]
Needs = Literal["probability", "decision", "value", "interval"]


class Computation(Protocol):
    """The three ways in which a metric is asked for; see `sums.Sums`."""

    def by_slice(self, y: Array, prediction: Array, weights: Array, rows: Grouping) -> Array:
        """The metric of every slice."""

    def resampled(self, y: Array, prediction: Array) -> Callable[[Array], Array]:
        """A function from counts of shape (resamples, n) to the metric of each resample."""

    def influence(self, y: Array, prediction: Array) -> Array | None:
        """How much each row moves the metric, or None where only the bootstrap can say."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number from labels and predictions.

    Attributes:
        name: As in `config.yaml`.
        formula: In words.
        higher_is_better: Its direction.
        needs: What a prediction must be; a decision is a probability at or above the threshold,
            an interval a value with its two ends.
        computation: How it is computed.
        changes_in_shares: Whether a change of it is large or small only against its own value:
            errors of values have no upper bound, and are of another size in every slice.
    """

    name: str
    formula: str
    higher_is_better: bool
    needs: Needs
    computation: Computation
    changes_in_shares: bool = False

    def function(self, y: Array, prediction: Array, weights: Array | None = None) -> float:
        """The metric of all rows; `prediction` is already what the metric `needs`."""
        weights = np.ones(len(y)) if weights is None else weights
        whole = Grouping.whole(len(y))
        return float(self.computation.by_slice(y, prediction, weights, whole)[0])

    def prepare(self, prediction: Array, *, threshold: float) -> Array:
        """Bring predictions to what the metric needs.

        Args:
            prediction: n probabilities or values, or n rows of a value and the ends of its
                interval.
            threshold: Probability from which on a decision is positive.

        Returns:
            n numbers; n rows of three where the metric needs intervals, NaN where there are none.
        """
        if self.needs == "interval":
            return prediction if prediction.ndim > 1 else _with_missing_ends(prediction)
        prediction = without_ends(prediction)
        if self.needs == "decision":
            return (prediction >= threshold).astype(np.float64)
        return prediction


def without_ends(prediction: Array) -> Array:
    """The answers alone of n rows, with or without the ends of intervals."""
    return prediction if prediction.ndim == 1 else prediction[:, 0]


def _with_missing_ends(prediction: Array) -> Array:
    """Values as rows of three, of which two are missing."""
    missing = np.full_like(prediction, np.nan)
    return np.stack([prediction, missing, missing], axis=1)


RIGHT, WRONG_YES, WRONG_NO = (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)
"""A label and the decision about it."""

INSIDE, OUTSIDE = (0.0, (0.0, 0.0, 0.0)), (0.0, (1.0, 1.0, 1.0))
"""A label, and a value with the ends of its interval."""


def _table(*metrics: Metric) -> Mapping[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: Mapping[str, Metric] = _table(
    Metric(
        name="roc_auc",
        formula="chance that a positive row is ranked above a negative one; ties count half",
        higher_is_better=True,
        needs="probability",
        computation=AreaUnderROC(),
    ),
    Metric(
        name="average_precision",
        formula="precision at every threshold, weighted by the recall the threshold adds",
        higher_is_better=True,
        needs="probability",
        computation=AveragePrecision(),
    ),
    Metric(
        name="log_loss",
        formula="mean of minus the logarithm of the probability given to what happened, in nats",
        higher_is_better=False,
        needs="probability",
        computation=sums.mean_of(sums.log_loss_of),
    ),
    Metric(
        name="brier",
        formula="mean of the squared distance between probability and label",
        higher_is_better=False,
        needs="probability",
        computation=sums.mean_of(sums.squared_error),
    ),
    Metric(
        name="calibration_error",
        formula="distance between predicted and observed share, mean over ten bins by their rows",
        higher_is_better=False,
        needs="probability",
        computation=sums.CALIBRATION,
    ),
    Metric(
        name="accuracy",
        formula="share of decisions that are right",
        higher_is_better=True,
        needs="decision",
        computation=sums.share_of(
            lambda y, decision: (y == decision).astype(np.float64),
            lambda y, _: np.ones_like(y),
            padding=(RIGHT, WRONG_YES),
        ),
    ),
    Metric(
        name="precision",
        formula="share of positive decisions that are right",
        higher_is_better=True,
        needs="decision",
        computation=sums.share_of(
            lambda y, decision: y * decision,
            lambda _, decision: decision,
            padding=(RIGHT, WRONG_YES),
        ),
    ),
    Metric(
        name="recall",
        formula="share of positive rows that were decided positive",
        higher_is_better=True,
        needs="decision",
        computation=sums.share_of(
            lambda y, decision: y * decision, lambda y, _: y, padding=(RIGHT, WRONG_NO)
        ),
    ),
    Metric(
        name="f1",
        formula="harmonic mean of precision and recall",
        higher_is_better=True,
        needs="decision",
        computation=sums.share_of(
            lambda y, decision: 2 * y * decision,
            lambda y, decision: y + decision,
            padding=(RIGHT, WRONG_YES),
        ),
    ),
    Metric(
        name="mae",
        formula="mean distance between prediction and label, in units of the label",
        higher_is_better=False,
        needs="value",
        computation=sums.mean_of(sums.absolute_error),
        changes_in_shares=True,
    ),
    Metric(
        name="rmse",
        formula="root of the mean squared distance between prediction and label",
        higher_is_better=False,
        needs="value",
        computation=sums.mean_of(sums.squared_error, combine=sums.root_of_ratio),
        changes_in_shares=True,
    ),
    Metric(
        name="mape",
        formula="mean distance between prediction and label, as a share of the label",
        higher_is_better=False,
        needs="value",
        computation=sums.mean_of(sums.relative_error_where_defined),
        changes_in_shares=True,
    ),
    Metric(
        name="median_ape",
        formula="distance as a share of the label that half of the rows stay below",
        higher_is_better=False,
        needs="value",
        computation=MedianRelativeError(),
        changes_in_shares=True,
    ),
    Metric(
        name="r2",
        formula="one minus squared error over squared distance of the labels from their mean",
        higher_is_better=True,
        needs="value",
        computation=sums.DETERMINATION,
    ),
    Metric(
        name="coverage",
        formula="share of labels inside the interval around their prediction, ends included",
        higher_is_better=True,
        needs="interval",
        computation=sums.mean_of(sums.is_inside, padding=(INSIDE, OUTSIDE)),
    ),
    Metric(
        name="relative_width",
        formula="width of the interval as a share of the prediction, mean over the rows",
        higher_is_better=False,
        needs="interval",
        computation=sums.mean_of(sums.relative_width),
        changes_in_shares=True,
    ),
)


def metric_named(name: str) -> Metric:
    """Return the metric called `name`.

    Raises:
        ProblemError: If there is none; the message lists the ones there are.
    """
    if name not in METRICS:
        raise ProblemError(f"There is no metric {name!r}; known: {', '.join(METRICS)}.")
    return METRICS[name]


def measure(
    names: Iterable[str],
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Measure predictions against labels.

    Args:
        names: Which metrics, as in `METRICS`.
        y: Labels; n rows, 0 or 1 for binary problems.
        prediction: Probabilities of the positive class, or values; n rows. With intervals, an
            array of n rows and the columns value, lower and upper end.
        weights: How much each row counts; all the same by default.
        threshold: Probability from which on the decision is positive.

    Returns:
        Metric by name; NaN where a metric is undefined on these rows.

    Raises:
        ProblemError: If there is no such metric.
        ValueError: If the lengths differ or a prediction is not finite.

    Example:
        >>> measure(["roc_auc", "accuracy"], [0, 0, 1, 1], [0.1, 0.6, 0.6, 0.9])
        {'roc_auc': 0.875, 'accuracy': 0.75}
    """
    y, prediction = rows_of(y, prediction)
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
    metrics = [metric_named(name) for name in names]
    return {
        metric.name: metric.function(
            y, metric.prepare(prediction, threshold=threshold), weights
        )
        for metric in metrics
    }


def rows_of(y: npt.ArrayLike, *predictions: npt.ArrayLike) -> tuple[Array, ...]:
    """Labels and predictions as arrays of float.

    Raises:
        ValueError: If there is no row, the lengths differ, or a value is not finite.
    """
    arrays = tuple(np.asarray(values, dtype=np.float64) for values in (y, *predictions))
    if not len(arrays[0]) or any(len(values) != len(arrays[0]) for values in arrays):
        shapes = ", ".join(str(values.shape) for values in arrays)
        raise ValueError(f"Labels and predictions need the same rows, got shapes {shapes}.")
    for values in arrays:
        if broken := int((~np.isfinite(values)).sum()):
            raise ValueError(f"{broken:,} of {values.size:,} values are not finite numbers.")
    return arrays
