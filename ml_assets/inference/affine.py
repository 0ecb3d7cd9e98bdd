"""Steps that are a matrix and a shift, folded into the weights of what follows.

If z = x A + b and a score is z · w, the score is x · (A w) + b · w: a step after an encoder costs
nothing once its matrix is folded into the weights.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ml_assets.training.encoders import Topics


class Affine(NamedTuple):
    """x becomes x A + b; A is a vector where every feature is only stretched."""

    matrix: np.ndarray
    shift: np.ndarray

    def fold(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weights before this step, and what the step adds to the score."""
        before = self.matrix * weights if self.matrix.ndim == 1 else self.matrix @ weights
        return before, float(self.shift @ weights)

    def apply(self, values: np.ndarray, places: list[int] | None = None) -> np.ndarray:
        """Do what the step does to the features of one row.

        Args:
            values: The features before the step.
            places: Where `values` are; all other features are 0. Everywhere by default.

        Returns:
            The features after the step.
        """
        if self.matrix.ndim == 1:
            stretched = np.zeros_like(self.shift)
            stretched[slice(None) if places is None else places] = values
            return stretched * self.matrix + self.shift
        matrix = self.matrix if places is None else self.matrix[places]
        return values @ matrix + self.shift


class Scaling(NamedTuple):
    """x becomes (x - center) * slope + offset, feature by feature."""

    center: np.ndarray
    slope: np.ndarray
    offset: np.ndarray


def is_identity(step: Any) -> bool:
    """Whether a step hands on what it gets."""
    return step == "passthrough" or (
        isinstance(step, FunctionTransformer) and step.func is None
    )


def scaling_of(step: Any, width: int) -> Scaling | None:
    """Return what a fitted scaler does, or None where `step` is none that is known."""
    zeros, ones = np.zeros(width), np.ones(width)
    match step:
        case StandardScaler():
            center = step.mean_ if step.with_mean else zeros
            return Scaling(center, 1.0 / step.scale_ if step.with_std else ones, zeros)
        case MinMaxScaler(clip=False):
            return Scaling(zeros, step.scale_, step.min_)
        case MaxAbsScaler(clip=False):
            return Scaling(zeros, 1.0 / step.scale_, zeros)
        case RobustScaler():
            center = step.center_ if step.with_centering else zeros
            return Scaling(center, 1.0 / step.scale_ if step.with_scaling else ones, zeros)
    return Scaling(zeros, ones, zeros) if is_identity(step) else None


def affine_of(step: Any, width: int) -> Affine | None:
    """Return a fitted step as a matrix and a shift, or None where it is no such step."""
    match step:
        case Topics():
            return affine_of(step.svd_, width)
        case TruncatedSVD():
            return Affine(step.components_.T, np.zeros(len(step.components_)))
        case PCA(whiten=False):
            return Affine(step.components_.T, -(step.mean_ @ step.components_.T))
    scaling = scaling_of(step, width)
    if scaling is None:
        return None
    return Affine(scaling.slope, scaling.offset - scaling.center * scaling.slope)
