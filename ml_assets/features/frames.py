"""Reading a training set back: its rows beside the features that were pinned for it.

Features are streamed in the order of the lake, and only from partitions that have a wanted row; the
rows of the training set are narrow and kept in a `workspace`. So a batch is all that is in memory.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import TrainingError
from ml_assets.features.feedback import FEEDBACK, feedback_table
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
GROUP = "group_id"
GATHERED = 4
"""Rows of small partitions are joined when they are such a part of a batch; more takes memory."""


def training_frame(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    splits: Sequence[SplitName] = SPLITS,
    columns: Sequence[str] | None = None,
    since: TrainingSet | None = None,
    share: float = 1.0,
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
        share: Of them, those that the hash of their id puts first, so always the same.

    Returns:
        One row per labelled row, by event time, then id; columns: entity id, event time, the
        features, `label`, `split`, `weight`, `partition`.

    Raises:
        TrainingError: If the lake no longer has every row.
    """
    frames = training_batches(
        problem, home, training_set, splits=splits, columns=columns, since=since, share=share
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

    At least one batch comes, without rows if there are none.
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


def groups_of(problem: Problem, home: Home, training_set: TrainingSet) -> pd.Series:
    """What the rows of an entity must not be torn from: its group, or itself without duplicates.

    Returns:
        Group by entity id.
    """
    has_groups = problem.config.duplicates is not None
    columns = [problem.entity_id, *([GROUP] if has_groups else [])]
    table = home.lake.read(
        training_set_table(problem), version=training_set.version, columns=columns
    )
    found = table.to_pandas().drop_duplicates(problem.entity_id)
    return found.set_index(problem.entity_id, drop=False)[columns[-1]]


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
        # Not the place that decides the split, or a split by entity would have none of its rows.
        place = place_of(f"concat({entity}, ':share')")
        connection.execute(f"delete from chosen where {place} >= {share}")
    return count(connection, "chosen")


class _Source(NamedTuple):
    """One of the tables with features, and what is wanted of it."""

    table: str
    version: int | None
    prefix: str
    """Of its partitions in the training set."""
    keys: list[str]
    """What tells its rows apart."""
    partitions: list[str]


def _sources(
    connection: "duckdb.DuckDBPyConnection", problem: Problem, training_set: TrainingSet
) -> list[_Source]:
    """The tables that rows of the table `chosen` have their features in."""
    found = connection.sql("select distinct features_partition from chosen order by 1")
    needed = [name for (name,) in found.fetchall()]
    said = [name.removeprefix(FEEDBACK) for name in needed if name.startswith(FEEDBACK)]
    told = [name for name in needed if not name.startswith(FEEDBACK)]
    own = _Source(
        table=f"{problem.name}/features",
        version=training_set.features_version,
        prefix="",
        keys=[problem.entity_id, problem.event_time],
        partitions=told,
    )
    # Of one entity, several answers may have been given.
    by_answer = _Source(
        table=feedback_table(problem),
        version=training_set.feedback_version,
        prefix=FEEDBACK,
        keys=[problem.entity_id, problem.event_time, "prediction_id"],
        partitions=said,
    )
    return [own, by_answer] if said else [own]


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
    keys = [problem.entity_id, problem.event_time]
    pinned = training_set.some_features
    every = home.lake.batches(
        pinned.table, partitions=[pinned.partition], version=pinned.version
    ).schema.names
    wanted = list(columns) if columns is not None else feature_names(problem, every)
    order = [*keys, *wanted, LABEL, SPLIT, WEIGHT, PARTITION]
    for source in _sources(connection, problem, training_set):
        reader = home.lake.batches(
            source.table,
            columns=[*source.keys, PARTITION, *wanted],
            partitions=source.partitions,
            version=source.version,
            rows=rows,
        )
        on = [*source.keys, PARTITION]
        nothing = _listed(connection, source, [])
        yield reader.schema.empty_table().to_pandas().merge(nothing, on=on)[order]
        for table in _gathered(reader, max(rows // GATHERED, 1)):
            listed = _listed(connection, source, table[PARTITION].unique().to_pylist())
            joined = _wanted(table, listed, on[0]).to_pandas().merge(listed, on=on)[order]
            if source.prefix:
                joined[PARTITION] = source.prefix + joined[PARTITION]
            yield joined


def _wanted(table: pa.Table, listed: pd.DataFrame, entity: str) -> pa.Table:
    """The rows of some entities, where most are not wanted: texts cost more than looking."""
    if len(listed) > len(table) / 2:
        return table
    return table.filter(pc.is_in(table[entity], pa.array(listed[entity], table[entity].type)))


def _gathered(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """The batches of small partitions together, since each join costs as much as many rows."""
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        if waiting and sum(map(len, waiting)) + len(batch) > rows:
            yield pa.Table.from_batches(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _listed(
    connection: "duckdb.DuckDBPyConnection", source: _Source, partitions: list[str]
) -> pd.DataFrame:
    """Which rows of some partitions are wanted, with label, split and weight."""
    keys = ", ".join(quoted(key) for key in source.keys)
    query = f"""select {keys}, substr(features_partition, {len(source.prefix) + 1}) as {PARTITION},
        {LABEL}, {SPLIT}, {WEIGHT} from chosen where list_contains(?, features_partition)"""
    names = [f"{source.prefix}{name}" for name in partitions]
    return connection.sql(query, params=[names]).to_arrow_table().to_pandas()


def _of_size(frames: Iterator[pd.DataFrame], rows: int) -> Iterator[pd.DataFrame]:
    """The same rows in frames of `rows` each, and one with what remains."""
    waiting = next(frames)
    for frame in frames:
        waiting = pd.concat([waiting, frame], ignore_index=True) if len(waiting) else frame
        while len(waiting) > rows:
            yield waiting.iloc[:rows]
            waiting = waiting.iloc[rows:].reset_index(drop=True)
    yield waiting
