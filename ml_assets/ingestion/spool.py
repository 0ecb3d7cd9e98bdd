"""Rows on their way from files to partitions: in memory up to a limit, on disk beyond it.

What the rows are, and which of them are kept, is for others.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

MEMORY_BYTES = 256 << 20


class Run(NamedTuple):
    """The rows that one delivery brings to one partition."""

    partition: str
    sequence: int


class _Written(NamedTuple):
    """A batch in the file."""

    schema: pa.Schema
    start: int
    bytes: int


class Spool:
    """Batches by run, in the order they came.

    Args:
        path: The file that takes what does not fit into memory.
        memory_bytes: How much of the batches stays in memory.
    """

    def __init__(self, path: Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._path = path
        self._free = memory_bytes
        self._runs: dict[Run, list[pa.RecordBatch | _Written]] = {}
        self._rows: dict[Run, int] = {}
        self._file = path.open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runs.clear()
        self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def runs(self) -> list[Run]:
        """Every run that has rows, sorted."""
        return sorted(self._runs)

    def rows(self, run: Run) -> int:
        """How many rows a run has."""
        return self._rows.get(run, 0)

    def add(self, run: Run, batch: pa.RecordBatch) -> None:
        """Append rows to a run."""
        if batch.num_rows:
            self._runs.setdefault(run, []).append(self._kept(batch))
            self._rows[run] = self.rows(run) + batch.num_rows

    def batches(self, run: Run) -> Iterator[pa.RecordBatch]:
        """The rows of a run."""
        for kept in self._runs.get(run, ()):
            yield self._read(kept) if isinstance(kept, _Written) else kept

    def discard(self, run: Run) -> None:
        """Forget the rows of a run."""
        for kept in self._runs.pop(run, ()):
            self._free += 0 if isinstance(kept, _Written) else kept.nbytes
        self._rows.pop(run, None)

    def rename(self, run: Run, other: Run) -> None:
        """Append the rows of a run to another."""
        kept = self._runs.pop(run, None)
        if kept is None:
            return
        self._runs.setdefault(other, []).extend(kept)
        self._rows[other] = self.rows(other) + self._rows.pop(run, 0)

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch | _Written:
        if batch.nbytes <= self._free:
            self._free -= batch.nbytes
            return batch
        start = self._file.seek(0, 2)
        self._file.write(batch.serialize())
        return _Written(batch.schema, start, self._file.tell() - start)

    def _read(self, written: _Written) -> pa.RecordBatch:
        self._file.seek(written.start)
        return pa.ipc.read_record_batch(
            pa.py_buffer(self._file.read(written.bytes)), written.schema
        )
