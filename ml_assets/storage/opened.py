"""Delta tables that stay open: asked for again, a table is what it is now, for two looks at the disk.

Opening a table reads its whole log, which is a tenth of a small partition's work.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

if TYPE_CHECKING:
    from ml_assets.storage.ledger import PartitionState

SAID = ["path", "size_bytes", "modification_time", "num_records", "partition"]
"""What is read of a file's line in the log; its statistics would cost most of the time."""


class OpenTable(DeltaTable):
    """A table that remembers which files are live at the version that it is at.

    Attributes:
        known: A version, and what every partition was then; see `ledger.states`.
    """

    known: "tuple[int, Mapping[str, PartitionState]] | None" = None
    _live: tuple[int, pa.Table] | None = None

    def live(self) -> pa.Table:
        """One row per live file; its partition columns are called `partition.<name>`."""
        if self._live is None or self._live[0] != self.version():
            said = pa.table(self.get_add_actions()).select(SAID).flatten()
            self._live = self.version(), said
        return self._live[1]


class _Kept(NamedTuple):
    """A table that is open, and by what it is told from one that was made anew in its place."""

    table: OpenTable
    birth: tuple[int, int]


class OpenTables:
    """The tables of one lake; each thread has its own, since a table is not shared while it moves.

    Args:
        url: Of the lake.
        options: Of the object store.
        local: Its folder where it is on this machine; elsewhere nothing stays open, because a look
            costs as much as opening.
    """

    def __init__(self, url: str, options: Mapping[str, str], local: Path | None) -> None:
        self._url = url
        self._options = dict(options)
        self._local = local
        self._of_thread = threading.local()

    def newest(self, table: str) -> OpenTable | None:
        """The table as it is now; None where there is none."""
        log = self._local and self._local / table / "_delta_log"
        birth = None if log is None else _birth(log)
        if log is None or birth is None:
            return self._open(table)
        kept: dict[str, _Kept] = self._of_thread.__dict__
        found = kept.get(table)
        if found is None or found.birth != birth:
            opened = self._open(table)
            if opened is not None:
                kept[table] = _Kept(opened, birth)
            return opened
        if (log / f"{found.table.version() + 1:020d}.json").exists():
            found.table.update_incremental()
        return found.table

    def at(self, table: str, version: int) -> OpenTable:
        """The table as it was; it does not move."""
        return OpenTable(f"{self._url}/{table}", version=version, storage_options=self._options)

    def _open(self, table: str) -> OpenTable | None:
        try:
            return OpenTable(f"{self._url}/{table}", storage_options=self._options)
        except TableNotFoundError:
            return None


def _birth(log: Path) -> tuple[int, int] | None:
    """What tells the first commit of a table from that of another one at the same place."""
    try:
        first = (log / f"{0:020d}.json").stat()
    except FileNotFoundError:
        return None
    return first.st_ino, first.st_mtime_ns
