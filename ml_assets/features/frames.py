"""Reading a training set back: its rows beside the features that were pinned for it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ml_assets.errors import TrainingError
from ml_assets.features.selection import count
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
    since: TrainingSet | None = None,
) -> pd.DataFrame:
    """Read rows of a training set with the features of the version that was pinned.

    Args:
        problem: Whose.
        home: Where.
        training_set: Which rows.
        splits: Parts to read.
        columns: Features to read; all by default.
        since: Only rows that were not among the train or validation rows of this earlier
            training set; partitions without any are not read.

    Returns:
        One row per labelled row, by event time, then id; columns: entity id, event time, the
        features, `label`, `split`, `weight`, `partition`.

    Raises:
        TrainingError: If the lake no longer has every row.
    """
    with workspace() as connection:
        rows = _choose_rows(connection, problem, home, training_set, splits=splits, since=since)
        joined = _joined(connection, problem, home, training_set, columns=columns)
        order = f"{quoted(problem.event_time)}, {quoted(problem.entity_id)}"
        found = connection.sql(f"select * from ({joined}) order by {order}").to_arrow_table()
    if found.num_rows != rows:
        raise TrainingError(
            f"Training set {training_set.id[:12]} has {rows:,} rows, and the lake gives "
            f"{found.num_rows:,}. Build it again; if it happens again, the lake was changed by hand."
        )
    return found.to_pandas()


def training_batches(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    columns: Sequence[str] | None = None,
    since: TrainingSet | None = None,
    rows: int | None = None,
    memory_mb: int = 512,
) -> Iterator[pd.DataFrame]:
    """As `training_frame`, a batch at a time, in an order that chance would give.

    The order is that of a hash of the ids, so that each batch is a sample of the whole; it is the
    same every time. What does not fit in `memory_mb` is sorted on disk.
    """
    size = rows or problem.config.training.batch_rows
    with workspace(memory_mb) as connection:
        _choose_rows(connection, problem, home, training_set, splits=splits, since=since)
        joined = _joined(connection, problem, home, training_set, columns=columns)
        entity = quoted(problem.entity_id)
        shuffled = f"select * from ({joined}) order by md5({entity}), {entity}"
        for batch in connection.sql(shuffled).to_arrow_reader(size):
            yield batch.to_pandas()


def _choose_rows(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName],
    since: TrainingSet | None,
) -> int:
    """Put the rows that are wanted into the table `chosen`; returns how many there are."""
    table, entity = training_set_table(problem), quoted(problem.entity_id)
    connection.register("listed", home.lake.batches(table, version=training_set.version))
    wanted = ", ".join(f"'{name}'" for name in splits)
    connection.execute(f"create table chosen as from listed where {SPLIT} in ({wanted})")
    rows = count(connection, "chosen")
    if since is None and rows != sum(training_set.rows.get(name, 0) for name in splits):
        raise TrainingError(
            f"Training set {training_set.id[:12]} is recorded with other rows than version "
            f"{training_set.version} of {table} has. Build it again."
        )
    if since is not None:
        connection.register("earlier", home.lake.batches(table, version=since.version))
        connection.execute(
            f"delete from chosen where {entity} in "
            f"(select {entity} from earlier where {SPLIT} <> 'test')"
        )
    return count(connection, "chosen")


def _joined(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    columns: Sequence[str] | None,
) -> str:
    """SQL for the rows of the table `chosen` beside their features."""
    table, version = f"{problem.name}/features", training_set.features_version
    keys = [problem.entity_id, problem.event_time]
    needed = connection.sql("select distinct features_partition from chosen order by 1")
    partitions = [name for (name,) in needed.fetchall()]
    every = home.lake.batches(table, partitions=partitions, version=version).schema.names
    wanted = list(columns) if columns is not None else feature_names(problem, every)
    features = home.lake.batches(
        table, columns=[*keys, PARTITION, *wanted], partitions=partitions, version=version
    )
    connection.register("features", features)
    names = ", ".join(f"features.{quoted(name)}" for name in [*keys, *wanted])
    same = " and ".join(f"features.{quoted(key)} = chosen.{quoted(key)}" for key in keys)
    return (
        f"select {names}, chosen.{LABEL}, chosen.{SPLIT}, chosen.{WEIGHT}, features.{PARTITION} "
        f"from features join chosen on {same} and features.{PARTITION} = features_partition"
    )
