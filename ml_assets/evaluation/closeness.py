"""How close are predicted values to labels, and for which sizes of the label? Numbers to draw.

Points and groups for pictures, thinned so that a report stays small; numbers that judge are in
`metrics`, and what a slice of another column looks like is in `weaknesses`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.metrics import rows_of, without_ends
from ml_assets.evaluation.weaknesses import number

Array = npt.NDArray[np.float64]

MOST_POINTS = 400
"""Of the labels and their predictions; more are not seen."""

PARTS = 10


class Pair(NamedTuple):
    """One row."""

    label: float
    prediction: float


class SizeGroup(NamedTuple):
    """Rows whose labels are of about the same size."""

    rows: int
    lowest: float
    """Label."""
    highest: float
    label: float
    """Mean."""
    prediction: float
    """Mean; above `label` where the model answers too much."""
    absolute_error: float
    """Mean distance between prediction and label, in the label's unit."""
    relative_error: float | None
    """Median distance as a share of the label; None where every label is 0."""
    covered: float | None
    """Share of labels inside their intervals; None of answers without."""


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """Predicted values against labels.

    Attributes:
        pairs: Rows to draw: at most 400, evenly over the labels' ranks.
        groups: Rows by the size of their label, smallest first, equally many in each.
    """

    pairs: tuple[Pair, ...]
    groups: tuple[SizeGroup, ...]


def closeness(y: npt.ArrayLike, prediction: npt.ArrayLike, *, parts: int = PARTS) -> Closeness:
    """Group rows by the size of their label, and say how far off the answers are in each group.

    Args:
        y: Labels; n rows.
        prediction: Values, or n rows of a value and the ends of its interval.
        parts: Groups; fewer where there are fewer rows.

    Example:
        >>> found = closeness([1.0, 2.0, 100.0, 200.0], [2.0, 2.0, 100.0, 100.0], parts=2)
        >>> [(group.lowest, group.absolute_error) for group in found.groups]
        [(1.0, 0.5), (100.0, 50.0)]
    """
    labels, answers = rows_of(y, prediction)
    values = without_ends(answers)
    ends = None if answers.ndim == 1 else answers[:, 1:]
    order = np.argsort(labels, kind="stable")
    drawn = order[np.unique(np.linspace(0, len(order) - 1, MOST_POINTS).astype(int))]
    return Closeness(
        pairs=tuple(Pair(float(labels[row]), float(values[row])) for row in drawn),
        groups=tuple(
            _group(labels[part], values[part], None if ends is None else ends[part])
            for part in np.array_split(order, min(parts, len(order)))
        ),
    )


def _group(labels: Array, values: Array, ends: Array | None) -> SizeGroup:
    distance = np.abs(values - labels)
    there = labels != 0
    relative = np.median(distance[there] / np.abs(labels[there])) if there.any() else np.nan
    covered = np.nan
    if ends is not None and np.isfinite(ends).all():
        covered = ((ends[:, 0] <= labels) & (labels <= ends[:, 1])).mean()
    return SizeGroup(
        rows=len(labels),
        lowest=float(labels.min()),
        highest=float(labels.max()),
        label=float(labels.mean()),
        prediction=float(values.mean()),
        absolute_error=float(distance.mean()),
        relative_error=number(relative),
        covered=number(covered),
    )
