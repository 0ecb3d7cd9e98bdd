"""How sure is a metric of a slice? Standard errors of every slice from one pass over sorted rows.

The same influences that `comparison` uses for a whole table, reduced slice by slice; where a metric
has none, the rows are drawn again, all slices at once.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.metrics import Metric
from ml_assets.evaluation.ranks import AreaUnderROC
from ml_assets.evaluation.sums import STEP, Sums

Array = npt.NDArray[np.float64]

DRAWS = 100
"""Of all rows, where a metric has no influences."""


class Errors(NamedTuple):
    """Of the metric of every slice."""

    standard: Array
    """Standard error; NaN where the metric is undefined or a slice has one row."""
    freedom: Array
    """Degrees of freedom: how many rows carry the metric, less one."""


def slice_errors(
    metric: Metric, y: Array, prediction: Array, rows: Grouping, *, seed: int = 0
) -> Errors:
    """Standard errors of a metric in every slice.

    Args:
        metric: What was measured.
        y: Labels; n rows.
        prediction: As the metric needs them.
        rows: The slices.
        seed: Of the draws, where they are needed.

    Returns:
        One error and its degrees of freedom for each slice; those of `comparison.interval` on the
        rows of the slice alone, to rounding.
    """
    computation = metric.computation
    if isinstance(computation, Sums) and computation.smooth:
        return _of_sums(computation, y, prediction, rows)
    if isinstance(computation, AreaUnderROC):
        return _of_areas(y, prediction, rows)
    return _by_draws(metric, y, prediction, rows, seed=seed)


def _of_sums(sums: Sums, y: Array, prediction: Array, rows: Grouping) -> Errors:
    """The delta method, in every slice with its own gradient and its own imagined rows."""
    terms = sums.terms(y, prediction)
    imagined = sums.imagined(prediction) if sums.padding else np.empty((0, terms.shape[1]))
    counts = (rows.counts + len(imagined)).astype(float)
    totals = rows.sums(terms) + imagined.sum(axis=0)
    means = totals / counts[:, None]
    steps = means + 1j * STEP * np.eye(means.shape[1])[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = (sums.combine(steps).imag / STEP).T
    centre = (means * gradient).sum(axis=1)
    influence = np.einsum("ij,ij->i", terms, gradient[rows.codes]) - centre[rows.codes]
    squared, of_imagined = influence**2, (imagined @ gradient.T - centre) ** 2
    powers = rows.sums(np.stack([squared, squared**2], axis=1)).T
    return _errors(
        powers[0] + of_imagined.sum(axis=0), powers[1] + (of_imagined**2).sum(axis=0), counts
    )


def _of_areas(y: Array, prediction: Array, rows: Grouping) -> Errors:
    """DeLong's, from each row's place among the other class of its slice.

    Rows that agree in slice, prediction and label have the same place, so runs are enough.
    """
    order = rows.order_by(prediction)
    ordered = prediction[order]
    begins = np.ones(len(order), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    begins[rows.starts] = True
    runs = np.flatnonzero(begins)
    positives_of_run = np.add.reduceat(y[order], runs)
    negatives_of_run = np.diff(np.append(runs, len(order))) - positives_of_run
    starts = np.searchsorted(runs, rows.starts)
    sizes = np.diff(np.append(starts, len(runs)))
    below = [_places(found, starts, sizes) for found in (negatives_of_run, positives_of_run)]
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.add.reduceat(positives_of_run * below[0][0], starts) / below[1][1]
        counts = rows.counts.astype(float)
        of_positive = _influence(below[0][0], area, counts / below[1][1], sizes) ** 2
        of_negative = _influence(1 - below[1][0], area, counts / below[0][1], sizes) ** 2
        squares = positives_of_run * of_positive + negatives_of_run * of_negative
        fourths = positives_of_run * of_positive**2 + negatives_of_run * of_negative**2
    found = _errors(np.add.reduceat(squares, starts), np.add.reduceat(fourths, starts), counts)
    undefined = (below[0][1] == 0) | (below[1][1] == 0)
    return Errors(np.where(undefined, np.nan, found.standard), found.freedom)


def _places(
    counted: Array, starts: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> tuple[Array, Array]:
    """Of each run, the share of its slice's counted rows below it, ties half; and their total."""
    until = np.cumsum(counted)
    before = until[starts] - counted[starts]
    totals = np.add.reduceat(counted, starts)
    below = until - counted / 2 - np.repeat(before, sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return below / np.repeat(totals, sizes), totals


def _influence(
    placement: Array, area: Array, weight: Array, sizes: npt.NDArray[np.intp]
) -> Array:
    return (placement - np.repeat(area, sizes)) * np.repeat(weight, sizes)


def _by_draws(
    metric: Metric, y: Array, prediction: Array, rows: Grouping, *, seed: int
) -> Errors:
    """The spread over draws of all rows; each row counts a Poisson number of times."""
    rng = np.random.default_rng(seed)
    values = np.stack(
        [
            metric.computation.by_slice(
                y, prediction, rng.poisson(1.0, len(y)).astype(float), rows
            )
            for _ in range(DRAWS)
        ]
    )
    defined = np.isfinite(values)
    enough = defined.sum(axis=0) > DRAWS // 2
    spread = np.full(rows.slices, np.nan)
    spread[enough] = np.nanstd(np.where(defined, values, np.nan)[:, enough], axis=0, ddof=1)
    return Errors(spread, np.maximum(rows.counts - 1.0, 1.0))


def _errors(squares: Array, fourths: Array, counts: Array) -> Errors:
    """From sums of squared and fourth powers; see `comparison` for the degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = np.sqrt(squares / (counts * (counts - 1)))
        carrying = np.where(fourths > 0, squares**2 / fourths, 1.0)
    return Errors(standard, np.maximum(carrying - 1, 1.0))
