"""Does a model treat groups of people alike? Three differences between groups, with intervals.

The definitions of demographic parity and equalized odds are those of fairlearn: the largest
difference between two groups in the share decided positive, and the larger of the differences in
true and in false positive rate. The calibration difference is the largest difference between two
groups in how far predictions lie above what happened. A group with too few rows is listed as not
judged; that is no statement about its fairness. Which difference is too large is judged elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.metrics import rows_of, without_ends
from ml_assets.evaluation.slices import Column, group
from ml_assets.evaluation.weaknesses import number

Array = npt.NDArray[np.float64]

DifferenceName = Literal[
    "demographic_parity", "equalized_odds", "calibration", "mean_error", "absolute_error"
]

BINARY: tuple[DifferenceName, ...] = ("demographic_parity", "equalized_odds", "calibration")
REGRESSION: tuple[DifferenceName, ...] = ("mean_error", "absolute_error")

RESAMPLES = 500
MIN_ROWS = 50
"""Of a group, below which its rates say more about luck."""

LEAST_GROUPS = 2


@dataclass(frozen=True, kw_only=True)
class GroupRates:
    """What happened to one group.

    Attributes:
        value: Of the attribute.
        rows: In the group.
        is_judged: Whether it has enough rows to take part in the differences.
        positive_rate: Share of positive labels; the mean label of a regression.
        mean_prediction: Mean probability, or mean value.
        selection_rate: Share decided positive; None of a regression, as the next two.
        true_positive_rate: Of positive rows, the share decided positive; None without any.
        false_positive_rate: Of negative rows, the share decided positive; None without any.
        mean_error: Mean of prediction minus label; of a regression, as a share of all rows' mean
            label.
        absolute_error: Mean distance between prediction and label, likewise.
    """

    value: str
    rows: int
    is_judged: bool
    positive_rate: float
    mean_prediction: float
    selection_rate: float | None
    true_positive_rate: float | None
    false_positive_rate: float | None
    mean_error: float
    absolute_error: float


@dataclass(frozen=True, kw_only=True)
class GroupDifference:
    """The largest difference between two judged groups.

    Attributes:
        name: Which difference.
        value: In [0, 1] for shares; None where fewer than two groups have it.
        low: Lower end of its interval.
        high: Upper end.
        between: The groups with the largest and the smallest rate.
    """

    name: DifferenceName
    value: float | None
    low: float | None
    high: float | None
    between: tuple[str, str] | None


@dataclass(frozen=True, kw_only=True)
class AttributeFairness:
    """One protected attribute.

    Attributes:
        attribute: Its column.
        groups: By falling rows; missing values are a group of their own.
        differences: Between the judged groups.
        not_judged: Groups with too few rows: nothing is said about them.
        min_rows: That a group needs.
        confidence: Of each interval.
    """

    attribute: str
    groups: tuple[GroupRates, ...]
    differences: tuple[GroupDifference, ...]
    not_judged: tuple[str, ...]
    min_rows: int
    confidence: float

    def difference(self, name: DifferenceName) -> GroupDifference:
        """The difference called `name`."""
        return next(one for one in self.differences if one.name == name)


def measure_fairness(
    attribute: str,
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    values: Column,
    *,
    kind: Literal["binary", "regression"] = "binary",
    threshold: float = 0.5,
    min_rows: int = MIN_ROWS,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AttributeFairness:
    """Measure how alike the groups of one attribute are treated.

    Args:
        attribute: Its name.
        y: Labels; n rows.
        prediction: Probabilities, or values; ends of intervals beside them are not looked at.
        values: The attribute of each row.
        kind: Of the problem; for a regression the differences are of errors.
        threshold: Probability from which on the decision is positive.
        min_rows: Groups with fewer rows are not judged.
        confidence: Of each interval.
        resamples: How often the rows of each group are drawn again for the intervals.
        seed: Of the draws.

    Source:
        Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning, for
        equalized odds; fairlearn 0.15 for the largest difference between any two groups.

    Example:
        >>> group = ["a"] * 50 + ["b"] * 50
        >>> found = measure_fairness("group", [0, 1] * 50, [0.9] * 50 + [0.1] * 50, group)
        >>> found.difference("demographic_parity").value
        1.0
    """
    y, prediction = rows_of(y, prediction)
    prediction = without_ends(prediction)
    labels, rows = group(values)
    terms = _terms(y, prediction, kind=kind, threshold=threshold)
    sums = rows.sums(terms)
    unit = float(np.abs(y.mean())) or 1.0 if kind == "regression" else 1.0
    judged = rows.counts >= min_rows
    groups = [
        _rates(labels[place], sums[place], is_judged=bool(judged[place]), kind=kind, unit=unit)
        for place in np.argsort(-rows.counts, kind="stable")
    ]
    kept = np.flatnonzero(judged)
    drawn = _drawn(terms, [rows.codes == place for place in kept], resamples, seed)
    compared = _Groups([labels[place] for place in kept], sums[kept], drawn, unit)
    return AttributeFairness(
        attribute=attribute,
        groups=tuple(groups),
        differences=tuple(
            _difference(name, compared, confidence)
            for name in (BINARY if kind == "binary" else REGRESSION)
        ),
        not_judged=tuple(one.value for one in groups if not one.is_judged),
        min_rows=min_rows,
        confidence=confidence,
    )


ROWS, POSITIVE, PREDICTED, DECIDED, HITS, DISTANCE = range(6)


def _terms(y: Array, prediction: Array, *, kind: str, threshold: float) -> Array:
    """Six numbers for each row, whose sums say everything about a group."""
    decided = (prediction >= threshold).astype(float) if kind == "binary" else np.zeros_like(y)
    ones, distance = np.ones_like(y), np.abs(prediction - y)
    return np.stack([ones, y, prediction, decided, y * decided, distance], axis=1)


def _share(part: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _selection(sums: Array) -> Array:
    return _share(sums[..., DECIDED], sums[..., ROWS])


def _true_positives(sums: Array) -> Array:
    return _share(sums[..., HITS], sums[..., POSITIVE])


def _false_positives(sums: Array) -> Array:
    negative = sums[..., ROWS] - sums[..., POSITIVE]
    return _share(sums[..., DECIDED] - sums[..., HITS], negative)


def _mean_errors(sums: Array) -> Array:
    return _share(sums[..., PREDICTED] - sums[..., POSITIVE], sums[..., ROWS])


def _distances(sums: Array) -> Array:
    return _share(sums[..., DISTANCE], sums[..., ROWS])


RATES: dict[DifferenceName, tuple[Callable[[Array], Array], ...]] = {
    "demographic_parity": (_selection,),
    "equalized_odds": (_true_positives, _false_positives),
    "calibration": (_mean_errors,),
    "mean_error": (_mean_errors,),
    "absolute_error": (_distances,),
}
"""The rates whose largest difference counts; of several, the larger one."""


def _rates(value: str, sums: Array, *, is_judged: bool, kind: str, unit: float) -> GroupRates:
    is_binary = kind == "binary"
    return GroupRates(
        value=value,
        rows=int(sums[ROWS]),
        is_judged=is_judged,
        positive_rate=float(sums[POSITIVE] / sums[ROWS]),
        mean_prediction=float(sums[PREDICTED] / sums[ROWS]),
        selection_rate=number(float(_selection(sums))) if is_binary else None,
        true_positive_rate=number(float(_true_positives(sums))) if is_binary else None,
        false_positive_rate=number(float(_false_positives(sums))) if is_binary else None,
        mean_error=float(_mean_errors(sums)) / unit,
        absolute_error=float(_distances(sums)) / unit,
    )


def _drawn(
    terms: Array, groups: list[npt.NDArray[np.bool_]], resamples: int, seed: int
) -> Array:
    """Sums of each group over rows drawn again within it: shape (resamples, groups, 6)."""
    rng = np.random.default_rng(seed)
    found = np.empty((resamples, len(groups), terms.shape[1]))
    for place, of_group in enumerate(groups):
        mine = terms[of_group]
        rows = len(mine)
        for draw in range(resamples):
            counts = np.bincount(rng.integers(rows, size=rows), minlength=rows)
            found[draw, place] = counts @ mine
    return found


class _Groups(NamedTuple):
    """The judged groups: their names, sums, sums of the draws, and the unit of their rates."""

    labels: list[str]
    sums: Array
    drawn: Array
    unit: float


def _difference(name: DifferenceName, groups: _Groups, confidence: float) -> GroupDifference:
    best: tuple[float, tuple[str, str]] | None = None
    spreads = []
    for rate in RATES[name]:
        rates = rate(groups.sums) / groups.unit
        known = np.flatnonzero(np.isfinite(rates))
        if len(known) < LEAST_GROUPS:
            continue
        top, bottom = known[np.argmax(rates[known])], known[np.argmin(rates[known])]
        between = groups.labels[top], groups.labels[bottom]
        found = float(rates[top] - rates[bottom]), between
        best = found if best is None or found[0] > best[0] else best
        again = rate(groups.drawn)[:, known] / groups.unit
        spreads.append(np.nanmax(again, axis=1) - np.nanmin(again, axis=1))
    if best is None:
        return GroupDifference(name=name, value=None, low=None, high=None, between=None)
    low, high = _bounds(best[0], np.max(spreads, axis=0), confidence)
    return GroupDifference(name=name, value=best[0], low=low, high=high, between=best[1])


def _bounds(value: float, drawn: Array, confidence: float) -> tuple[float, float]:
    """The basic interval of the bootstrap.

    The largest of several differences is larger in every draw than in truth, by about as much as
    the measured one is too large; reflecting the draws at the measured value takes that out.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return max(float(2 * value - high), 0.0), max(float(2 * value - low), 0.0)
