"""Parquet files of a table: one partition written, many read.

Which of them are live is for the ledger to say.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.errors import StorageError
from ml_assets.storage.content import Content
from ml_assets.storage.folder import Folder

if TYPE_CHECKING:
    import pyarrow.dataset as ds

ROW_GROUP_ROWS = 122_880
"""What DuckDB gives one thread at a time."""
ROW_GROUP_BYTES = 64 << 20
"""Of rows in memory; long texts reach it before the number of rows does."""
LONGEST_KEY = 240
"""A folder's name has at most 255 characters, `partition=` included."""


class WrittenFile(NamedTuple):
    """A file that is whole and on disk, but not yet part of a table."""

    path: str
    content_hash: str
    rows: int
    bytes: int
    at: datetime


class LiveFile(NamedTuple):
    """A file that holds all rows of a partition."""

    path: str
    partition: str


def partition_folder(partition: str) -> str:
    """Folder name of a partition, as Hive, Delta and DuckDB spell it.

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


def write_rows(
    folder: Folder, path: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema
) -> WrittenFile:
    """Write `batches` as one new file under `path`, hashing them on the way.

    One row group is in memory at a time. After an error nothing is left behind; after a kill, a
    file that no table knows.
    """
    name = f"{path}/{uuid.uuid4().hex}.parquet"
    content = Content(schema)
    folder.files.create_dir(path, recursive=True)
    try:
        with (
            folder.files.open_output_stream(name) as stream,
            pq.ParquetWriter(
                stream, schema, compression="zstd", write_page_checksum=True
            ) as writer,
        ):
            for group in _row_groups(batches, schema):
                for batch in group.to_batches():
                    content.add(batch)
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
    except BaseException:
        folder.remove(name)
        raise
    # Or a power cut could leave a commit whose rows never reached the disk.
    folder.sync(name)
    info = folder.files.get_file_info(name)
    return WrittenFile(
        name, content.digest(), content.rows, info.size, _whole_milliseconds(info.mtime)
    )


def dataset(folder: Folder, files: Sequence[LiveFile], schema: pa.Schema) -> "ds.Dataset":
    """`files` as one Arrow dataset of the columns `schema` and `partition`, in this order."""
    import pyarrow.dataset as ds  # imports pandas

    # Reading ahead saves round trips to an object store; on a disk it only fills memory.
    options = ds.ParquetFragmentScanOptions(
        pre_buffer=folder.local is None, page_checksum_verification=True
    )
    parquet = ds.ParquetFileFormat(default_fragment_scan_options=options)
    fragments = [
        parquet.make_fragment(
            file.path,
            folder.files,
            partition_expression=ds.field("partition") == file.partition,
        )
        for file in files
    ]
    whole = pa.schema([*schema, pa.field("partition", pa.string())])
    return ds.FileSystemDataset(fragments, whole, parquet, folder.files)


def duckdb_scan(folder: Folder, files: Sequence[LiveFile], schema: pa.Schema) -> str:
    """A DuckDB table expression over `files`, with the columns of `schema` and `partition`."""
    empty = ", ".join(f"null::{_sql_type(f.type)} as {_quoted(f.name)}" for f in schema)
    nothing = f'select {empty}, null::varchar as "partition" where false'
    if not files:
        return f"({nothing})"
    names = ", ".join(_quoted(name) for name in [*schema.names, "partition"])
    paths = ", ".join(_literal(f"{folder.local}/{file.path}") for file in files)
    # The empty half gives every column a type, also one that none of the files has.
    return (
        f"(select {names} from ({nothing} union all by name "
        f"select * from read_parquet([{paths}], hive_partitioning = true, "
        f"hive_types_autocast = false, union_by_name = true)))"
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


_SQL_TYPES = {
    pa.string(): "varchar",
    pa.binary(): "blob",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
}


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a type that the lake keeps."""
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{_quoted(f.name)} {_sql_type(f.type)}' for f in kind)})"
    if pa.types.is_decimal128(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    return _SQL_TYPES[kind]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(path: str) -> str:
    """A path as DuckDB takes it literally: brackets and stars would be patterns."""
    plain = "".join(f"[{c}]" if c in "[*?" else c for c in path)
    return "'" + plain.replace("'", "''") + "'"
