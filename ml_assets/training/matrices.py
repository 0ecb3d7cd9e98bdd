"""Rows as matrices, in memory or, when they do not fit, as batches on disk.

Features are encoded once and the matrices reused by every estimator and every epoch. In memory
there is one batch; on disk there are as many as it takes, and one at a time is loaded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer

from ml_assets.features.view import LABEL, WEIGHT
from ml_assets.training.estimators import Matrix, Values

PIECES = 16
"""Into how many pieces a file on disk is cut."""


class Batch(NamedTuple):
    """Some rows, ready to be fitted."""

    X: Matrix
    y: Values
    weight: Values
    groups: npt.NDArray[np.str_] | None = None
    """Of intervals, where they have any; "" where it is missing."""


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
    """Batches in files, loaded one at a time.

    Rows were written as they came, so by time. Each file is cut into pieces, and a batch is made
    of one piece of each of several files far apart, so that it is a sample of all times.
    """

    folder: Path
    files: int

    def __len__(self) -> int:
        return self.files

    def load(self, place: int) -> Batch:
        """Put one batch together."""
        apart = max(self.files // PIECES, 1)
        parts = [
            read_batch(_piece(self.folder, (place + number * apart) % self.files, number))
            for number in range(PIECES)
        ]
        X, y, weight, groups = zip(*parts, strict=True)
        whole = sp.vstack(X, format="csr") if sp.issparse(X[0]) else np.vstack(X)
        named = None if groups[0] is None else np.concatenate(groups)
        return Batch(whole, np.concatenate(y), np.concatenate(weight), named)


def each(batches: Batches) -> Iterator[Batch]:
    """All batches, one after the other."""
    return (batches.load(place) for place in range(len(batches)))


def encoded(
    encoder: ColumnTransformer,
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    fit: bool = False,
    by: str | None = None,
) -> Batch:
    """Rows of a training frame as numbers.

    Args:
        encoder: Turns features into numbers.
        rows: With label and weight.
        columns: The features.
        fit: The encoder learns from these rows.
        by: The feature that groups them for intervals.
    """
    features = rows[list(columns)]
    X = encoder.fit_transform(features) if fit else encoder.transform(features)
    y, weight = (rows[name].to_numpy(np.float64) for name in (LABEL, WEIGHT))
    groups = None if by is None else rows[by].fillna("").to_numpy(dtype=np.str_)
    return Batch(X.tocsr() if sp.issparse(X) else np.asarray(X, np.float64), y, weight, groups)


def spooled(
    encoder: ColumnTransformer,
    frames: Iterable[pd.DataFrame],
    columns: Sequence[str],
    folder: Path,
    *,
    by: str | None = None,
) -> OnDisk:
    """Encode frames one at a time into files of `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    files = 0
    for frame in frames:
        if not len(frame):
            continue
        batch = encoded(encoder, frame, columns, by=by)
        for number in range(PIECES):
            rows = slice(number, None, PIECES)
            groups = None if batch.groups is None else batch.groups[rows]
            piece = Batch(batch.X[rows], batch.y[rows], batch.weight[rows], groups)
            write_batch(_piece(folder, files, number), piece)
        files += 1
    return OnDisk(folder, files)


def fitted_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that count; those with the weight 0 were left out to balance the classes."""
    return frame if (frame[WEIGHT] > 0).all() else frame[frame[WEIGHT] > 0]


def labels(batches: Batches) -> Values:
    """All labels."""
    return np.concatenate([batch.y for batch in each(batches)])


def groups_of(batches: Batches) -> list[str] | None:
    """The groups of all rows, if there are any."""
    found = [batch.groups for batch in each(batches) if batch.groups is not None]
    return np.concatenate(found).tolist() if found else None


def _piece(folder: Path, file: int, number: int) -> Path:
    return folder / f"{file:06d}_{number:02d}.npz"


def write_batch(path: Path, batch: Batch) -> None:
    """Keep a batch in a file."""
    if sp.issparse(batch.X):
        X = batch.X
        parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    else:
        parts = {"dense": batch.X}
    if batch.groups is not None:
        parts["groups"] = batch.groups
    np.savez(path, y=batch.y, weight=batch.weight, **parts)


def read_batch(path: Path) -> Batch:
    """Read a batch that was kept."""
    with np.load(path) as parts:
        about = parts["y"], parts["weight"], parts.get("groups")
        if "dense" in parts:
            return Batch(parts["dense"], *about)
        csr = (parts["data"], parts["indices"], parts["indptr"])
        return Batch(sp.csr_matrix(csr, shape=tuple(parts["shape"])), *about)
