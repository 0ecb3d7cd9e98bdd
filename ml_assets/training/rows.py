"""The rows of a training set as matrices, whether or not they fit into memory."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer

from ml_assets.errors import TrainingError
from ml_assets.features import (
    SplitName,
    TrainingSet,
    count_rows,
    training_batches,
    training_frame,
)
from ml_assets.features.view import SPLIT, feature_names
from ml_assets.problem import Problem
from ml_assets.storage import Home
from ml_assets.training.matrices import Batches, InMemory, encoded, fitted_rows, spooled

FITTED: tuple[SplitName, ...] = ("train", "validation")
"""What a model may learn from; test rows are never read here."""

WORKING_FACTOR = 12
"""Memory that fitting takes at its peak, in bytes of the features: measured for TF-IDF of words and
pairs at 100,000 complaints of 1,100 characters (11), rounded up."""

SAMPLE_ROWS = 2_000
BYTES_PER_MB = 2**20


@dataclass(frozen=True)
class Rows:
    """What a training set gives to learn from.

    Attributes:
        problem: Whose.
        home: Where.
        training_set: Which rows.
        folder: For batches on disk; made when needed.
        on_disk: Whether the rows are too many for memory.
        since: Only rows that this earlier training set did not have.
    """

    problem: Problem
    home: Home
    training_set: TrainingSet
    folder: Path
    on_disk: bool
    since: TrainingSet | None = None

    @classmethod
    def of(
        cls,
        problem: Problem,
        home: Home,
        training_set: TrainingSet,
        *,
        folder: Path,
        since: TrainingSet | None = None,
    ) -> "Rows":
        """Look how large the training set is.

        Raises:
            TrainingError: If `training.encoders` names what is no feature.
        """
        _require_features(problem, home, training_set)
        needed_mb = estimated_mb(problem, home, training_set)
        limit_mb = problem.config.training.memory_limit_mb
        on_disk = needed_mb > limit_mb
        return cls(problem, home, training_set, folder, on_disk=on_disk, since=since)

    def matrices(
        self,
        encoder: ColumnTransformer,
        splits: Sequence[SplitName],
        *,
        name: str,
        learn: bool = False,
        counted: bool = True,
    ) -> Batches:
        """Encode the rows of some splits.

        On disk, the encoder learns from a sample, as many rows as make a batch.

        Args:
            encoder: Turns features into numbers.
            splits: Which rows.
            name: Of the folder, on disk.
            learn: The encoder learns from these rows.
            counted: Leave out rows with the weight 0.
        """
        if not self.on_disk:
            rows = _selected(self._frame, self._frame[SPLIT].isin(list(splits)))
            rows = fitted_rows(rows) if counted else rows
            return InMemory(encoded(encoder, rows, self._columns, fit=learn))
        if learn:
            encoder.fit(self._sample(splits)[self._columns])
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        frames = self._batches(splits, counted=counted)
        return spooled(encoder, frames, self._columns, folder)

    def count(self, splits: Sequence[SplitName]) -> int:
        """How many rows some splits have."""
        return count_rows(
            self.problem, self.home, self.training_set, splits=splits, since=self.since
        )

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return training_frame(
            self.problem,
            self.home,
            self.training_set,
            splits=FITTED,
            columns=self._columns,
            since=self.since,
        )

    @property
    def _columns(self) -> list[str]:
        return list(self.problem.config.training.encoders)

    def _batches(self, splits: Sequence[SplitName], *, counted: bool) -> Iterator[pd.DataFrame]:
        frames = training_batches(
            self.problem,
            self.home,
            self.training_set,
            splits=splits,
            columns=self._columns,
            since=self.since,
            rows=self.problem.config.training.batch_rows,
        )
        return (fitted_rows(frame) for frame in frames) if counted else frames

    def _sample(self, splits: Sequence[SplitName]) -> pd.DataFrame:
        """About as many rows as make a batch, drawn by the hash of their ids."""
        frame = pd.concat(
            training_batches(
                self.problem,
                self.home,
                self.training_set,
                splits=splits,
                columns=self._columns,
                since=self.since,
                share=self.problem.config.training.batch_rows / max(self.count(splits), 1),
            )
        )
        return fitted_rows(frame)


def _selected(frame: pd.DataFrame, mask: pd.Series) -> pd.DataFrame:
    """Rows of a frame; where they lie together, as in a split by time, no text is copied."""
    places = np.flatnonzero(mask.to_numpy())
    if len(places) and len(places) == places[-1] - places[0] + 1:
        return frame.iloc[places[0] : places[-1] + 1]
    return frame[mask]


def estimated_mb(problem: Problem, home: Home, training_set: TrainingSet) -> float:
    """Memory that fitting on all rows would take, from the size of some of them."""
    pinned = training_set.some_features
    sample = home.lake.batches(
        pinned.table,
        partitions=[pinned.partition],
        columns=list(problem.config.training.encoders),
        version=pinned.version,
        rows=SAMPLE_ROWS,
    ).read_next_batch()
    rows = sum(training_set.rows.get(name, 0) for name in FITTED)
    return rows * sample.nbytes / max(len(sample), 1) * WORKING_FACTOR / BYTES_PER_MB


def _require_features(problem: Problem, home: Home, training_set: TrainingSet) -> None:
    pinned = training_set.some_features
    table = home.lake.batches(
        pinned.table, partitions=[pinned.partition], version=pinned.version
    )
    names = feature_names(problem, table.schema.names)
    if unknown := [name for name in problem.config.training.encoders if name not in names]:
        raise TrainingError(
            f"training.encoders names {', '.join(unknown)}, which is no feature of "
            f"{problem.name}. It has: {', '.join(names)}."
        )
