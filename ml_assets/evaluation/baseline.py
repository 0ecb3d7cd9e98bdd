"""The trivial model that every model must beat: one constant for everybody, or for each group.

Among the constants that somebody might seriously try, the strongest on the training labels is
taken. Against accuracy at 30 % positives that is "always no", which scores 0.70; against F1 it
is "always yes". A weaker one would let a useless model pass.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.errors import InsufficientData
from ml_assets.evaluation.metrics import measure, metric_named

Array = npt.NDArray[np.float64]
Kind = Literal["binary", "regression"]


def baseline_predictions(
    kind: Kind, y_train: npt.ArrayLike, rows: int, *, metric: str | None = None
) -> Array:
    """What the baseline answers for `rows` rows.

    Args:
        kind: Of the problem.
        y_train: Labels that the baseline may learn from; at least one.
        rows: How many answers are needed.
        metric: Judge of the constants; without it the prior (binary) or the median (regression).

    Returns:
        One constant, `rows` times.

    Raises:
        InsufficientData: If there is no training label.

    Example:
        >>> baseline_predictions("binary", [0, 0, 0, 1], 2)
        array([0.25, 0.25])
        >>> baseline_predictions("binary", [0, 0, 0, 1], 2, metric="f1")
        array([1., 1.])
    """
    labels = np.asarray(y_train, dtype=np.float64)
    if not len(labels):
        raise InsufficientData("The baseline", rows=0, needed=1)
    return np.full(rows, _strongest(CONSTANTS[kind](labels), labels, metric))


def baseline_by_group(
    kind: Kind,
    y_train: npt.ArrayLike,
    groups_train: pd.Series,
    groups: pd.Series,
    *,
    metric: str | None = None,
    min_rows: int = 1,
) -> Array:
    """What the baseline answers that has a constant for each group, such as a location.

    Args:
        kind: Of the problem.
        y_train: Labels that it may learn from; at least one.
        groups_train: Which group each of them is in.
        groups: Which group each row is in that is to be answered.
        metric: Judge of the constants, as in `baseline_predictions`.
        min_rows: A group with fewer labels has the constant of all, as one that is unknown has.

    Returns:
        One answer for each of `groups`.

    Raises:
        InsufficientData: If there is no training label.

    Example:
        >>> learned = pd.Series(["Bonn", "Bonn", "Rome", "Rome"])
        >>> asked = pd.Series(["Rome", "Oslo"])
        >>> baseline_by_group("regression", [1.0, 3.0, 7.0, 9.0], learned, asked)
        array([8., 5.])
    """
    labels = pd.Series(np.asarray(y_train, dtype=np.float64))
    (shared,) = baseline_predictions(kind, labels, 1, metric=metric)
    own = {
        group: float(baseline_predictions(kind, mine, 1, metric=metric)[0])
        for group, mine in labels.groupby(groups_train.to_numpy())
        if len(mine) >= min_rows
    }
    return np.array([own.get(group, shared) for group in groups], dtype=np.float64)


def _binary(labels: Array) -> list[float]:
    return [float(labels.mean()), 0.0, 1.0]


def _regression(labels: Array) -> list[float]:
    """The median, the mean, and the median by relative distance (weights 1 / label)."""
    constants = [float(np.median(labels)), float(labels.mean())]
    positive = np.sort(labels[labels > 0])
    if len(positive):
        covered = np.cumsum(1 / positive)
        constants.append(float(positive[np.searchsorted(covered, covered[-1] / 2)]))
    return constants


CONSTANTS: Mapping[Kind, Callable[[Array], list[float]]] = {
    "binary": _binary,
    "regression": _regression,
}


def _strongest(constants: list[float], labels: Array, metric: str | None) -> float:
    """The constant with the best metric on `labels`; the first of equals."""
    if metric is None:
        return constants[0]
    sign = 1 if metric_named(metric).higher_is_better else -1

    def gain(constant: float) -> float:
        value = measure([metric], labels, np.full(len(labels), constant))[metric]
        return -np.inf if np.isnan(value) else sign * value

    return max(constants, key=gain)
