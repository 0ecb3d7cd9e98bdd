"""Metrics of groups of rows: is the model equally good everywhere?

The rows are sorted by slice once and every metric is a reduction over that order. A slice with
fewer rows than asked for is not measured, since its number would say more about luck.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.evaluation.comparison import MIN_ROWS, Difference, compare
from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.metrics import Metric, metric_named, rows_of

Array = npt.NDArray[np.float64]
Column = npt.ArrayLike | pd.Series

MISSING = "(missing)"


class SliceMetric(NamedTuple):
    """The metrics of one slice."""

    column: str
    value: str
    rows: int
    metrics: Mapping[str, float]
    baseline: Mapping[str, float] = {}
    """The same metrics of the trivial model, where it was measured as well."""


class SliceDifference(NamedTuple):
    """Challenger against incumbent in one slice."""

    column: str
    value: str
    difference: Difference


def measure_slices(
    names: Sequence[str],
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    columns: Mapping[str, Column],
    *,
    min_rows: int = 1,
    threshold: float = 0.5,
) -> tuple[SliceMetric, ...]:
    """Measure every value of every column on its own.

    Args:
        names: Metrics, as in `METRICS`; the first one says which slice is worst.
        y: Labels; n rows.
        prediction: Probabilities of the positive class, or values; n rows.
        columns: Name to the n values that say which slice a row is in; missing ones are a
            slice of their own.
        min_rows: Slices with fewer rows are left out.
        threshold: Probability from which on the decision is positive.

    Returns:
        The slices, worst first; those where the first metric is undefined come last.

    Example:
        >>> state = ["CA", "CA", "NY", "NY"]
        >>> for found in measure_slices(["mae"], [1, 1, 1, 1], [1, 1, 1, 3], {"state": state}):
        ...     print(found.value, found.rows, found.metrics["mae"])
        NY 2 1.0
        CA 2 0.0
    """
    y, prediction = rows_of(y, prediction)
    metrics = [metric_named(name) for name in names]
    found = [
        measured
        for column, values in columns.items()
        for measured in _measure_column(
            column, values, metrics, y, prediction, min_rows=min_rows, threshold=threshold
        )
    ]
    return tuple(sorted(found, key=lambda measured: _rank(measured, metrics[0])))


def compare_slices(
    metric: str,
    y: npt.ArrayLike,
    challenger: npt.ArrayLike,
    incumbent: npt.ArrayLike,
    columns: Mapping[str, Column],
    *,
    min_rows: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[SliceDifference, ...]:
    """Compare two models in every slice, corrected for how many slices are looked at.

    With k slices each interval has the confidence 1 - (1 - confidence) / k, so that all of
    them hold together with at least `confidence`.

    Args:
        metric: Name, as in `METRICS`.
        y: Labels; n rows.
        challenger: Its predictions for them.
        incumbent: The other model's predictions for them.
        columns: Name to the n values that say which slice a row is in.
        min_rows: Slices with fewer rows (or fewer than 30) are left out.
        resamples: See `compare`.
        confidence: Of all intervals together.
        seed: See `compare`.

    Returns:
        The slices in which the metric is defined for both, largest loss first.

    Source:
        Bonferroni's inequality, for the correction.
    """
    y, challenger, incumbent = rows_of(y, challenger, incumbent)
    slices = [
        (column, value, rows)
        for column, values in columns.items()
        for value, rows in _rows_of_slices(values, min_rows=max(min_rows, MIN_ROWS))
    ]
    found = [
        SliceDifference(
            column,
            value,
            compare(
                metric,
                y[rows],
                challenger[rows],
                incumbent[rows],
                resamples=resamples,
                confidence=1 - (1 - confidence) / len(slices),
                seed=seed,
            ),
        )
        for column, value, rows in slices
    ]
    defined = [one for one in found if np.isfinite(one.difference.estimate)]
    return tuple(sorted(defined, key=lambda one: (one.difference.gain[0], one[:2])))


def _measure_column(
    column: str,
    values: Column,
    metrics: Sequence[Metric],
    y: Array,
    prediction: Array,
    *,
    min_rows: int,
    threshold: float,
) -> list[SliceMetric]:
    """Measure the slices of one column."""
    labels, rows = group(values)
    weights = np.ones(len(y))
    table = {
        metric.name: metric.computation.by_slice(
            y, metric.prepare(prediction, threshold=threshold), weights, rows
        )
        for metric in metrics
    }
    return [
        SliceMetric(
            column,
            labels[number],
            int(rows.counts[number]),
            {name: float(measured[number]) for name, measured in table.items()},
        )
        for number in np.flatnonzero(rows.counts >= min_rows)
    ]


def group(values: Column) -> tuple[list[str], Grouping]:
    """Number the slices of one column; missing values get one of their own.

    Returns:
        The name of each slice, and the rows divided into them.
    """
    codes, unique = pd.factorize(pd.Series(values))
    labels = [str(value) for value in unique]
    missing = codes < 0
    if missing.any():
        codes = np.where(missing, len(labels), codes)
        labels.append(MISSING)
    return labels, Grouping(codes=codes, slices=len(labels))


def _rows_of_slices(values: Column, *, min_rows: int) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """The rows of every slice that has enough of them."""
    labels, rows = group(values)
    ends = rows.starts + rows.counts
    return [
        (labels[number], rows.order[rows.starts[number] : ends[number]])
        for number in np.flatnonzero(rows.counts >= min_rows)
    ]


def _rank(measured: SliceMetric, metric: Metric) -> tuple[bool, float, str, str]:
    """Sort key: worst first, undefined last, then by name."""
    value = measured.metrics[metric.name]
    undefined = bool(np.isnan(value))
    worst = value if metric.higher_is_better else -value
    return undefined, 0.0 if undefined else worst, measured.column, measured.value
