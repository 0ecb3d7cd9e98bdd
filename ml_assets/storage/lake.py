"""The lake: every table of rows, by partition, as Delta tables.

A partition is replaced whole, in one commit that says who wrote it and from what; a reader sees
the rows of before or of after. Tables are named `<problem>/<noun>`. What a row means, and whether
it is good, is for other rooms.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake import exceptions as delta
from deltalake.transaction import AddAction

from ml_assets.errors import StorageError, TableNotFound, WriteConflict
from ml_assets.storage.columns import KEYS, as_stored, merged_schema, storable_schema
from ml_assets.storage.files import Folder, WrittenFile, partition_folder, write_rows

if TYPE_CHECKING:
    import duckdb

KEEP_FOR_EVER = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}
"""Old versions stay readable, so that a training set of years ago can be made again."""

COMMIT_ATTEMPTS = 100
LONGEST_PAUSE = 1.0
"""Seconds between two attempts, at most."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """Who writes a partition, and from what."""

    run_id: str
    code_hash: str
    """Source of the code that made the rows."""
    fingerprint: str
    """Of everything the partition was made from: decides staleness."""


class PartitionState(NamedTuple):
    """What a partition holds now, and what it was made from."""

    partition: str
    content_hash: str
    fingerprint: str
    code_hash: str
    rows: int
    bytes: int
    written_at: datetime


class TableCommit(NamedTuple):
    """One line of a table's ledger."""

    version: int
    at: datetime
    operation: str
    """`create`, `write`, `delete`, or `restart` where a column's type changed."""
    run_id: str
    code_hash: str
    fingerprint: str
    content_hash: str
    partitions: tuple[str, ...]
    rows: int


