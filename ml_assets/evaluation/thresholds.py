"""From probabilities to decisions: what a threshold costs, and which one costs least.

What a wrong decision costs is a matter of the business, and comes from `config.yaml`. On which rows
a threshold may be chosen (never on those that judge the model) is for the caller.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_assets.errors import InsufficientData
from ml_assets.evaluation.metrics import rows_of

Array = npt.NDArray[np.float64]

CUSTOMARY = 0.5
"""The threshold where nobody says what mistakes cost."""

MOST_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How many rows were decided how, at one threshold."""

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    def cost(self, *, false_positive: float, false_negative: float) -> float:
        """What the mistakes cost, by row."""
        rows = (
            self.true_positives
            + self.false_positives
            + self.true_negatives
            + self.false_negatives
        )
        total = self.false_positives * false_positive + self.false_negatives * false_negative
        return total / rows


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """The threshold that costs least on some rows.

    Attributes:
        threshold: A probability from which on the decision is positive.
        cost: Of it, by row.
        cost_at_half: Of the customary threshold 0.5, by row.
        cost_false_positive: Of deciding yes where the label is no.
        cost_false_negative: Of deciding no where the label is yes.
        rows: On which it was chosen.
        curve: Thresholds and their cost by row, to draw.
    """

    threshold: float
    cost: float
    cost_at_half: float
    cost_false_positive: float
    cost_false_negative: float
    rows: int
    curve: tuple[tuple[float, float], ...]


def confusion(y: npt.ArrayLike, prediction: npt.ArrayLike, *, threshold: float) -> Confusion:
    """Count right and wrong decisions.

    Example:
        >>> confusion([0, 0, 1], [0.2, 0.7, 0.9], threshold=0.5).false_positives
        1
    """
    y, prediction = rows_of(y, prediction)
    positive, decided = y > 0, prediction >= threshold
    return Confusion(
        threshold=threshold,
        true_positives=int((positive & decided).sum()),
        false_positives=int((~positive & decided).sum()),
        true_negatives=int((~positive & ~decided).sum()),
        false_negatives=int((positive & ~decided).sum()),
    )


def cheapest_threshold(
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    cost_false_positive: float,
    cost_false_negative: float,
) -> ThresholdChoice:
    """Find the threshold whose mistakes cost least.

    Args:
        y: Labels, 0 or 1, of rows that the model did not learn from; n rows.
        prediction: Its probabilities for them.
        cost_false_positive: Of deciding yes where the label is no; any unit, as the other.
        cost_false_negative: Of deciding no where the label is yes.

    Returns:
        The choice; between two predictions the threshold lies half-way. Of equals, the highest.

    Raises:
        InsufficientData: If a class has no row.

    Example:
        >>> found = cheapest_threshold(
        ...     [0, 0, 1, 1],
        ...     [0.1, 0.4, 0.3, 0.9],
        ...     cost_false_positive=1.0,
        ...     cost_false_negative=5.0,
        ... )
        >>> round(found.threshold, 2), found.cost
        (0.2, 0.25)
    """
    y, prediction = rows_of(y, prediction)
    for positive in (True, False):
        if not ((y > 0) == positive).any():
            what = f"A threshold by cost ({'positive' if positive else 'negative'} labels)"
            raise InsufficientData(what, rows=0, needed=1)
    distinct, places = np.unique(prediction, return_inverse=True)
    positives = np.bincount(places, weights=y)
    negatives = np.bincount(places, weights=1 - y)
    # Threshold k decides yes from the k-th distinct prediction on; the last one says no to all.
    missed = np.concatenate([[0.0], np.cumsum(positives)])
    alarmed = negatives.sum() - np.concatenate([[0.0], np.cumsum(negatives)])
    costs = (missed * cost_false_negative + alarmed * cost_false_positive) / len(y)
    edges = np.concatenate([[0.0], (distinct[1:] + distinct[:-1]) / 2, [1.0]])
    best = len(costs) - 1 - int(np.argmin(costs[::-1]))
    half = confusion(y, prediction, threshold=CUSTOMARY)
    kept = np.unique(np.linspace(0, len(edges) - 1, MOST_POINTS).astype(int))
    return ThresholdChoice(
        threshold=float(edges[best]),
        cost=float(costs[best]),
        cost_at_half=half.cost(
            false_positive=cost_false_positive, false_negative=cost_false_negative
        ),
        cost_false_positive=cost_false_positive,
        cost_false_negative=cost_false_negative,
        rows=len(y),
        curve=tuple(zip(edges[kept].tolist(), costs[kept].tolist(), strict=True)),
    )
