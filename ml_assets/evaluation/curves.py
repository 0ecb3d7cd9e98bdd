"""What a model does at every threshold: points of the ROC, precision-recall and calibration curves.

Points to draw, thinned so that a report stays small; numbers that judge are in `metrics`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.metrics import rows_of

Array = npt.NDArray[np.float64]

MOST_POINTS = 200
"""Of a curve; more are not seen."""

CALIBRATION_BINS = 10
Z = 1.959963984540054
"""Quantile of the normal distribution for intervals of 95 %."""


class Point(NamedTuple):
    """A decision threshold, and what it gives."""

    threshold: float
    x: float
    y: float


class CalibrationBin(NamedTuple):
    """Rows whose predicted probabilities are alike."""

    rows: int
    predicted: float
    """Mean prediction."""
    observed: float
    """Share of positive labels, with Wilson's interval."""
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Points to draw.

    Attributes:
        roc: x is the false positive rate, y the true positive rate; threshold falls.
        precision_recall: x is the recall, y the precision; threshold falls.
        calibration: Bins with equally many rows, by rising prediction.
    """

    roc: tuple[Point, ...]
    precision_recall: tuple[Point, ...]
    calibration: tuple[CalibrationBin, ...]


def curves(y: npt.ArrayLike, prediction: npt.ArrayLike) -> Curves:
    """Compute the curves of probabilities.

    Args:
        y: Labels, 0 or 1; n rows.
        prediction: Probabilities of the positive class.

    Returns:
        Curves; those that need a class that no row has are empty.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Example:
        >>> curves([0, 1], [0.2, 0.8]).roc[-1]
        Point(threshold=0.2, x=1.0, y=1.0)
    """
    y, prediction = rows_of(y, prediction)
    order = np.argsort(-prediction, kind="stable")
    ordered = prediction[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    hits, decided = np.cumsum(y[order])[ends], ends + 1.0
    positives, negatives = float(y.sum()), float(len(y) - y.sum())
    kept = _thinned(hits, decided - hits)
    thresholds = ordered[ends][kept]
    roc: tuple[Point, ...] = ()
    precision_recall: tuple[Point, ...] = ()
    if positives and negatives:
        roc = _points(
            thresholds, ((decided - hits) / negatives)[kept], (hits / positives)[kept]
        )
    if positives:
        precision_recall = _points(thresholds, (hits / positives)[kept], (hits / decided)[kept])
    return Curves(
        roc=roc, precision_recall=precision_recall, calibration=calibration(y, prediction)
    )


def calibration(
    y: npt.ArrayLike, prediction: npt.ArrayLike, *, bins: int = CALIBRATION_BINS
) -> tuple[CalibrationBin, ...]:
    """Predicted against observed shares, in bins with equally many rows."""
    y, prediction = rows_of(y, prediction)
    parts = np.array_split(np.argsort(prediction, kind="stable"), min(bins, len(y)))
    return tuple(_bin(y[part], prediction[part]) for part in parts)


def _bin(y: Array, prediction: Array) -> CalibrationBin:
    rows, share = len(y), float(y.mean())
    centre = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    spread = share * (1 - share) / rows + Z**2 / (4 * rows**2)
    reach = Z * float(np.sqrt(spread)) / (1 + Z**2 / rows)
    return CalibrationBin(
        rows,
        float(prediction.mean()),
        share,
        max(centre - reach, 0.0),
        min(centre + reach, 1.0),
    )


def _thinned(first: Array, second: Array) -> npt.NDArray[np.intp]:
    """Places of points about evenly far from each other along the curve, both ends included."""
    if len(first) <= MOST_POINTS:
        return np.arange(len(first))
    way = first / max(first[-1], 1.0) + second / max(second[-1], 1.0)
    return np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], MOST_POINTS)))


def _points(thresholds: Array, x: Array, y: Array) -> tuple[Point, ...]:
    rows = zip(thresholds.tolist(), x.tolist(), y.tolist(), strict=True)
    return tuple(Point(*row) for row in rows)