class Lake:
    """All tables under one folder or object-store URL.

    Args:
        url: A folder, or `s3://…`, `gs://…`, `az://…`.
        options: Credentials and endpoints of an object store, as `deltalake` names them.
    """

    def __init__(self, url: str, *, options: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._options = dict(options or {})
        self._folder = Folder.at(self.url, self._options)

    def tables(self) -> list[str]:
        """Names of all tables, sorted."""
        found = (
            f"{problem}/{noun}"
            for problem in self._folder.subfolders("")
            for noun in self._folder.subfolders(problem)
            if self._folder.has(f"{problem}/{noun}/_delta_log")
        )
        return sorted(found)

    def partitions(
        self, table: str, *, version: int | None = None
    ) -> dict[str, PartitionState]:
        """The live partitions by key, sorted; empty when there is no table.

        Costs what the live partitions cost to list, however long the history is.
        """
        opened = self._open(table, version)
        return {} if opened is None else _states(opened)

    def version(self, table: str) -> int | None:
        """Number of the newest commit; None when there is no table."""
        opened = self._open(table)
        return None if opened is None else opened.version()

    def write(
        self,
        table: str,
        partition: str,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        commit: Commit,
    ) -> PartitionState:
        """Replace `partition` by `rows`, in one commit.

        No rows make an empty partition, which is live as any other. New columns are added to the
        table. A column whose type changed starts the table anew with only this partition; the
        versions before it stay readable. Nothing is committed when content and `commit` say what
        is already there.

        Args:
            table: `<problem>/<noun>`; made when it is missing.
            partition: Any text without a comma.
            rows: The partition without a column for its key. A reader is streamed to disk, a
                row group in memory at a time.
            commit: Who writes, and from what.

        Raises:
            WriteConflict: If somebody else wrote the same partition meanwhile.
            StorageError: If a column cannot be kept.
        """
        _require_table_name(table)
        folder = partition_folder(partition)
        opened = self._open(table)
        live = None if opened is None else _states(opened).get(partition)
        schema = storable_schema(rows.schema, _columns(opened))
        batches = rows if isinstance(rows, pa.RecordBatchReader) else rows.to_batches()
        stored = as_stored(iter(batches), schema)
        written = write_rows(self._folder, f"{table}/{folder}", stored, schema)
        if live is not None and _says_the_same(live, written.content_hash, commit):
            self._folder.remove(written.path)
            return live
        return self._replace(table, partition, written, schema, commit=commit, live=live)

    def delete(self, table: str, partition: str, *, commit: Commit) -> None:
        """Take `partition` out of the table; older versions still have it.

        Raises:
            WriteConflict: If somebody else wrote the same partition meanwhile.
        """
        opened = self._open(table)
        live = {} if opened is None else _states(opened)
        if partition not in live:
            return
        self._replace(
            table, partition, None, pa.schema([]), commit=commit, live=live[partition]
        )

    def read(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """All rows of some partitions (default: all), partition by partition in sorted order.

        Args:
            table: `<problem>/<noun>`.
            partitions: Keys to read; all must be there.
            columns: Names to read; default all, and `partition`.
            version: As of this commit; default the newest.

        Raises:
            TableNotFound: If the table, or a partition asked for, is not there.
        """
        reader = self.batches(table, partitions=partitions, columns=columns, version=version)
        return reader.read_all()

    def batches(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        rows: int = 65_536,
    ) -> pa.RecordBatchReader:
        """As `read`, at most `rows` at a time, for tables larger than memory."""
        opened = self._existing(table, version)
        schema = pa.schema([*_columns(opened), pa.field("partition", pa.string())])
        names = list(columns) if columns is not None else schema.names
        if unknown := sorted(set(names) - set(schema.names)):
            raise TableNotFound(
                f"{table} has no column {', '.join(unknown)}. It has {', '.join(schema.names)}."
            )
        files = _live_files(table, opened, partitions)
        return self._folder.scan(table, files, schema, names, rows=rows)

    def scan(
        self, table: str, *, partitions: Sequence[str] | None = None, version: int | None = None
    ) -> str:
        """A table expression for DuckDB's `from`, as of now; local lakes only.

        Example:
            `connection.sql(f"select partition, count(*) from {lake.scan(table)} group by all")`
        """
        opened = self._existing(table, version)
        files = _live_files(table, opened, partitions)
        return self._folder.duckdb_scan(table, [path for path, _ in files], _columns(opened))

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A DuckDB in memory with a view `<problem>.<noun>` of every table, as of now."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        for table in self.tables():
            problem, noun = (f'"{part}"' for part in table.split("/"))
            connection.execute(f"create schema if not exists {problem}")
            connection.execute(
                f"create view {problem}.{noun} as select * from {self.scan(table)}"
            )
        return connection

    def history(self, table: str, *, limit: int | None = None) -> list[TableCommit]:
        """The table's ledger, newest first."""
        return [_ledger_line(entry) for entry in self._existing(table).history(limit)]

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        try:
            return DeltaTable(f"{self.url}/{table}", version, storage_options=self._options)
        except delta.TableNotFoundError:
            return None

    def _existing(self, table: str, version: int | None = None) -> DeltaTable:
        opened = self._open(table, version)
        if opened is None:
            there = ", ".join(self.tables()) or "none yet"
            raise TableNotFound(f"The lake has no table {table}. It has: {there}.")
        return opened

    def _create(self, table: str, schema: pa.Schema) -> None:
        """Make an empty table; no harm when somebody else just did."""
        url = f"{self.url}/{table}"
        if not self._options and "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            url,
            Schema.from_arrow(_with_keys(schema)),
            mode="ignore",
            partition_by=list(KEYS),
            configuration=KEEP_FOR_EVER,
            storage_options=self._options,
        )

    def _replace(
        self,
        table: str,
        partition: str,
        written: WrittenFile | None,
        schema: pa.Schema,
        *,
        commit: Commit,
        live: PartitionState | None,
    ) -> PartitionState:
        """Put `written` in the place of `live`; others may commit other partitions meanwhile."""
        for attempt in range(COMMIT_ATTEMPTS):
            opened = self._open(table)
            if opened is None:
                self._create(table, schema)
                continue
            now_live = _states(opened).get(partition)
            if now_live != live:
                break
            try:
                _commit_replacement(opened, table, partition, written, schema, commit=commit)
            except delta.CommitFailedError:
                time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.01 * 2**attempt)))  # noqa: S311
            else:
                return _state(partition, written, commit)
        if written is not None:
            self._folder.remove(written.path)
        raise WriteConflict(
            f"{table} {partition} was written by somebody else while this run wrote it, so this "
            f"run's rows were not kept. Run it again if they are still wanted."
        )


def _commit_replacement(
    opened: DeltaTable,
    table: str,
    partition: str,
    written: WrittenFile | None,
    schema: pa.Schema,
    *,
    commit: Commit,
) -> None:
    """Commit that `written`, or nothing, is now all of `partition`."""
    merged = merged_schema(_columns(opened), schema)
    operation = "delete" if written is None else "write" if merged is not None else "restart"
    note = {
        "act": operation,
        "partition": partition,
        "run_id": commit.run_id,
        "code_hash": commit.code_hash,
        "fingerprint": commit.fingerprint,
        "content_hash": "" if written is None else written.content_hash,
        "rows": 0 if written is None else written.rows,
    }
    # Two writers of one new partition remove no common file, so Delta alone would keep both.
    # An application id per partition makes the second one fail.
    claim = Transaction(f"partition={partition}", opened.version() + 1)
    opened.create_write_transaction(
        [] if written is None else [_add_action(table, partition, written, commit)],
        "overwrite",
        Schema.from_arrow(_with_keys(schema if merged is None else merged)),
        list(KEYS),
        None if operation == "restart" else [("partition", "=", partition)],
        commit_properties=CommitProperties(custom_metadata=note, app_transactions=[claim]),
    )


