"""An interval around each value of a regression, which holds the label as often as it says.

Split-conformal: the distances between label and answer, on rows that the model has neither learned
from nor been chosen by, say how far around an answer the interval reaches. Where a group of rows
(a location) has enough of them, it has a reach of its own; all others share one. On a logarithmic
scale a reach is a factor, so that dear homes have wider intervals than cheap ones.

What rows these are is for `rows`, when they are used for `training`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.errors import InsufficientData
from ml_assets.problem.config import Interval, Training

Array = npt.NDArray[np.float64]
Scale = Literal["label", "log"]
Group = str | None

ROUNDING = 1e-9
"""Of a coverage times a number of rows, which may be a whole number but for its last digit."""


class PredictionInterval(NamedTuple):
    """Where the label of one prediction lies, as often as `coverage` says."""

    lower: float
    upper: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far intervals reach around an answer, and by how many rows that is known."""

    rows: int
    reach: float


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """The intervals of one model.

    Attributes:
        coverage: Share of labels inside.
        scale: On `label` a reach is in the label's unit; on `log` it is the logarithm of a factor.
        shared: For rows without a group of their own.
        by: The feature that says which group a row is in; None where there are no groups.
        groups: Those that have a reach of their own.
    """

    coverage: float
    scale: Scale
    shared: Reach
    by: str | None = None
    groups: Mapping[str, Reach] = field(default_factory=dict)

    @classmethod
    def calibrated(
        cls,
        declared: Interval,
        scale: Scale,
        y: Array,
        prediction: Array,
        groups: Sequence[Group] | None = None,
    ) -> "Intervals":
        """Learn how far intervals reach.

        Args:
            declared: Coverage and groups, as in `config.yaml`.
            scale: Of distances.
            y: Labels; n rows that the model has not learned from.
            prediction: What it answers for them.
            groups: Which group each row is in, if there are groups.

        Raises:
            InsufficientData: If there are too few rows for this coverage.

        Source:
            Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-free predictive
            inference for regression, for split-conformal intervals; Vovk, Lindsay, Nouretdinov
            and Gammerman (2003), Mondrian confidence machine, for the groups.

        Example:
            >>> found = Intervals.calibrated(
            ...     Interval(coverage=0.5), "label", np.array([1.0, 2.0, 4.0]), np.zeros(3)
            ... )
            >>> found.around(10.0, None)
            PredictionInterval(lower=8.0, upper=12.0, coverage=0.5)
        """
        distances = (
            np.abs(y - prediction) if scale == "label" else _log_distances(y, prediction)
        )
        needed = least_rows(declared.coverage)
        if len(distances) < needed:
            what = f"An interval that holds {100 * declared.coverage:g}% of the labels"
            raise InsufficientData(what, rows=len(distances), needed=needed)
        own = {}
        if groups is not None:
            least = max(declared.min_rows, needed)
            own = _by_group(distances, groups, declared.coverage, min_rows=least)
        return cls(
            coverage=declared.coverage,
            scale=scale,
            shared=_reach(distances, declared.coverage),
            by=declared.by,
            groups=own,
        )

    def around(self, value: float, group: object) -> PredictionInterval:
        """The interval around one answer; a group that is not known has the shared reach."""
        reach = (self.groups.get(group, self.shared) if group else self.shared).reach  # type: ignore[call-overload]
        if self.scale == "log":
            factor = math.exp(reach)
            return PredictionInterval(value / factor, value * factor, self.coverage)
        return PredictionInterval(value - reach, value + reach, self.coverage)

    def with_ends(self, values: Array, groups: Sequence[object] | None) -> Array:
        """Answers beside the ends of their intervals.

        Args:
            values: n answers.
            groups: The feature `by` of the same rows; None without groups.

        Returns:
            n rows, columns: value, lower and upper end.
        """
        named = [None] * len(values) if groups is None else groups
        ends = [self.around(*each)[:2] for each in zip(values.tolist(), named, strict=True)]
        return np.column_stack([values, np.array(ends, dtype=np.float64).reshape(-1, 2)])


def scale_of(training: Training) -> Scale:
    """On which scale the distances of a problem's models are measured: that of their fit."""
    return "log" if training.target.transform == "log" else "label"


def least_rows(coverage: float) -> int:
    """Rows to calibrate on, with fewer of which no interval has this coverage."""
    return math.ceil(coverage / (1 - coverage) - ROUNDING)


def _reach(distances: Array, coverage: float) -> Reach:
    """The smallest distance that ceil((n + 1) coverage) of n rows do not exceed."""
    rank = math.ceil((len(distances) + 1) * coverage - ROUNDING)
    return Reach(rows=len(distances), reach=float(np.partition(distances, rank - 1)[rank - 1]))


def _by_group(
    distances: Array, groups: Sequence[Group], coverage: float, *, min_rows: int
) -> dict[str, Reach]:
    names = np.array([name or "" for name in groups], dtype=object)
    return {
        str(name): _reach(distances[names == name], coverage)
        for name in sorted(set(names) - {""})
        if np.count_nonzero(names == name) >= min_rows
    }


def _log_distances(y: Array, prediction: Array) -> Array:
    return np.asarray(np.abs(np.log(y) - np.log(prediction)), dtype=np.float64)
