"""Does a column know the label? By what it says of it alone, and by its name.

A column that predicts the target almost perfectly was probably written after the event, or is the
target in other words. What is found is put out of the features; a person may put it back.
"""

import re

import numpy as np

from ml_assets.evaluation import METRICS

ALMOST_PERFECT = 0.98
"""Area under the ROC curve, or share of the variance of the label's ranks, of one column alone."""
BINS = 50
MOST_VALUES = 1_000
HINDSIGHT = (
    *("outcome", "result", "resolution", "resolved", "closed", "cancelled", "canceled"),
    *("cancellation", "settled", "settlement", "refund", "refunded", "writeoff", "chargeback"),
    *("recoveries", "recovered"),
)
"""Words of names for what is known once it is over."""
BEFORE = (
    "list",
    "listed",
    "asking",
    "previous",
    "prev",
    "last",
    "initial",
    "old",
    "past",
    "prior",
)
"""Words that say of a name like the target's that it is about an earlier time."""
LEAST_WORD = 3


def power(values: np.ndarray, target: np.ndarray, *, is_binary: bool) -> float:
    """How well one column alone predicts the target, on rows that it was not looked at on.

    The mean label of each value (or of each of 50 bins of numbers) in one half of the rows is the
    prediction for the other half. A missing value is a value of its own.

    Args:
        values: Numbers, or codes of texts below zero where there is none; shape (n,).
        target: Labels, NaN where there is none; shape (n,).
        is_binary: Whether labels are 0 or 1.

    Returns:
        Area under the ROC curve, or of a regression the share of the variance of the label's ranks
        that is explained; 0.5 and 0 say nothing. NaN where nothing can be said.
    """
    known = ~np.isnan(target)
    groups, y = _groups(values[known]), target[known]
    if not is_binary:
        y = np.argsort(np.argsort(y, kind="stable")) / max(len(y) - 1, 1)
    learned = np.random.default_rng(0).random(len(y)) < 1 / 2
    if learned.all() or not learned.any():
        return float("nan")
    size = int(groups.max(initial=0)) + 1
    rows = np.bincount(groups[learned], minlength=size)
    sums = np.bincount(groups[learned], weights=y[learned], minlength=size)
    overall = float(y[learned].mean())
    means = np.where(rows > 0, sums / np.maximum(rows, 1), overall)
    metric = METRICS["roc_auc" if is_binary else "r2"]
    return metric.function(y[~learned], means[groups[~learned]])


def named_after(name: str, target: str) -> str | None:
    """Why a name says that the column is known after the event; None where it does not.

    Example:
        >>> named_after("churn_date", "churned"), named_after("list_price", "price")
        ("its name begins like the target's", None)
        >>> named_after("resolution_code", "disputed")
        "its name speaks of what comes after: 'resolution'"
    """
    words = name.split("_")
    if set(words) & set(BEFORE):
        return None
    if found := [word for word in words if word in HINDSIGHT]:
        return f"its name speaks of what comes after: {found[0]!r}"
    stems = [_stem(word) for word in target.split("_")]
    if len(words) > len(stems) and [_stem(word) for word in words][: len(stems)] == stems:
        return "its name begins like the target's"
    return None


def _stem(word: str) -> str:
    stem = re.sub(r"(ed|ing|s|e)$", "", word)
    return stem if len(stem) >= LEAST_WORD else word


def _groups(values: np.ndarray) -> np.ndarray:
    """A group for each value, or for each bin of them; missing is group 0."""
    missing = np.isnan(values)
    distinct, codes = np.unique(values[~missing], return_inverse=True)
    if len(distinct) > MOST_VALUES:
        edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, values[~missing], side="right")
    groups = np.zeros(len(values), dtype=np.int64)
    groups[~missing] = codes + 1
    return groups
