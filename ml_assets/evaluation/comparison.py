"""Is one model better than another on the same rows, and how sure is that?

The difference is paired: both models answer the same rows, so what makes a row hard for both
cancels out. Where the metric is a smooth function of its rows, each row's influence on the
difference gives the interval at once (for ROC AUC that is DeLong's); elsewhere the rows are
drawn again, with replacement, many times. What follows from a difference is decided in
`registry`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.errors import InsufficientData
from ml_assets.evaluation.metrics import Metric, metric_named, rows_of

Array = npt.NDArray[np.float64]

MIN_ROWS = 30
"""With fewer rows no interval below says what it promises."""

MIN_TAIL = 5
"""Resamples that an interval's end must leave outside; with fewer it is drawn from the spread."""

WITHOUT_DECIMALS = 1000
SMALLEST = 1e-4

BATCH_CELLS = 2**21
"""Resampled rows held in memory at once: 16 MiB of counts."""


class Interval(NamedTuple):
    """A metric of one model, and where it may truly lie."""

    value: float
    low: float
    high: float
    confidence: float
    rows: int


class Difference(NamedTuple):
    """A metric of the challenger minus that of the incumbent, on the same rows."""

    metric: str
    challenger: float
    incumbent: float
    estimate: float
    low: float
    high: float
    confidence: float
    rows: int

    @property
    def gain(self) -> tuple[float, float, float]:
        """Estimate, low and high, turned so that more is better."""
        if metric_named(self.metric).higher_is_better:
            return self.estimate, self.low, self.high
        return -self.estimate, -self.high, -self.low

    def exceeds(self, gain: float) -> bool:
        """Whether the whole interval lies above `gain`; never where the metric is undefined."""
        return self.gain[1] > gain

    def falls_short_of(self, gain: float) -> bool:
        """Whether the whole interval lies below `gain`."""
        return self.gain[2] < gain

    def __str__(self) -> str:
        """As in the house's refusals: `difference -0.03, 95% interval [-0.05, -0.01]`."""
        return (
            f"difference {plain(self.estimate, sign='+')}, {100 * self.confidence:.4g}% interval "
            f"[{plain(self.low, sign='+')}, {plain(self.high, sign='+')}]"
        )


def plain(value: float, *, sign: str = "") -> str:
    """A number as a person reads it: `0.71`, `0.7104`, `51,234`.

    Args:
        value: Any number.
        sign: "+" to show the sign of positive numbers, too.
    """
    if abs(value) >= WITHOUT_DECIMALS:
        return f"{value:{sign},.0f}"
    if 0 < abs(value) < SMALLEST:
        return f"{value:{sign}.1g}"
    whole, _, decimals = f"{value:{sign}.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}" if decimals else whole


def compare(
    metric: str,
    y: npt.ArrayLike,
    challenger: npt.ArrayLike,
    incumbent: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    threshold: float = 0.5,
) -> Difference:
    """Put an interval around the difference between two models.

    Args:
        metric: Name, as in `METRICS`.
        y: Labels; n rows.
        challenger: Its predictions for them.
        incumbent: The other model's predictions for them.
        resamples: How often the rows are drawn again, where the bootstrap is needed.
        confidence: Chance that the interval holds the true difference, in (0, 1).
        seed: Of the draws.
        threshold: Probability from which on a decision is positive.

    Returns:
        Challenger minus incumbent in units of the metric; NaN where the metric is undefined.

    Raises:
        InsufficientData: With fewer than 30 rows.

    Source:
        Hampel (1974), The influence curve and its role in robust estimation, for the variance
        from influences. Student's distribution has as many degrees of freedom as rows carry
        the difference (Satterthwaite 1946), which keeps a handful of differing decisions from
        passing as proof.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(0, 2, 2_000)
        >>> good, poor = y + rng.normal(size=(2, 2_000)) * [[1.0], [2.0]]
        >>> compare("roc_auc", y, good, poor).exceeds(0.0)
        True
    """
    y, challenger, incumbent = rows_of(y, challenger, incumbent)
    definition = metric_named(metric)
    models = [definition.prepare(p, threshold=threshold) for p in (challenger, incumbent)]
    low, high = _bounds(
        definition, y, models, resamples=resamples, confidence=confidence, seed=seed
    )
    ours, theirs = (definition.function(y, prediction) for prediction in models)
    return Difference(metric, ours, theirs, ours - theirs, low, high, confidence, len(y))


