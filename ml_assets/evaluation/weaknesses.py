"""Where is a model worse than it is as a whole, and is that more than chance?

Every slice of every division is measured in one pass over rows that were sorted once. Looking at
hundreds of slices, some are bad by luck: the p-value of each is corrected for how many were looked
at (Benjamini and Hochberg), and the intervals hold all together (Bonferroni). A slice with too few
rows is not judged, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.comparison import MIN_ROWS
from ml_assets.evaluation.divisions import BINS, Division, divisions
from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.metrics import Metric, metric_named, rows_of, without_ends
from ml_assets.evaluation.slice_errors import slice_errors
from ml_assets.evaluation.slices import Column

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class SliceFinding:
    """One slice of a model's answers.

    Attributes:
        columns: Whose values make the slice.
        keys: The value of each column.
        rows: In it.
        metrics: Metric to value; None where undefined.
        low: Lower end of the interval of the first metric; all slices' hold together.
        high: Upper end.
        gap: First metric of the slice minus that of all rows.
        p_value: Chance of such a gap to the worse or a larger one where the slice is as good as the
            whole, corrected for the number of slices; None where nothing can be said.
        is_worse: Whether that is less than one minus the confidence.
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    rows: int
    metrics: Mapping[str, float | None]
    low: float | None
    high: float | None
    gap: float | None
    p_value: float | None
    is_worse: bool

    @property
    def name(self) -> str:
        """As a person says it: `product Mortgage, state CA`."""
        pairs = zip(self.columns, self.keys, strict=True)
        return ", ".join(f"{column} {value}" for column, value in pairs)


@dataclass(frozen=True, kw_only=True)
class SliceScan:
    """All slices that were looked at.

    Attributes:
        metric: That judges: the first one.
        overall: Its value over all rows; None where undefined.
        slices: Those with enough rows, worst first, undefined ones last.
        too_small: Slices that were left out for having fewer than `min_rows` rows.
        min_rows: Rows that a slice needs.
        confidence: Of all intervals together; also decides which slices are worse.
        correction: How the number of slices is accounted for, in words.
    """

    metric: str
    overall: float | None
    slices: tuple[SliceFinding, ...]
    too_small: int
    min_rows: int
    confidence: float
    correction: str

    @property
    def worse(self) -> tuple[SliceFinding, ...]:
        """Those that are worse than the whole by more than chance."""
        return tuple(one for one in self.slices if one.is_worse)


class _Measured(NamedTuple):
    """Slices of one division: what they are, and k metrics and one error for each."""

    division: Division
    kept: npt.NDArray[np.intp]
    metrics: Array
    errors: Array
    freedom: Array


