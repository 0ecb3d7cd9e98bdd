"""From a model's score to what it answers: a probability, or a value.

A link is the same function twice, for one float and for an array of them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

LARGEST_EXPONENT = 709.0
"""Beyond it e to the power of x is no float; numpy says inf, math would raise."""


class Link(NamedTuple):
    """The same function for one score and for many."""

    one: Callable[[float], float]
    many: Callable[[np.ndarray], np.ndarray]


def _logistic(score: float) -> float:
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    power = math.exp(score)
    return power / (1.0 + power)


def _exponential(score: float) -> float:
    return math.inf if score > LARGEST_EXPONENT else math.exp(score)


def _exponentials(scores: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.exp(scores)


def _clipped(score: float) -> float:
    return (min(max(score, -1.0), 1.0) + 1.0) / 2.0 if score == score else score  # noqa: PLR0124 - NaN


IDENTITY = Link(float, lambda scores: scores)
LOGISTIC = Link(_logistic, expit)
EXPONENTIAL = Link(_exponential, _exponentials)
CLIPPED = Link(_clipped, lambda scores: (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0)
"""Of the modified Huber loss."""
