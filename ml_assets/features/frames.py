"""Reading a training set back: its rows beside the features that were pinned for it.

Features are streamed in the order of the lake, and only from partitions that have a wanted row; the
rows of the training set are narrow and kept in a `workspace`. So a batch is all that is in memory.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ml_assets.errors import TrainingError
from ml_assets.features.selection import count
from ml_assets.features.split import SPLITS, SplitName, place_of
from ml_assets.features.training_set import TrainingSet, training_set_table
from ml_assets.features.view import LABEL, PARTITION, SPLIT, WEIGHT, feature_names
from ml_assets.features.workspace import quoted, workspace
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 50_000


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
    frames = training_batches(
        problem, home, training_set, splits=splits, columns=columns, since=since
    )
    order = [problem.event_time, problem.entity_id]
    whole = pd.concat(list(frames), ignore_index=True)
    return whole.sort_values(order, kind="stable", ignore_index=True)


def training_batches(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    columns: Sequence[str] | None = None,
    since: TrainingSet | None = None,
    share: float = 1.0,
    rows: int = BATCH_ROWS,
) -> Iterator[pd.DataFrame]:
    """As `training_frame`, at most `rows` rows at a time, partition by partition.

    At least one batch comes, without rows if there are none. With a `share` below 1, only so many
    of the rows are read: those that the hash of their id puts first, so always the same.
    """
    with workspace() as connection:
        expected = _choose(
            connection, problem, home, training_set, splits=splits, since=since, share=share
        )
        found = 0
        joined = _joined(connection, problem, home, training_set, columns=columns, rows=rows)
        for batch in _of_size(joined, rows):
            found += len(batch)
            yield batch
    if found != expected:
        raise TrainingError(
            f"Training set {training_set.id[:12]} has {expected:,} rows here, and the lake gives "
            f"{found:,}. Build it again; if it happens again, the lake was changed by hand."
        )


def count_rows(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    since: TrainingSet | None = None,
) -> int:
    """How many rows `training_frame` would give."""
    with workspace() as connection:
        return _choose(connection, problem, home, training_set, splits=splits, since=since)


def _choose(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName],
    since: TrainingSet | None,
    share: float = 1.0,
) -> int:
    """Put the rows that are wanted into the table `chosen`; returns how many there are."""
    table, entity = training_set_table(problem), quoted(problem.entity_id)
    connection.register("listed", home.lake.batches(table, version=training_set.version))
    wanted = ", ".join(f"'{name}'" for name in splits)
    connection.execute(f"create table chosen as from listed where {SPLIT} in ({wanted})")
    if count(connection, "chosen") != sum(training_set.rows.get(name, 0) for name in splits):
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
    if share < 1:
        connection.execute(f"delete from chosen where {place_of(entity)} >= {share}")
    return count(connection, "chosen")


def _joined(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    columns: Sequence[str] | None,
    rows: int,
) -> Iterator[pd.DataFrame]:
    """The rows of the table `chosen` beside their features, as the lake has them."""
    table, version = f"{problem.name}/features", training_set.features_version
    keys = [problem.entity_id, problem.event_time, PARTITION]
    found = connection.sql("select distinct features_partition from chosen order by 1")
    needed = [name for (name,) in found.fetchall()]
    every = home.lake.batches(table, partitions=needed, version=version).schema.names
    wanted = list(columns) if columns is not None else feature_names(problem, every)
    reader = home.lake.batches(
        table, columns=[*keys, *wanted], partitions=needed, version=version, rows=rows
    )
    order = [*keys[:2], *wanted, LABEL, SPLIT, WEIGHT, PARTITION]
    here: list[str] = []
    listed = _listed(connection, keys, here)
    yield reader.schema.empty_table().to_pandas().merge(listed, on=keys)[order]
    for batch in reader:
        partitions = batch.column(PARTITION).unique().to_pylist()
        if partitions != here:
            here = partitions
            listed = _listed(connection, keys, here)
        yield batch.to_pandas().merge(listed, on=keys)[order]


def _listed(
    connection: "duckdb.DuckDBPyConnection", keys: Sequence[str], partitions: list[str]
) -> pd.DataFrame:
    """Which rows of some partitions are wanted, with label, split and weight."""
    entity, moment = (quoted(name) for name in keys[:2])
    query = f"""select {entity}, {moment}, features_partition as {PARTITION},
        {LABEL}, {SPLIT}, {WEIGHT} from chosen where list_contains(?, features_partition)"""
    return connection.sql(query, params=[partitions]).to_arrow_table().to_pandas()


def _of_size(frames: Iterator[pd.DataFrame], rows: int) -> Iterator[pd.DataFrame]:
    """The same rows in frames of `rows` each, and one with what remains."""
    waiting = next(frames)
    for frame in frames:
        waiting = pd.concat([waiting, frame], ignore_index=True) if len(waiting) else frame
        while len(waiting) > rows:
            yield waiting.iloc[:rows]
            waiting = waiting.iloc[rows:].reset_index(drop=True)
    yield waiting