def _add_action(table: str, partition: str, written: WrittenFile, commit: Commit) -> AddAction:
    """How Delta writes down one new file."""
    return AddAction(
        path=written.path.removeprefix(f"{table}/"),
        size=written.bytes,
        partition_values={
            "partition": partition,
            "content_hash": written.content_hash,
            "fingerprint": commit.fingerprint,
            "code_hash": commit.code_hash,
        },
        modification_time=int(written.at.timestamp() * 1000),
        data_change=True,
        stats=f'{{"numRecords":{written.rows}}}',
    )


def _state(partition: str, written: WrittenFile | None, commit: Commit) -> PartitionState:
    at = datetime.fromtimestamp(0, UTC) if written is None else written.at
    return PartitionState(
        partition=partition,
        content_hash="" if written is None else written.content_hash,
        fingerprint=commit.fingerprint,
        code_hash=commit.code_hash,
        rows=0 if written is None else written.rows,
        bytes=0 if written is None else written.bytes,
        written_at=at,
    )


def _states(opened: DeltaTable) -> dict[str, PartitionState]:
    """State of every live partition; each has exactly one file."""
    actions = pa.table(opened.get_add_actions(flatten=True))
    names = [f"partition.{key}" for key in KEYS]
    names += ["num_records", "size_bytes", "modification_time"]
    columns = [actions[name].to_pylist() for name in names]
    states = (
        PartitionState(*row[:-1], datetime.fromtimestamp(row[-1] / 1000, UTC))
        for row in zip(*columns, strict=True)
    )
    return {state.partition: state for state in sorted(states)}


def _live_files(
    table: str, opened: DeltaTable, partitions: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Path under the table's folder, and partition, of every file to read; sorted by partition."""
    actions = pa.table(opened.get_add_actions(flatten=True))
    keys = actions["partition.partition"].to_pylist()
    paths = dict(zip(keys, _paths(actions), strict=True))
    wanted = sorted(paths if partitions is None else set(partitions))
    if missing := [key for key in wanted if key not in paths]:
        raise TableNotFound(
            f"{table} has no partition {', '.join(missing[:5])}. "
            f"It has {len(paths):,}: {_some(sorted(paths))}."
        )
    return [(paths[key], key) for key in wanted]


def _paths(actions: pa.Table) -> Iterator[str]:
    """Paths of the files as the file system knows them; the log percent-encodes them."""
    from urllib.parse import unquote

    return (unquote(path) for path in actions["path"].to_pylist())


def _some(keys: Sequence[str]) -> str:
    """A few of `keys`, for a message."""
    return ", ".join(keys if len(keys) <= 6 else [*keys[:3], "…", *keys[-2:]]) or "none"  # noqa: PLR2004


def _columns(opened: DeltaTable | None) -> pa.Schema:
    """The table's own columns, without those that the lake adds."""
    if opened is None:
        return pa.schema([])
    return pa.schema([f for f in pa.schema(opened.schema().to_arrow()) if f.name not in KEYS])


def _with_keys(schema: pa.Schema) -> pa.Schema:
    return pa.schema([*(pa.field(key, pa.string()) for key in KEYS), *schema])


def _says_the_same(live: PartitionState, content: str, commit: Commit) -> bool:
    said = (live.content_hash, live.fingerprint, live.code_hash)
    return said == (content, commit.fingerprint, commit.code_hash)


def _require_table_name(table: str) -> None:
    parts = table.split("/")
    if len(parts) != 2 or not all(part.replace("_", "").isalnum() for part in parts):  # noqa: PLR2004
        raise StorageError(
            f"A table is named <problem>/<noun>, such as complaints/raw, got {table}."
        )


def _ledger_line(entry: Mapping[str, object]) -> TableCommit:
    """One commit as the log has it; those that no `write` made have no run."""
    partition = entry.get("partition")
    return TableCommit(
        version=int(str(entry["version"])),
        at=datetime.fromtimestamp(int(str(entry["timestamp"])) / 1000, UTC),
        operation=str(entry.get("act", entry["operation"])).lower().removesuffix(" table"),
        run_id=str(entry.get("run_id", "")),
        code_hash=str(entry.get("code_hash", "")),
        fingerprint=str(entry.get("fingerprint", "")),
        content_hash=str(entry.get("content_hash", "")),
        partitions=() if partition is None else (str(partition),),
        rows=int(str(entry.get("rows", 0))),
    )
