"""Which metric should choose the winner? A suggestion, with its reason, from the labels alone."""

from typing import Literal, NamedTuple

import numpy as np

RARE, EVEN = 0.2, 0.4
"""Share of the rarer class below which a metric must look at it, and from which both are alike."""


class Suggestion(NamedTuple):
    """The metric that chooses the winner, and why."""

    metric: str
    formula: str
    direction: Literal["higher", "lower"]
    floor: float
    why: str
    others: tuple[str, ...]


def suggested(labels: np.ndarray, *, is_binary: bool) -> Suggestion:
    """The metric that suits the labels.

    Args:
        labels: Those that there are; shape (n,); of a binary problem 0 or 1.
        is_binary: Whether they are.
    """
    return _kpi_of_classes(float(labels.mean())) if is_binary else _kpi_of_values(labels)


def _kpi_of_classes(share: float) -> Suggestion:
    rarer = min(share, 1 - share)
    others = ("log_loss", "brier", "accuracy", "precision", "recall", "f1", "calibration_error")
    if rarer < RARE and share <= 1 / 2:
        return Suggestion(
            "average_precision",
            "Precision at every threshold, weighted by the recall that the threshold adds.",
            "higher",
            round(share * 1.1, 4),
            f"only {share:.1%} are positive: always saying no is right in {1 - share:.1%} of the rows, "
            f"so accuracy says nothing; this looks at the rare class (chance gives {share:.3f})",
            ("roc_auc", *others),
        )
    why = (
        f"{share:.1%} are positive: accuracy would depend on a threshold that nobody has chosen yet; "
        "this asks whether rows are ranked well, whatever the threshold"
    )
    if rarer < EVEN:
        why += f" (always saying the frequent class is right in {1 - rarer:.1%})"
    return Suggestion(
        "roc_auc",
        "Chance that a positive row is ranked above a negative one.",
        "higher",
        0.55,
        why,
        ("average_precision", *others),
    )


def _kpi_of_values(labels: np.ndarray) -> Suggestion:
    middle = float(np.median(labels))
    errors = np.abs(labels - middle)
    if labels.min() > 0 and np.quantile(labels, 0.01) > middle / 100:
        return Suggestion(
            "median_ape",
            "Half of the answers are closer than this share of the label.",
            "lower",
            float(f"{np.median(errors / labels):.3g}"),
            "labels are all above zero and of different sizes: an error counts as a share of its label, "
            "and a few large ones do not decide (the floor is that of always saying the median)",
            ("mae", "rmse", "mape", "r2"),
        )
    return Suggestion(
        "mae",
        "Mean distance between answer and label.",
        "lower",
        float(f"{errors.mean():.4g}"),
        "labels come near to zero or below, where shares of them mean nothing "
        "(the floor is that of always saying the median)",
        ("rmse", "r2"),
    )


def is_skewed(labels: np.ndarray) -> bool:
    """Whether the larger half of some labels reaches much further than the smaller one."""
    low, middle, far = np.quantile(labels, [0.05, 0.5, 0.95])
    return bool(far - middle > 1.5 * (middle - low))
