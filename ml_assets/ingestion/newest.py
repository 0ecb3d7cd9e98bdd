"""Which versions of a row give way? Of every entity the newest stays.

A version is what one delivery says of an entity: mostly a row, several where the delivery has copies
of it, which all stay together. A newer delivery that says the same changes nothing: the rows of
the delivery that said it first stay, so that a full snapshot rewrites only what was revised.

Works in DuckDB with bounded memory, beyond which it goes to disk.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.spool import Run

if TYPE_CHECKING:
    import duckdb

MEMORY = "512MB"


class Versions:
    """Versions of rows, compared by entity.

    Args:
        folder: Where DuckDB may write what does not fit into memory.
        entity_id: The column that names the entity.
        columns: The columns whose values are what a version says.
        missing: Texts that are no entity id.
    """

    def __init__(
        self, folder: Path, *, entity_id: str, columns: Sequence[str], missing: Sequence[str]
    ) -> None:
        self._folder = folder
        self._entity = f"trim({_quoted(entity_id)}, {SPACE}) as _id"
        self._content = f"hash({', '.join(map(_quoted, columns))})"
        self._missing = [text.strip() for text in missing]
        self._counts: dict[tuple[Run, bool], int] = {}
        self.moved_from: frozenset[str] = frozenset()
        """Partitions that lose a live row to another partition, after `compare`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "_connection" in vars(self):
            self._connection.close()

    @cached_property
    def _connection(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        connection = duckdb.connect(
            config={"memory_limit": MEMORY, "temp_directory": str(self._folder / "duckdb")}
        )
        connection.execute(TABLES)
        for text in self._missing:
            connection.execute("insert into missing values (?)", [text])
        return connection

    def add_arriving(self, rows: pa.RecordBatchReader) -> None:
        """Take rows in that come from files: all columns, `partition`, `_sequence`, `_row`."""
        self._add(rows, "true", live=False)

    def add_live(self, rows: pa.RecordBatchReader) -> None:
        """Take those live rows in whose entity arrives as well."""
        self._add(rows, "_id in (select id from version where not live)", live=True)

    def partitions_of(self, live: pa.RecordBatchReader) -> list[str]:
        """Partitions that have a live row whose entity arrives as well."""
        self._connection.register("rows", live)
        found = self._connection.execute(
            f"select distinct partition from (select {self._entity}, * from rows) "
            "where _fault is null and _id in (select id from version) order by all"
        ).fetchall()
        self._connection.unregister("rows")
        return [partition for (partition,) in found]

    def compare(self) -> None:
        """Find the rows that give way."""
        self._connection.execute(LOST)
        counts = self._connection.execute(
            "select partition, sequence, live, count(*) from lost group by all"
        ).fetchall()
        self._counts = {(Run(p, sequence), live): n for p, sequence, live, n in counts}
        moved = self._connection.execute(
            "select distinct partition from lost where live and moved"
        ).fetchall()
        self.moved_from = frozenset(partition for (partition,) in moved)

    def count(self, run: Run, *, live: bool) -> int:
        """How many rows of a run give way."""
        return self._counts.get((run, live), 0)

    def shrinking(self) -> frozenset[str]:
        """Partitions that lose live rows."""
        return frozenset(run.partition for run, live in self._counts if live)

    def lost(self, run: Run, *, live: bool, only_moved: bool = False) -> np.ndarray:
        """Numbers (`_row`) of the rows of a run that give way, sorted."""
        if not self.count(run, live=live):
            return np.zeros(0, np.int64)
        found = self._connection.execute(
            "select row from lost where partition = ? and sequence = ? and live = ? "
            "and (moved or not ?) order by row",
            [run.partition, run.sequence, live, only_moved],
        ).fetchnumpy()
        return np.asarray(found["row"], np.int64)

    def _add(self, rows: pa.RecordBatchReader, condition: str, *, live: bool) -> None:
        self._connection.register("rows", rows)
        self._connection.execute(
            f"insert into version select _id, partition, _sequence, _row, {self._content}, {live} "
            f"from (select {self._entity}, * from rows) where _fault is null "
            f"and _id is not null and _id not in (select text from missing) and {condition}"
        )
        self._connection.unregister("rows")


TABLES = """
set preserve_insertion_order = false;
create table missing (text varchar);
create table version (
    id varchar, partition varchar, sequence bigint, row bigint, content ubigint, live boolean
);
"""

SPACE = "' \t\r\n'"

LOST = """
create or replace table lost as
with said as (
    select id, sequence, hash(count(*), sum(content::uhugeint), bit_xor(content)) as content
    from version group by id, sequence
),
newest as (
    select id, arg_max(content, sequence) as content
    from said group by id having count(*) > 1
),
different as (
    select id, max(said.sequence) as last
    from said join newest using (id) where said.content <> newest.content group by id
),
kept as (
    select id, min(sequence) as sequence
    from said join newest using (id) left join different using (id)
    where sequence > coalesce(last, -1) group by id
),
places as (
    select distinct id, partition from version join kept using (id, sequence)
)
select version.partition, version.sequence, version.row, version.live, places.id is null as moved
from version join kept using (id)
left join places on places.id = version.id and places.partition = version.partition
where version.sequence <> kept.sequence
"""
"""The versions of an entity by age; the first of those that say what the newest says stays."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
