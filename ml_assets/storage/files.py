"""Parquet files under one folder, on a disk or in an object store.

Which of them are live is the lake's business; here they are only written, read and removed.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from ml_assets.errors import StorageError
from ml_assets.storage.content import Content

ROW_GROUP_ROWS = 122_880
"""What DuckDB gives one thread at a time."""
ROW_GROUP_BYTES = 64 << 20
"""Of rows in memory; texts reach it before the number of rows does."""

LONGEST_KEY = 240
"""A folder's name has at most 255 characters on any file system."""


class WrittenFile(NamedTuple):
    """A file that is whole and on disk, but not yet part of a table."""

    path: str
    content_hash: str
    rows: int
    bytes: int
    at: datetime


def partition_folder(partition: str) -> str:
    """Folder name of a partition, as Hive and Delta spell it.

    Example:
        >>> partition_folder("Germany|2015-03")
        'partition=Germany%7C2015-03'
    """
    encoded = quote(partition, safe="")
    if not partition or "," in partition or partition == "__HIVE_DEFAULT_PARTITION__":
        raise StorageError(f"A partition key is text without a comma, got {partition!r}.")
    if len(encoded) > LONGEST_KEY:
        raise StorageError(
            f"A partition key has at most {LONGEST_KEY} characters once percent-encoded, "
            f"got {len(encoded)}: {partition[:40]}…. Use a shorter key."
        )
    return f"partition={encoded}"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A place for files: a folder on disk, or a prefix in an object store."""

    files: fs.FileSystem
    local: Path | None
    """The folder itself, where it is on this machine."""

    @classmethod
    def at(cls, url: str, options: Mapping[str, str]) -> "Folder":
        """The folder that `url` names; one on disk is made when it is missing."""
        if "://" in url and not url.startswith("file://"):
            from deltalake.fs import DeltaStorageHandler

            return cls(
                files=fs.PyFileSystem(DeltaStorageHandler(url, dict(options))), local=None
            )
        local = Path(url.removeprefix("file://"))
        local.mkdir(parents=True, exist_ok=True)
        return cls(files=fs.SubTreeFileSystem(str(local), fs.LocalFileSystem()), local=local)

    def subfolders(self, path: str) -> list[str]:
        """Names of the folders directly under `path`."""
        selector = fs.FileSelector(path, allow_not_found=True)
        found = self.files.get_file_info(selector)
        return [info.base_name for info in found if info.type == fs.FileType.Directory]

    def has(self, path: str) -> bool:
        """Whether a file or folder `path` is there."""
        return bool(self.files.get_file_info(path).type != fs.FileType.NotFound)

    def remove(self, path: str) -> None:
        """Delete the file `path`."""
        self.files.delete_file(path)

    def scan(
        self,
        table: str,
        files: Sequence[tuple[str, str]],
        schema: pa.Schema,
        columns: Sequence[str],
        *,
        rows: int,
    ) -> pa.RecordBatchReader:
        """Rows of `files` (path under `table`, partition), in this order, `rows` at a time."""
        parquet = ds.ParquetFileFormat()
        fragments = [
            parquet.make_fragment(
                f"{table}/{path}", self.files, partition_expression=ds.field("partition") == key
            )
            for path, key in files
        ]
        dataset = ds.FileSystemDataset(fragments, schema, parquet, self.files)
        scanner = dataset.scanner(
            columns=list(columns), batch_size=rows, batch_readahead=4, fragment_readahead=1
        )
        return scanner.to_reader()

    def duckdb_scan(self, table: str, paths: Sequence[str], schema: pa.Schema) -> str:
        """A DuckDB table expression over `paths`, with the columns of `schema` and `partition`."""
        if self.local is None:
            raise StorageError(
                f"DuckDB cannot read {table} in place: the lake is not on this machine. "
                f"Read it with `batches`."
            )
        empty = ", ".join(f"null::{_sql_type(f.type)} as {_quoted(f.name)}" for f in schema)
        nothing = f'select {empty}, null::varchar as "partition" where false'
        if not paths:
            return f"({nothing})"
        names = ", ".join(_quoted(name) for name in [*schema.names, "partition"])
        listed = ", ".join(_literal(str(self.local / table / path)) for path in paths)
        # The empty half gives every column a type, also one that none of the files has.
        return (
            f"(select {names} from ({nothing} union all by name "
            f"select * from read_parquet([{listed}], hive_partitioning = true, "
            f"hive_types_autocast = false, union_by_name = true)))"
        )


def write_rows(
    folder: Folder, path: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema
) -> WrittenFile:
    """Write `batches` as one new file under `path`, hashing them on the way.

    A row group of them is in memory at a time. After an error nothing is left behind; after a
    kill, a file that no table knows.
    """
    name = f"{path}/{uuid.uuid4().hex}.parquet"
    content = Content(schema)
    folder.files.create_dir(path, recursive=True)
    try:
        with (
            folder.files.open_output_stream(name) as stream,
            pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):
            for group in _row_groups(batches, schema):
                for batch in group.to_batches():
                    content.add(batch)
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
    except BaseException:
        folder.files.delete_file(name)
        raise
    info = folder.files.get_file_info(name)
    return WrittenFile(
        path=name,
        content_hash=content.digest(),
        rows=content.rows,
        bytes=info.size,
        at=_whole_milliseconds(info.mtime),
    )


def _whole_milliseconds(at: datetime) -> datetime:
    """What a Delta log can hold of a time."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Join small batches until a row group is full."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(group, schema)
            group, rows, size = [], 0, 0
    if group:
        yield pa.Table.from_batches(group, schema)


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a type that the lake keeps."""
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{_quoted(f.name)} {_sql_type(f.type)}' for f in kind)})"
    if pa.types.is_decimal128(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    return _SQL_TYPES[str(kind)]


_SQL_TYPES = {
    "string": "varchar",
    "binary": "blob",
    "bool": "boolean",
    "date32[day]": "date",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float": "float",
    "double": "double",
}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(path: str) -> str:
    """A path as DuckDB takes it literally: brackets and stars would be patterns."""
    plain = "".join(f"[{c}]" if c in "[*?" else c for c in path)
    return "'" + plain.replace("'", "''") + "'"
