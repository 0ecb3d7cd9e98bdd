"""Metrics that need the rows in an order: areas under curves, and medians.

Each is a class with the three methods of `sums.Sums`: for every slice, for every bootstrap
resample, and the influence of one row. Ties count half for a pair, and enter a curve together.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.sums import relative_error

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class AreaUnderROC:
    """Chance that a row of the positive class is ranked above one of the negative class."""

    def by_slice(self, y: Array, prediction: Array, weights: Array, rows: Grouping) -> Array:
        """The area in every slice; NaN where one class is missing."""
        order = rows.order_by(prediction)
        ties, starts = _ties(prediction[order], rows)
        positive = np.add.reduceat((weights * y)[order], ties)
        negative = np.add.reduceat((weights * (1 - y))[order], ties)
        below = _cumulated(negative, starts) - negative / 2
        pairs = np.add.reduceat(positive * below, starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.add.reduceat(positive, starts) * np.add.reduceat(negative, starts)
            return pairs / total

    def resampled(self, y: Array, prediction: Array) -> Callable[[Array], Array]:
        """A function from counts of shape (resamples, n) to the area of each resample."""
        positive, negative = np.flatnonzero(y > 0), np.flatnonzero(y <= 0)
        negative = negative[np.argsort(prediction[negative], kind="stable")]
        places = [
            np.searchsorted(prediction[negative], prediction[positive], side=side)
            for side in ("left", "right")
        ]

        def areas(counts: Array) -> Array:
            below = np.cumsum(counts[:, negative], axis=1)
            below = np.concatenate([np.zeros((len(counts), 1)), below], axis=1)
            weights = counts[:, positive]
            pairs = sum(np.einsum("ij,ij->i", weights, below[:, place]) for place in places) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(pairs / (weights.sum(axis=1) * below[:, -1]))

        return areas

    def influence(self, y: Array, prediction: Array) -> Array | None:
        """How much each row moves the area, n values of mean 0; None where a class is missing.

        A row's placement is the share of the other class that it is ranked correctly against.

        Source:
            DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more
            correlated receiver operating characteristic curves, Biometrics 44, for the
            variance that these values have.
        """
        positive = y > 0
        if positive.all() or not positive.any():
            return None
        placement = np.empty(len(y))
        placement[positive] = _share_below(prediction[~positive], prediction[positive])
        placement[~positive] = 1 - _share_below(prediction[positive], prediction[~positive])
        size = np.where(positive, positive.mean(), 1 - positive.mean())
        return (placement - placement[positive].mean()) / size


class AveragePrecision:
    """Precision at each threshold, weighted by the recall that the threshold adds."""

    def by_slice(self, y: Array, prediction: Array, weights: Array, rows: Grouping) -> Array:
        """The average in every slice; NaN where there is no positive row."""
        order = rows.order_by(-prediction)
        ties, starts = _ties(prediction[order], rows)
        positive = np.add.reduceat((weights * y)[order], ties)
        every = np.add.reduceat(weights[order], ties)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = _cumulated(positive, starts) / _cumulated(every, starts)
            gained = np.where(positive > 0, positive * precision, 0)
            return np.add.reduceat(gained, starts) / np.add.reduceat(positive, starts)

    def resampled(self, y: Array, prediction: Array) -> Callable[[Array], Array]:
        """A function from counts of shape (resamples, n) to the average of each resample."""
        order = np.argsort(-prediction, kind="stable")
        ends = _ends(prediction[order])
        hits = np.flatnonzero(y[order] > 0)  # a threshold without a positive row adds nothing
        lasts = np.searchsorted(hits, ends, side="right") - 1
        ends, lasts = (found[np.diff(lasts, prepend=-1) > 0] for found in (ends, lasts))

        def averages(counts: Array) -> Array:
            ordered = counts[:, order]
            positive = np.cumsum(ordered[:, hits], axis=1)[:, lasts]
            every = np.cumsum(ordered, axis=1, out=ordered)[:, ends]
            gained = np.diff(positive, axis=1, prepend=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                precision = np.where(every > 0, positive / every, 0)
                return np.einsum("ij,ij->i", gained, precision) / positive[:, -1]

        if not len(hits):
            return lambda counts: np.full(len(counts), np.nan)
        return averages

    def influence(self, y: Array, prediction: Array) -> Array | None:  # noqa: ARG002
        """None: its interval comes from the bootstrap."""
        return None


class MedianRelativeError:
    """The relative error that half of the rows stay below."""

    def by_slice(self, y: Array, prediction: Array, weights: Array, rows: Grouping) -> Array:
        """The median in every slice."""
        error = relative_error(y, prediction)
        order = rows.order_by(error)
        error, weights = error[order], weights[order]
        covered = _cumulated(weights, rows.starts)
        half = np.add.reduceat(weights, rows.starts) / 2
        ends = np.append(rows.starts[1:], len(error))
        before = np.repeat(half, ends - rows.starts)
        lower = rows.starts + np.add.reduceat(covered < before, rows.starts, dtype=np.intp)
        upper = rows.starts + np.add.reduceat(covered <= before, rows.starts, dtype=np.intp)
        upper = np.minimum(upper, ends - 1)
        return np.asarray((error[lower] + error[upper]) / 2)

    def resampled(self, y: Array, prediction: Array) -> Callable[[Array], Array]:
        """A function from counts of shape (resamples, n) to the median of each resample."""
        error = relative_error(y, prediction)
        order = np.argsort(error, kind="stable")
        error = error[order]

        def medians(counts: Array) -> Array:
            covered = np.cumsum(counts[:, order], axis=1)
            half = covered[:, -1:] / 2
            lower = (covered < half).sum(axis=1)
            upper = np.minimum((covered <= half).sum(axis=1), len(error) - 1)
            return np.asarray((error[lower] + error[upper]) / 2)

        return medians

    def influence(self, y: Array, prediction: Array) -> Array | None:  # noqa: ARG002
        """None: its interval comes from the bootstrap."""
        return None


def _ties(ordered: Array, rows: Grouping) -> tuple[Indices, Indices]:
    """Where runs of equal values begin inside slices, and which run is a slice's first."""
    begins = np.empty(len(ordered), dtype=bool)
    begins[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    begins[rows.starts] = True
    ties = np.flatnonzero(begins)
    return ties, np.searchsorted(ties, rows.starts)


def _ends(ordered: Array) -> Indices:
    """Index of the last row of every run of equal values."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def _cumulated(values: Array, starts: Indices) -> Array:
    """Sum of `values` up to and including each, counted anew from every start."""
    total = np.cumsum(values)
    offset = total[starts] - values[starts]
    lengths = np.diff(np.append(starts, len(values)))
    return np.asarray(total - np.repeat(offset, lengths))


def _share_below(sample: Array, values: Array) -> Array:
    """Share of `sample` below each of `values`; equal ones count half."""
    ordered = np.sort(sample)
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return np.asarray((left + right) / (2 * len(sample)))
