"""The rows of a training set as matrices, whether or not they fit into memory."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
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

CALIBRATING = "calibrating rows"
"""Key of the hash that draws them, which is not that of the split; 16 characters."""

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
        calibrating: bool = False,
    ) -> Batches:
        """Encode the rows of some splits, without those that calibrate intervals.

        On disk, the encoder learns from a sample, as many rows as make a batch.

        Args:
            encoder: Turns features into numbers.
            splits: Which rows.
            name: Of the folder, on disk.
            learn: The encoder learns from these rows.
            counted: Leave out rows with the weight 0.
            calibrating: The rows that calibrate intervals, and no others.
        """
        by = self._grouped_by
        if not self.on_disk:
            rows = _selected(self.frame, self.frame[SPLIT].isin(list(splits)))
            rows = fitting_part(self.problem, rows, calibrating=calibrating)
            rows = fitted_rows(rows) if counted else rows
            return InMemory(encoded(encoder, rows, self.columns, fit=learn, by=by))
        if learn:
            encoder.fit(self._sample(splits)[self.columns])
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        frames = self._batches(splits, counted=counted, calibrating=calibrating)
        return spooled(encoder, frames, self.columns, folder, by=by)

    def count(self, splits: Sequence[SplitName]) -> int:
        """How many rows some splits have."""
        return count_rows(
            self.problem, self.home, self.training_set, splits=splits, since=self.since
        )

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All train and validation rows, in memory, by event time."""
        return training_frame(
            self.problem,
            self.home,
            self.training_set,
            splits=FITTED,
            columns=self.columns,
            since=self.since,
        )

    @property
    def columns(self) -> list[str]:
        """Features that a model reads."""
        return list(self.problem.config.training.encoders)

    @property
    def _grouped_by(self) -> str | None:
        interval = self.problem.config.training.interval
        return None if interval is None else interval.by

    def _batches(
        self, splits: Sequence[SplitName], *, counted: bool, calibrating: bool = False
    ) -> Iterator[pd.DataFrame]:
        frames = training_batches(
            self.problem,
            self.home,
            self.training_set,
            splits=splits,
            columns=self.columns,
            since=self.since,
            rows=self.problem.config.training.batch_rows,
        )
        parts = (fitting_part(self.problem, frame, calibrating=calibrating) for frame in frames)
        return (fitted_rows(part) for part in parts) if counted else parts

    def _sample(self, splits: Sequence[SplitName]) -> pd.DataFrame:
        """About as many rows as make a batch, drawn by the hash of their ids."""
        frame = pd.concat(
            training_batches(
                self.problem,
                self.home,
                self.training_set,
                splits=splits,
                columns=self.columns,
                since=self.since,
                share=self.problem.config.training.batch_rows / max(self.count(splits), 1),
            )
        )
        return fitted_rows(fitting_part(self.problem, frame, calibrating=False))


def fitting_part(
    problem: Problem, rows: pd.DataFrame, *, calibrating: bool = False
) -> pd.DataFrame:
    """Validation rows that calibrate intervals, drawn by their ids; or all the others."""
    interval = problem.config.training.interval
    if interval is None:
        return rows
    ids = rows[problem.entity_id].astype(str).to_numpy(dtype=object)
    place = pd.util.hash_array(ids, hash_key=CALIBRATING) / 2.0**64
    drawn = (rows[SPLIT] == "validation").to_numpy() & (place < interval.share)
    return rows[drawn if calibrating else ~drawn]


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
    training = problem.config.training
    if unknown := [name for name in training.encoders if name not in names]:
        raise TrainingError(
            f"training.encoders names {', '.join(unknown)}, which is no feature of "
            f"{problem.name}. It has: {', '.join(names)}."
        )
    by = problem.config.baseline.by
    if by is not None and by not in names:
        raise TrainingError(
            f"baseline.by is {by}, which is no feature of {problem.name}. It has: "
            f"{', '.join(names)}."
        )
    texts = [name for name in training.encoders if not _is_number(table.schema.field(name))]
    for place, by in _grouping(problem):
        if by not in texts:
            raise TrainingError(
                f"{place} is {by}, which is no feature of text that the model reads. There are: "
                f"{', '.join(texts) or 'none'}."
            )


def _is_number(field: pa.Field) -> bool:
    return bool(pa.types.is_floating(field.type))


def _grouping(problem: Problem) -> Iterator[tuple[str, str]]:
    """Every feature by which a model is asked to treat rows apart, with its place in the file."""
    training = problem.config.training
    if training.interval is not None and training.interval.by is not None:
        yield "training.interval.by", training.interval.by
    for name, estimator in training.estimators.items():
        if estimator.local is not None:
            yield f"training.estimators.{name}.local.by", estimator.local.by
