"""Rows that wait until it is decided where they go: in memory first, on disk when they are many."""

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

MEMORY_BYTES = 128 << 20
"""Beyond it, rows wait in a temporary file."""


class Spool:
    """A queue of tables with one schema; used in a `with` block, which removes its file."""

    schema: pa.Schema
    """That of the first table."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting = []
        if self._file is not None:
            self._file.close()

    def add(self, rows: pa.Table) -> None:
        """Take more rows."""
        if not hasattr(self, "schema"):
            self.schema = rows.schema
        self.rows += len(rows)
        self._bytes += rows.nbytes
        self._waiting += rows.to_batches()
        if self._bytes > self._memory_bytes:
            self._spill()

    def reader(self) -> pa.RecordBatchReader:
        """All rows in the order they came; read once, inside the block."""
        if self._writer is None:
            return pa.RecordBatchReader.from_batches(self.schema, iter(self._waiting))
        self._spill()
        self._writer.close()
        return pa.RecordBatchReader.from_batches(self.schema, self._from_file())

    def _spill(self) -> None:
        if self._writer is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(self._file, self.schema, options=options)
        for batch in self._waiting:
            self._writer.write_batch(batch)
        self._waiting, self._bytes = [], 0

    def _from_file(self) -> Iterator[pa.RecordBatch]:
        source = pa.ipc.open_file(self._file)
        for place in range(source.num_record_batches):
            yield source.get_batch(place)