def interval(
    metric: str,
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    threshold: float = 0.5,
) -> Interval:
    """Put an interval around the metric of one model; see `compare`.

    Raises:
        InsufficientData: With fewer than 30 rows.
    """
    y, prediction = rows_of(y, prediction)
    definition = metric_named(metric)
    prediction = definition.prepare(prediction, threshold=threshold)
    low, high = _bounds(
        definition, y, [prediction], resamples=resamples, confidence=confidence, seed=seed
    )
    return Interval(definition.function(y, prediction), low, high, confidence, len(y))


def _bounds(
    metric: Metric,
    y: Array,
    models: list[Array],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[float, float]:
    """Ends of the interval of the first model's metric, minus the second's where there is one."""
    if len(y) < MIN_ROWS:
        raise InsufficientData("An interval", rows=len(y), needed=MIN_ROWS)
    values = [metric.function(y, prediction) for prediction in models]
    influences = [metric.computation.influence(y, prediction) for prediction in models]
    estimate = values[0] - sum(values[1:])
    if not np.isfinite(estimate):
        return np.nan, np.nan
    if (first := influences[0]) is not None:
        influence = _joint(
            [first, *(-each for each in influences[1:] if each is not None)], len(y)
        )
        return _bounds_from_influence(
            estimate, influence, rows=len(first), confidence=confidence
        )
    drawn = bootstrap(metric, y, models, resamples=resamples, seed=seed)
    return _bounds_from_draws(estimate, drawn, confidence=confidence)


def _joint(influences: list[Array], rows: int) -> Array:
    """Influences on a sum: real rows are the same for all, imagined ones are each model's own."""
    real = np.sum([each[:rows] for each in influences], axis=0)
    return np.concatenate([real, *(each[rows:] for each in influences)])


def _bounds_from_influence(
    estimate: float, influence: Array, *, rows: int, confidence: float
) -> tuple[float, float]:
    """The estimate, give or take Student's quantile times the standard error."""
    from scipy.special import stdtrit

    squares = influence**2
    total = squares.sum()
    if not total:
        return estimate, estimate
    carrying = total**2 / (squares**2).sum()
    error = np.sqrt(total / (rows * (rows - 1)))
    reach = stdtrit(max(carrying - 1, 1), (1 + confidence) / 2) * error
    return float(estimate - reach), float(estimate + reach)


def bootstrap(
    metric: Metric, y: Array, models: list[Array], *, resamples: int, seed: int
) -> Array:
    """The metric of the first model, minus the second's, on each of `resamples` draws.

    Args:
        metric: What is measured.
        y: Labels; n rows.
        models: Predictions of one or two models, as the metric needs them.
        resamples: How often n rows are drawn with replacement; both models get the same.
        seed: Of the draws.

    Returns:
        `resamples` values.
    """
    first, *others = [metric.computation.resampled(y, prediction) for prediction in models]
    draws = _draws(len(y), resamples=resamples, rng=np.random.default_rng(seed))
    return np.concatenate(
        [first(counts) - sum(other(counts) for other in others) for counts in draws]
    )


def _draws(rows: int, *, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """How often each row was drawn, in batches of shape (some resamples, rows)."""
    batch = max(1, BATCH_CELLS // rows)
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        drawn = rng.integers(0, rows, size=(size, rows), dtype=np.int32)
        drawn += np.arange(size, dtype=np.int32)[:, None] * rows
        yield (
            np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(float)
        )


def _bounds_from_draws(
    estimate: float, drawn: Array, *, confidence: float
) -> tuple[float, float]:
    """Quantiles of the draws, or the normal reach of their spread where the tail is too thin."""
    from scipy.special import ndtri

    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - confidence) / 2
    if len(drawn) * tail >= MIN_TAIL:
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return float(low), float(high)
    reach = ndtri(1 - tail) * drawn.std(ddof=1)
    return float(estimate - reach), float(estimate + reach)
