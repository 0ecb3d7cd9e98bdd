"""The lake: every table of rows, by partition, as Delta tables.

A partition is replaced whole, in one commit that says who wrote it and from what; a reader sees
the rows of before or of after. Tables are named `<problem>/<noun>`. What a row means, and whether
it is good, is for other rooms.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from ml_assets.errors import StorageError, TableNotFound, WriteConflict
from ml_assets.storage.columns import as_stored, storable_schema
from ml_assets.storage.folder import Folder
from ml_assets.storage.ledger import (
    NOTHING,
    Commit,
    PartitionState,
    Replacement,
    TableCommit,
    commit_replacement,
    create_table,
    history_line,
    live_files,
    own_columns,
    states,
)
from ml_assets.storage.opened import OpenTable, OpenTables
from ml_assets.storage.parquet import (
    LiveFile,
    dataset,
    duckdb_scan,
    partition_folder,
    write_rows,
)

if TYPE_CHECKING:
    import duckdb

COMMIT_ATTEMPTS = 300
LONGEST_PAUSE = 0.2
"""Seconds between two attempts, at most: together about half a minute."""


class Lake:
    """All tables under one folder or object-store URL.

    Args:
        url: A folder, or `s3://…`, `gs://…`, `az://…`.
        options: Credentials and endpoints of an object store, as `deltalake` names them; what is
            not given is read from the environment, such as `AWS_ACCESS_KEY_ID`.
    """

    def __init__(self, url: str, *, options: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        _require_findable(self.url)
        self._options = dict(options or {})
        self._folder = Folder.at(self.url, self._options)
        self._tables = OpenTables(self.url, self._options, self._folder.local)

    def tables(self) -> list[str]:
        """Names of all tables, sorted."""
        names = (
            f"{problem}/{noun}"
            for problem in self._folder.subfolders("")
            for noun in self._folder.subfolders(problem)
        )
        return sorted(n for n in names if "_delta_log" in self._folder.subfolders(n))

    def partitions(
        self, table: str, *, version: int | None = None
    ) -> dict[str, PartitionState]:
        """The live partitions by key, sorted; empty when there is no table.

        Costs what the live partitions cost to list, however long the history is.
        """
        opened = self._open(table, version)
        return {} if opened is None else dict(states(opened))

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
        versions before it stay readable. Nothing is committed when the live partition has the
        same content, fingerprint and code already.

        Args:
            table: `<problem>/<noun>`; made when it is missing.
            partition: Any text without a comma.
            rows: The partition, without a column for its key. A reader is streamed to disk, one
                row group in memory at a time.
            commit: Who writes, and from what.

        Raises:
            WriteConflict: If somebody else wrote the same partition meanwhile.
            StorageError: If a column cannot be kept as it is.
        """
        _require_table_name(table)
        folder = f"{table}/{partition_folder(partition)}"
        opened, live = self._look(table, partition)
        known = pa.schema([]) if opened is None else own_columns(opened)
        schema = storable_schema(rows.schema, known)
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        written = write_rows(self._folder, folder, as_stored(batches, schema), schema)
        if live is not None and live.says(written.content_hash, commit):
            self._folder.remove(written.path)
            return live
        replacement = Replacement(
            table=table, partition=partition, schema=schema, written=written, commit=commit
        )
        return self._replace(replacement, opened, live)

    def delete(self, table: str, partition: str, *, commit: Commit) -> None:
        """Take `partition` out of the table; no harm when it is not there.

        Older versions still have it, and its rows stay on disk.

        Raises:
            WriteConflict: If somebody else wrote the same partition meanwhile.
        """
        opened, live = self._look(table, partition)
        if live is not None:
            gone = Replacement(
                table=table,
                partition=partition,
                schema=pa.schema([]),
                written=NOTHING,
                commit=commit,
            )
            self._replace(gone, opened, live)

    def read(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Rows of some partitions (default: all), partition by partition in sorted order.

        Args:
            table: `<problem>/<noun>`.
            partitions: Keys to read; all must be there.
            columns: Names to read; default all of the table's and `partition`.
            version: As of this commit; default the newest.

        Raises:
            TableNotFound: If the table, a partition or a column asked for is not there.
            StorageError: If a file on disk is damaged, or was purged.
        """
        return self.batches(
            table, partitions=partitions, columns=columns, version=version
        ).read_all()

    def batches(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        rows: int = 65_536,
    ) -> pa.RecordBatchReader:
        """As `read`, at most `rows` at a time, for what is larger than memory."""
        opened = self._existing(table, version)
        found = dataset(self._folder, _chosen(opened, table, partitions), own_columns(opened))
        names = found.schema.names if columns is None else list(columns)
        if unknown := [name for name in names if name not in found.schema.names]:
            raise TableNotFound(
                f"{table} has no column {', '.join(unknown)}. "
                f"It has {', '.join(found.schema.names)}."
            )
        scanner = found.scanner(
            columns=names, batch_size=rows, batch_readahead=4, fragment_readahead=1
        )
        whole = _readable(scanner.to_batches(), table, opened.version())
        return pa.RecordBatchReader.from_batches(scanner.projected_schema, whole)

    def scan(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        version: int | None = None,
    ) -> str:
        """A table expression for DuckDB's `from`, as of now.

        Raises:
            StorageError: If the lake is in an object store; `connect` reads it there.
        """
        if self._folder.local is None:
            raise StorageError(
                f"DuckDB cannot read {table} by path: the lake is not on this machine but at "
                f"{self.url}. Use `connect`, or `batches`."
            )
        opened = self._existing(table, version)
        files = _chosen(opened, table, partitions)
        return duckdb_scan(self._folder, files, own_columns(opened))

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A DuckDB in memory with a view `<problem>.<noun>` of every table, as of now."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        for table in self.tables():
            problem, noun = table.split("/")
            connection.execute(f'create schema if not exists "{problem}"')
            source = self._view_source(connection, table)
            connection.execute(f'create view "{problem}"."{noun}" as select * from {source}')
        return connection

    def history(self, table: str, *, limit: int | None = None) -> list[TableCommit]:
        """Every commit of the table, newest first."""
        return [history_line(entry) for entry in self._existing(table).history(limit)]

    def purge(self, table: str, *, older_than: timedelta) -> int:
        """Remove from disk what the newest version does not need, and what killed runs left.

        For good: versions that need a removed file stop being readable.

        Args:
            table: `<problem>/<noun>`.
            older_than: Age of the files to remove, in whole hours. Zero is only safe while nobody
                writes: the file of a write under way is not needed yet.

        Returns:
            Number of files removed.
        """
        hours = int(older_than / timedelta(hours=1))
        removed = self._existing(table).vacuum(
            hours, dry_run=False, enforce_retention_duration=False, full=True
        )
        return len(removed)

    def _view_source(self, connection: "duckdb.DuckDBPyConnection", table: str) -> str:
        """What a view of `table` selects from."""
        if self._folder.local is not None:
            return self.scan(table)
        opened = self._existing(table)
        connection.register(
            table, dataset(self._folder, _chosen(opened, table, None), own_columns(opened))
        )
        return f'"{table}"'

    def _open(self, table: str, version: int | None = None) -> OpenTable | None:
        opened = self._tables.newest(table)
        if opened is None or version in (None, opened.version()):
            return opened
        if not 0 <= version <= opened.version():
            raise TableNotFound(
                f"{table} has no version {version}. The newest is {opened.version()}."
            )
        return self._tables.at(table, version)

    def _existing(self, table: str, version: int | None = None) -> OpenTable:
        opened = self._open(table, version)
        if opened is None:
            there = ", ".join(self.tables()) or "none yet"
            raise TableNotFound(f"The lake has no table {table}. It has: {there}.")
        return opened

    def _look(
        self, table: str, partition: str
    ) -> tuple[OpenTable | None, PartitionState | None]:
        """The table and the partition's state in it, where they are there."""
        opened = self._open(table)
        return opened, None if opened is None else states(opened).get(partition)

    def _replace(
        self, replacement: Replacement, opened: OpenTable | None, live: PartitionState | None
    ) -> PartitionState:
        """Put the replacement in the place of `live`, between commits of other partitions.

        Args:
            replacement: What to commit.
            opened: The table as it was when `live` was read; None when there was none.
            live: The partition's state then.

        Returns:
            What is live afterwards.
        """
        opened = opened or self._create(replacement)
        for pause in _pauses():
            now = states(opened).get(replacement.partition)
            if now is not None and now.says(
                replacement.written.content_hash, replacement.commit
            ):
                return now  # somebody else has said the same
            if now != live:
                break
            try:
                commit_replacement(opened, replacement)
            except CommitFailedError:
                time.sleep(pause)
                opened = self._existing(replacement.table)
            else:
                return replacement.state
        else:
            raise WriteConflict(
                f"{replacement.table} {replacement.partition} could not be committed in "
                f"{COMMIT_ATTEMPTS} attempts, since others kept writing to the table. Run it again."
            )
        # The file stays: after a commit that failed for the network's sake it may be live.
        raise WriteConflict(
            f"{replacement.table} {replacement.partition} was written by somebody else meanwhile, "
            f"so the rows of run {replacement.commit.run_id} were not kept. Run it again if they "
            f"are still wanted."
        )

    def _create(self, replacement: Replacement) -> OpenTable:
        """Make the table of `replacement`, empty; open it when somebody else has just made it."""
        with suppress(CommitFailedError):
            create_table(f"{self.url}/{replacement.table}", replacement.schema, self._options)
        return self._existing(replacement.table)


def _pauses() -> Iterator[float]:
    """Seconds to wait between attempts: longer and longer, and never the same for two writers."""
    for attempt in range(COMMIT_ATTEMPTS):
        yield random.uniform(0, min(LONGEST_PAUSE, 0.005 * 2**attempt))  # noqa: S311


def _readable(
    batches: Iterator[pa.RecordBatch], table: str, version: int
) -> Iterator[pa.RecordBatch]:
    """The same batches, with the house's words for what a disk can do to a file."""
    try:
        yield from batches
    except FileNotFoundError as error:
        raise StorageError(
            f"Version {version} of {table} needs a file that is gone: {error}. "
            f"Was it purged? Read a newer version, or materialize the partition again."
        ) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(
            f"A file of {table} is damaged: {error}. "
            f"Materialize its partition again, or restore the file from a backup."
        ) from error


def _chosen(opened: OpenTable, table: str, partitions: Sequence[str] | None) -> list[LiveFile]:
    """The files of `partitions`, sorted by key; of all by default."""
    there = states(opened)
    wanted = sorted(there if partitions is None else set(partitions))
    if missing := [key for key in wanted if key not in there]:
        raise TableNotFound(
            f"{table} has no partition {_some(missing)}. It has {len(there):,}: {_some(list(there))}."
        )
    files = live_files(opened, table, None if partitions is None else wanted)
    return [files[key] for key in wanted]


def _some(keys: Sequence[str]) -> str:
    """A few of `keys`, for a message."""
    shown = keys if len(keys) <= 6 else [*keys[:3], "…", *keys[-2:]]  # noqa: PLR2004
    return ", ".join(shown) or "none"


def _require_findable(url: str) -> None:
    """Refuse a folder that Delta decodes once too often; it would write and then not find it."""
    if "://" not in url and unquote(url) != url:
        raise StorageError(
            f"The folder {url} cannot hold a lake: Delta reads % as the start of an encoded "
            f"character. It would look in {unquote(url)}. Use a folder without %."
        )


def _require_table_name(table: str) -> None:
    parts = table.split("/")
    if len(parts) != 2 or not all(part.replace("_", "").isalnum() for part in parts):  # noqa: PLR2004
        raise StorageError(
            f"A table is named <problem>/<noun>, such as complaints/raw, got {table}."
        )
