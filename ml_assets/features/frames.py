"""Reading a training set back: its rows beside the features that were pinned for it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ml_assets.errors import TrainingError
from ml_assets.features.split import SPLITS, SplitName
from ml_assets.features.training_set import TrainingSet, training_set_table
from ml_assets.features.view import LABEL, PARTITION, SPLIT, WEIGHT, feature_names
from ml_assets.features.workspace import quoted, workspace
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    import duckdb


def training_frame(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read rows of a training set with the features of the version that was pinned.

    Args:
        problem: Whose.
        home: Where.
        training_set: Which rows.
        splits: Parts to read.
        columns: Features to read; all by default.

    Returns:
        One row per labelled row, by event time, then id; columns: entity id, event time, the
        features, `label`, `split`, `weight`, `partition`.

    Raises:
        TrainingError: If the lake no longer has every row.
    """
    with workspace() as connection:
        joined = _joined(
            connection, problem, home, training_set, splits=splits, columns=columns
        )
        order = f"{quoted(problem.event_time)}, {quoted(problem.entity_id)}"
        rows = connection.sql(f"select * from ({joined}) order by {order}").to_arrow_table()
    expected = sum(training_set.rows.get(name, 0) for name in splits)
    if rows.num_rows != expected:
        raise TrainingError(
            f"Training set {training_set.id[:12]} has {expected:,} rows, and the lake gives "
            f"{rows.num_rows:,}. Build it again; if it happens again, the lake was changed by hand."
        )
    return rows.to_pandas()


def training_batches(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    columns: Sequence[str] | None = None,
    rows: int | None = None,
    memory_mb: int = 512,
) -> Iterator[pd.DataFrame]:
    """As `training_frame`, a batch at a time, in an order that chance would give.

    The order is that of a hash of the ids, so that each batch is a sample of the whole; it is the
    same every time. What does not fit in `memory_mb` is sorted on disk.
    """
    size = rows or problem.config.training.batch_rows
    with workspace(memory_mb) as connection:
        joined = _joined(
            connection, problem, home, training_set, splits=splits, columns=columns
        )
        entity = quoted(problem.entity_id)
        shuffled = f"select * from ({joined}) order by md5({entity}), {entity}"
        for batch in connection.sql(shuffled).to_arrow_reader(size):
            yield batch.to_pandas()


def _joined(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName],
    columns: Sequence[str] | None,
) -> str:
    """SQL for the rows of a training set beside their features."""
    table = f"{problem.name}/features"
    keys = [problem.entity_id, problem.event_time]
    partitions = list(training_set.snapshot)
    version = training_set.features_version
    every = home.lake.batches(table, partitions=partitions, version=version).schema.names
    wanted = list(columns) if columns is not None else feature_names(problem, every)
    features = home.lake.batches(
        table, columns=[*keys, PARTITION, *wanted], partitions=partitions, version=version
    )
    rows = home.lake.batches(training_set_table(problem), version=training_set.version)
    connection.register("chosen_rows", rows)
    connection.execute("create table chosen as select * from chosen_rows")
    connection.register("features", features)

    names = ", ".join(f"features.{quoted(name)}" for name in [*keys, *wanted])
    same = " and ".join(f"features.{quoted(key)} = chosen.{quoted(key)}" for key in keys)
    kept = ", ".join(f"'{name}'" for name in splits)
    return (
        f"select {names}, chosen.{LABEL}, chosen.{SPLIT}, chosen.{WEIGHT}, features.{PARTITION} "
        f"from features join chosen on {same} and features.{PARTITION} = features_partition "
        f"where {SPLIT} in ({kept})"
    )
