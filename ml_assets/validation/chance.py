"""What chance alone would explain, so that a small partition is not blamed for being small."""

import numpy as np
from scipy import stats

EXACT_ROWS = 2_000
"""Up to so many rows the odds are added up exactly; above, the normal curve is as good."""


def share_surprise(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """How often chance alone moves a share at least this far from its reference, either way.

    With k of N rows in the reference, the share is taken to be Beta(k + 1/2, N - k + 1/2)
    distributed, so the hits among n new rows are beta-binomial. Half of the probability of the
    observed number itself counts on each side (the mid-p value), which keeps small samples from
    being judged too mildly.

    Args:
        hits: Rows that have the property.
        rows: All current rows.
        reference_hits: The same for the reference.
        reference_rows: All reference rows.

    Returns:
        Probability in [0, 1]; 1 without rows.

    Example:
        >>> round(share_surprise(21, 30, 500, 1_000), 3)
        0.032
    """
    if not rows:
        return 1.0
    a, b = reference_hits + 0.5, reference_rows - reference_hits + 0.5
    if rows > EXACT_ROWS:
        share = a / (a + b)
        spread = np.sqrt(share * (1 - share) * (1 / rows + 1 / (a + b)))
        return float(2 * stats.norm.sf(abs(hits / rows - share) / spread))
    odds = stats.betabinom.pmf(np.arange(rows + 1), rows, a, b)
    below = odds[:hits].sum() + odds[hits] / 2
    return float(min(1.0, 2 * min(below, 1 - below)))


def psi_by_chance(bins: int, rows: int, reference_rows: int, *, significance: float) -> float:
    """The stability index that two samples of one distribution exceed this seldom.

    Under no change, the index over B bins times nN / (n + N) is about chi-squared with B - 1
    degrees of freedom.

    Source:
        Yurdakul (2018), Statistical properties of the population stability index.
    """
    if bins < 2:  # noqa: PLR2004 - one bin cannot differ
        return float("inf")
    quantile = stats.chi2.isf(significance, bins - 1)
    return float(quantile * (1 / rows + 1 / reference_rows))


def categories_by_chance(
    shares: np.ndarray, rows: int, *, unseen: float
) -> tuple[float, float]:
    """How many categories so many rows are expected to show, and the spread of that number.

    Args:
        shares: Share of each category in the reference; sums to 1.
        rows: Rows drawn.
        unseen: Share of rows that may be of a category the reference never saw.

    Returns:
        The expected number, and a standard deviation that is not too small.
    """
    absent = np.power(1 - shares, rows)
    new = unseen * rows
    return float(np.sum(1 - absent) + new), float(np.sqrt(np.sum(absent * (1 - absent)) + new))
