"""Metrics that are a function of a few weighted sums over the rows.

A metric of this kind is two functions: `terms` gives k numbers for every row, `combine` turns
their k sums into the metric. Written that way, one definition serves the whole table, every
slice of it (the sums are reduced slice by slice), every bootstrap resample (one matrix product),
and the influence of a single row on the metric. What needs the rows in an order is in `ranks`;
which metrics there are is in `metrics`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.grouping import Grouping

Array = npt.NDArray[np.float64]
CALIBRATION_BINS = 10
STEP = 1e-20

Padding = tuple[tuple[float, float | tuple[float, ...]], ...]
"""Imagined rows: a label, and what is predicted for it."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """How a metric comes from sums.

    Attributes:
        terms: Labels and predictions, n rows each, to an array of shape (n, k).
        combine: Sums of shape (..., k) to the metric, shape (...).
        smooth: Whether `combine` has a derivative everywhere it matters.
        padding: Imagined rows, as pairs of label and prediction, that only widen intervals.
    """

    terms: Callable[[Array, Array], Array]
    combine: Callable[[npt.NDArray[np.number]], npt.NDArray[np.number]]
    smooth: bool = True
    padding: Padding = ()

    def by_slice(self, y: Array, prediction: Array, weights: Array, rows: Grouping) -> Array:
        """The metric of every slice, undefined ones as NaN."""
        return _real(self.combine(rows.sums(self.terms(y, prediction) * weights[:, None])))

    def resampled(self, y: Array, prediction: Array) -> Callable[[Array], Array]:
        """A function from counts of shape (resamples, n) to the metric of each resample."""
        terms = self.terms(y, prediction)
        return lambda counts: _real(self.combine(counts @ terms))

    def imagined(self, like: Array) -> Array:
        """Terms of the rows of `padding`, where there are any, for predictions shaped as `like`."""
        labels = np.array([label for label, _ in self.padding], dtype=np.float64)
        answers = np.array([answer for _, answer in self.padding], dtype=np.float64)
        return self.terms(labels, answers.reshape(-1, *like.shape[1:]))

    def influence(self, y: Array, prediction: Array) -> Array | None:
        """How much each row moves the metric, mean 0; None where it is not smooth.

        The imagined rows of `padding` come after the n real ones. Without them a share that
        happens to be 1, such as the precision of a model that said yes only once, would have
        an interval without width.

        Source:
            Squire and Trapp (1998), Using complex variables to estimate derivatives of real
            functions, for the derivative, which is exact to rounding. Agresti and Coull (1998),
            Approximate is better than exact for interval estimation of binomial proportions,
            for the imagined rows.
        """
        if not self.smooth:
            return None
        terms = self.terms(y, prediction)
        if self.padding:
            terms = np.concatenate([terms, self.imagined(prediction)])
        means = terms.mean(axis=0)
        steps = means + 1j * STEP * np.eye(len(means))
        with np.errstate(divide="ignore", invalid="ignore"):
            gradient = self.combine(steps).imag / STEP
        return (terms - means) @ gradient


def ratio(sums: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
    """First sum over the second; NaN where the second is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def root_of_ratio(sums: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
    """Square root of `ratio`."""
    return np.sqrt(ratio(sums))


def mean_of(
    loss: Callable[[Array, Array], Array],
    *,
    combine: Callable[[npt.NDArray[np.number]], npt.NDArray[np.number]] = ratio,
    padding: Padding = (),
) -> Sums:
    """The metric that averages `loss` over the rows, after `combine`; `padding` as in `Sums`."""
    return Sums(
        terms=lambda y, prediction: _columns(loss(y, prediction), np.ones_like(y)),
        combine=combine,
        padding=padding,
    )


def share_of(
    part: Callable[[Array, Array], Array],
    whole: Callable[[Array, Array], Array],
    *,
    padding: Padding,
) -> Sums:
    """The metric that divides the sum of `part` by the sum of `whole`; `padding` as in `Sums`."""
    return Sums(
        terms=lambda y, prediction: _columns(part(y, prediction), whole(y, prediction)),
        combine=ratio,
        padding=padding,
    )


def log_loss_of(y: Array, prediction: Array) -> Array:
    """Minus the logarithm of the probability that was given to what happened."""
    smallest = np.finfo(np.float64).eps
    likelihood = np.where(y > 0, prediction, 1 - prediction)
    return -np.log(np.clip(likelihood, smallest, 1 - smallest))


def squared_error(y: Array, prediction: Array) -> Array:
    """Square of the distance between label and prediction."""
    return (y - prediction) ** 2


def absolute_error(y: Array, prediction: Array) -> Array:
    """Distance between label and prediction."""
    return np.abs(y - prediction)


def relative_error(y: Array, prediction: Array) -> Array:
    """Distance between label and prediction, in shares of the label; infinite for a label of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(y - prediction) / np.abs(y)


def relative_error_where_defined(y: Array, prediction: Array) -> Array:
    """`relative_error`, NaN for a label of 0: a mean over it says nothing."""
    return np.where(y == 0, np.nan, relative_error(y, prediction))


def is_inside(y: Array, prediction: Array) -> Array:
    """1 where the label is inside the interval, 0 where it is not, NaN where there is none."""
    _, lower, upper = prediction.T
    inside = ((lower <= y) & (y <= upper)).astype(np.float64)
    return np.where(np.isnan(lower + upper), np.nan, inside)


def relative_width(_: Array, prediction: Array) -> Array:
    """Width of the interval, in shares of the prediction; NaN for a prediction of 0."""
    value, lower, upper = prediction.T
    return (upper - lower) / np.where(value == 0, np.nan, np.abs(value))


def _determination() -> Sums:
    """R²: one minus the squared error over the squared distance from the mean label."""

    def terms(y: Array, prediction: Array) -> Array:
        centred = y - y.mean()  # keeps the difference of two large sums out of the last digits
        return _columns(squared_error(y, prediction), np.ones_like(y), centred, centred**2)

    def combine(sums: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
        error, rows, total, squares = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1 - error / (squares - total**2 / rows)

    return Sums(terms=terms, combine=combine)


def _calibration() -> Sums:
    """Mean distance between predicted and observed share, over bins of equal width."""

    def terms(y: Array, prediction: Array) -> Array:
        bins = np.minimum(prediction * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(np.int64)
        table = np.zeros((len(y), CALIBRATION_BINS + 1))
        table[np.arange(len(y)), bins] = prediction - y
        table[:, -1] = 1
        return table

    def combine(sums: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]

    return Sums(terms=terms, combine=combine, smooth=False)


DETERMINATION = _determination()
CALIBRATION = _calibration()


def _columns(*columns: Array) -> Array:
    return np.stack(columns, axis=1)


def _real(values: npt.NDArray[np.number]) -> Array:
    return np.asarray(values, dtype=np.float64)
