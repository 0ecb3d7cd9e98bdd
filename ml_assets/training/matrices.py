"""Rows as matrices, in memory or, when they do not fit, as batches on disk.

Features are encoded once and the matrices reused by every estimator and every epoch. In memory
there is one batch; on disk there are as many as it takes, and one at a time is loaded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer

from ml_assets.features.view import LABEL, WEIGHT
from ml_assets.training.estimators import Matrix, Values


class Batch(NamedTuple):
    """Some rows, ready to be fitted."""

    X: Matrix
    y: Values
    weight: Values


class Batches(Protocol):
    """Rows as batches, in an order that does not change."""

    def __len__(self) -> int:
        """How many batches there are."""

    def load(self, place: int) -> Batch:
        """The batch at `place`."""


@dataclass(frozen=True)
class InMemory:
    """All rows as one batch."""

    batch: Batch

    def __len__(self) -> int:
        return 1

    def load(self, place: int) -> Batch:  # noqa: ARG002 - there is only one
        """The batch."""
        return self.batch


@dataclass(frozen=True)
class OnDisk:
    """Batches in files, loaded one at a time."""

    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def load(self, place: int) -> Batch:
        """Read one file."""
        with np.load(self.files[place]) as parts:
            y, weight = parts["y"], parts["weight"]
            if "dense" in parts:
                return Batch(parts["dense"], y, weight)
            csr = (parts["data"], parts["indices"], parts["indptr"])
            return Batch(sp.csr_matrix(csr, shape=tuple(parts["shape"])), y, weight)


def each(batches: Batches) -> Iterator[Batch]:
    """All batches, one after the other."""
    return (batches.load(place) for place in range(len(batches)))


def encoded(
    encoder: ColumnTransformer,
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    fit: bool = False,
) -> Batch:
    """Rows of a training frame as numbers.

    Args:
        encoder: Turns features into numbers.
        rows: With label and weight.
        columns: The features.
        fit: The encoder learns from these rows.
    """
    features = rows[list(columns)]
    X = encoder.fit_transform(features) if fit else encoder.transform(features)
    y, weight = (rows[name].to_numpy(np.float64) for name in (LABEL, WEIGHT))
    return Batch(X.tocsr() if sp.issparse(X) else np.asarray(X, np.float64), y, weight)


def spooled(
    encoder: ColumnTransformer,
    frames: Iterable[pd.DataFrame],
    columns: Sequence[str],
    folder: Path,
) -> OnDisk:
    """Encode frames one at a time into files of `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for place, frame in enumerate(frames):
        batch = encoded(encoder, frame, columns)
        path = folder / f"{place:06d}.npz"
        _save(path, batch)
        files.append(path)
    return OnDisk(tuple(files))


def fitted_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that count; those with the weight 0 were left out to balance the classes."""
    return frame if (frame[WEIGHT] > 0).all() else frame[frame[WEIGHT] > 0]


def labels(batches: Batches) -> Values:
    """All labels."""
    return np.concatenate([batch.y for batch in each(batches)])


def _save(path: Path, batch: Batch) -> None:
    if sp.issparse(batch.X):
        X = batch.X
        parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    else:
        parts = {"dense": batch.X}
    np.savez(path, y=batch.y, weight=batch.weight, **parts)