def scan_slices(
    names: Sequence[str],
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    columns: Mapping[str, Column],
    by: Sequence[Sequence[str]] | None = None,
    *,
    min_rows: int = MIN_ROWS,
    bins: int = BINS,
    threshold: float = 0.5,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> SliceScan:
    """Measure every slice, and say which are worse than the whole.

    Args:
        names: Metrics, as in `METRICS`; the first one judges.
        y: Labels; n rows.
        prediction: Probabilities of the positive class, or values; n rows. With intervals, an
            array of n rows and the columns value, lower and upper end.
        columns: Name to its n values.
        by: Columns of each division; each column on its own by default.
        min_rows: Slices with fewer rows are counted and left out.
        bins: Of numbers and times.
        threshold: Probability from which on the decision is positive.
        confidence: Of all intervals together, in (0, 1).
        seed: Of the draws, where a metric needs them.

    Raises:
        ProblemError: If there is no such metric or column.

    Source:
        Benjamini and Hochberg (1995), Controlling the false discovery rate. The gap's error is
        taken as that of the slice, which contains the whole's share of it: slightly too large, so
        that chance is suspected rather than a weakness.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> state = np.repeat(["CA", "NY"], 500)
        >>> answers = rng.random(1_000)
        >>> y = np.where(state == "CA", answers > 0.5, rng.random(1_000) > 0.5)
        >>> worst = scan_slices(["accuracy"], y, answers, {"state": state}).slices[0]
        >>> worst.name, worst.is_worse
        ('state NY', True)
    """
    y, prediction = rows_of(y, prediction)
    metrics = [metric_named(name) for name in names]
    # Rows that rise already are sorted again inside every slice at no cost.
    order = np.argsort(without_ends(prediction), kind="stable")
    y, prediction = y[order], prediction[order]
    prepared = [metric.prepare(prediction, threshold=threshold) for metric in metrics]
    ways = [(name,) for name in columns] if by is None else by
    measured = [
        _measure(metrics, y, prepared, _sorted(division, order), min_rows=min_rows, seed=seed)
        for division in divisions(columns, ways, bins=bins)
    ]
    overall = metrics[0].function(y, prepared[0])
    found = _findings(metrics, measured, overall, confidence=confidence)
    return SliceScan(
        metric=metrics[0].name,
        overall=number(overall),
        slices=tuple(sorted(found, key=lambda one: _rank(one, metrics[0]))),
        too_small=sum(one.division.rows.slices - len(one.kept) for one in measured),
        min_rows=min_rows,
        confidence=confidence,
        correction=(
            f"Benjamini-Hochberg over {len(found):,} slices for p-values; Bonferroni for intervals"
        ),
    )


def number(value: float) -> float | None:
    """A number as JSON has it: None where it is undefined or infinite."""
    return float(value) if np.isfinite(value) else None


def adjusted(p_values: npt.ArrayLike) -> Array:
    """P-values corrected for their number, after Benjamini and Hochberg; NaN stays and counts not.

    Example:
        >>> adjusted([0.01, 0.02, 0.5]).tolist()
        [0.03, 0.03, 0.5]
    """
    raw = np.asarray(p_values, dtype=np.float64)
    found = np.full(len(raw), np.nan)
    known = np.flatnonzero(np.isfinite(raw))
    order = known[np.argsort(-raw[known], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    found[order] = np.minimum.accumulate(np.minimum(raw[order] * len(order) / ranks, 1.0))
    return found


def _sorted(division: Division, order: npt.NDArray[np.intp]) -> Division:
    rows = division.rows
    return division._replace(rows=Grouping(codes=rows.codes[order], slices=rows.slices))


def _measure(
    metrics: Sequence[Metric],
    y: Array,
    prepared: Sequence[Array],
    division: Division,
    *,
    min_rows: int,
    seed: int,
) -> _Measured:
    rows, weights = division.rows, np.ones(len(y))
    kept = np.flatnonzero(rows.counts >= min_rows)
    values = [
        metric.computation.by_slice(y, answers, weights, rows)[kept]
        for metric, answers in zip(metrics, prepared, strict=True)
    ]
    errors = slice_errors(metrics[0], y, prepared[0], rows, seed=seed)
    return _Measured(
        division, kept, np.stack(values, axis=1), errors.standard[kept], errors.freedom[kept]
    )


def _findings(
    metrics: Sequence[Metric],
    measured: Sequence[_Measured],
    overall: float,
    *,
    confidence: float,
) -> list[SliceFinding]:
    from scipy.special import stdtr, stdtrit

    if not measured:
        return []
    first = np.concatenate([one.metrics[:, 0] for one in measured])
    errors = np.concatenate([one.errors for one in measured])
    freedom = np.concatenate([one.freedom for one in measured])
    gap = first - overall
    loss = -gap if metrics[0].higher_is_better else gap
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(errors > 0, loss / errors, np.sign(loss) * np.inf)
    p_values = np.where(
        np.isfinite(loss) & np.isfinite(errors), stdtr(freedom, -distance), np.nan
    )
    p_values[errors == 0] = np.nan  # rows without spread say nothing about chance
    corrected = adjusted(p_values)
    one_of = 1 - (1 - confidence) / max(len(first), 1) / 2
    reach = stdtrit(freedom, one_of) * errors
    return _described(
        metrics, measured, np.stack([first - reach, first + reach, gap, corrected]), confidence
    )


def _described(
    metrics: Sequence[Metric],
    measured: Sequence[_Measured],
    numbers: Array,
    confidence: float,
) -> list[SliceFinding]:
    rows = iter(numbers.T)
    found = []
    for one in measured:
        for place, values in zip(one.kept, one.metrics, strict=True):
            low, high, gap, p_value = map(number, next(rows))
            found.append(
                SliceFinding(
                    columns=one.division.columns,
                    keys=one.division.labels[place],
                    rows=int(one.division.rows.counts[place]),
                    metrics={
                        metric.name: number(value)
                        for metric, value in zip(metrics, values, strict=True)
                    },
                    low=low,
                    high=high,
                    gap=gap,
                    p_value=p_value,
                    is_worse=p_value is not None and p_value < 1 - confidence,
                )
            )
    return found


def _rank(
    one: SliceFinding, metric: Metric
) -> tuple[bool, float, tuple[str, ...], tuple[str, ...]]:
    """Sort key: worst first, undefined last, then by name."""
    value = one.metrics[metric.name]
    worst = 0.0 if value is None else value if metric.higher_is_better else -value
    return value is None, worst, one.columns, one.keys
