"""Fitting models: from a training set to the winner among several algorithms.

`encoders` turn features into numbers, `text` does so for text, `estimators` are the algorithms,
`epochs` fits those that learn batch by batch and keeps checkpoints, `training` runs them all.
Test rows are never touched here, and metrics are given as a function: how they are computed, and
what is done with a model, is for the rooms below.
"""

from ml_assets.training.epochs import EpochMetric
from ml_assets.training.outcome import Competitor, Decide, Fitted, Measure, Parent, Trained
from ml_assets.training.training import (
    environment,
    train,
    training_code_hash,
    training_fingerprint,
)

__all__ = [
    "Competitor",
    "Decide",
    "EpochMetric",
    "Fitted",
    "Measure",
    "Parent",
    "Trained",
    "environment",
    "train",
    "training_code_hash",
    "training_fingerprint",
]
