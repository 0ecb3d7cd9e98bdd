"""Which versions of a row give way? Of every entity the newest stays.

A version is what one delivery says of an entity: mostly a row, several where the delivery has copies
of it, which all stay together. A newer delivery that says the same changes nothing: the rows of
the delivery that said it first stay, so that a full snapshot rewrites only what was revised.

Works in DuckDB with bounded memory, beyond which it goes to disk. Entities are compared by 128 bits
of their id.
"""

from collections.abc import Iterable, Sequence
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
SPACE = "' \t\r\n'"


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
        self._entity = f"trim({_quoted(entity_id)}, {SPACE})"
        self._content = f"hash({', '.join(map(_quoted, columns))})"
        self._missing = [text.strip() for text in missing]
        self._numbers: dict[str, int] = {}
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

    def add_arriving(
        self, rows: Iterable[tuple[str, pa.RecordBatch]], schema: pa.Schema
    ) -> None:
        """Take rows in that come from files, by partition."""
        self._add(rows, schema, "true", live=False)

    def add_live(self, rows: Iterable[tuple[str, pa.RecordBatch]], schema: pa.Schema) -> None:
        """Take those live rows in whose entity arrives as well."""
        known = "select version.id from version where not version.live"
        self._add(rows, schema, f"md5_number({self._entity}) in ({known})", live=True)

    def partitions_of(self, live: pa.RecordBatchReader) -> list[str]:
        """Partitions that have a live row whose entity arrives as well."""
        self._connection.register("rows", live)
        found = self._connection.execute(
            "select distinct partition from rows where _fault is null "
            f"and md5_number({self._entity}) in (select id from version) order by all"
        ).fetchall()
        self._connection.unregister("rows")
        return [partition for (partition,) in found]

    def compare(self) -> None:
        """Find the rows that give way."""
        self._connection.execute(COMPARE)
        names = {number: partition for partition, number in self._numbers.items()}
        counts = self._connection.execute(
            "select partition, sequence, live, count(*) from lost group by all"
        ).fetchall()
        self._counts = {(Run(names[p], sequence), live): n for p, sequence, live, n in counts}
        moved = self._connection.execute("select distinct partition from moved").fetchall()
        self.moved_from = frozenset(names[number] for (number,) in moved)

    def count(self, run: Run, *, live: bool) -> int:
        """How many rows of a run give way."""
        return self._counts.get((run, live), 0)

    def shrinking(self) -> frozenset[str]:
        """Partitions that lose live rows."""
        return frozenset(run.partition for run, live in self._counts if live)

    def lost(self, run: Run, *, live: bool) -> np.ndarray:
        """Numbers (`_row`) of the rows of a run that give way, sorted."""
        return self._rows("lost", run, live=live)

    def moved(self, run: Run) -> np.ndarray:
        """Numbers (`_row`) of the live rows of a run that give way to another partition."""
        return self._rows("moved", run, live=True)

    def _rows(self, table: str, run: Run, *, live: bool) -> np.ndarray:
        if not self.count(run, live=live):
            return np.zeros(0, np.int64)
        found = self._connection.execute(
            f"select row from {table} where partition = ? and sequence = ? and live = ? "
            "order by row",
            [self._numbers[run.partition], run.sequence, live],
        ).fetchnumpy()
        return np.asarray(found["row"], np.int64)

    def _add(
        self,
        rows: Iterable[tuple[str, pa.RecordBatch]],
        schema: pa.Schema,
        condition: str,
        *,
        live: bool,
    ) -> None:
        self._connection.register("rows", self._numbered(rows, schema))
        self._connection.execute(
            "insert into version "
            f"select md5_number({self._entity}) as id, _partition, _sequence, _row, "
            f"{self._content}, {live} from rows "
            f"where _fault is null and {self._entity} not in (select text from missing) "
            f"and {condition}"
        )
        self._connection.unregister("rows")

    def _numbered(
        self, rows: Iterable[tuple[str, pa.RecordBatch]], schema: pa.Schema
    ) -> pa.RecordBatchReader:
        """The rows with the column `_partition`: numbers take less room than names."""
        whole = schema.append(pa.field("_partition", pa.int32()))
        batches = (
            pa.record_batch([*batch.columns, self._number(partition, len(batch))], schema=whole)
            for partition, batch in rows
        )
        return pa.RecordBatchReader.from_batches(whole, batches)

    def _number(self, partition: str, rows: int) -> pa.Array:
        number = self._numbers.setdefault(partition, len(self._numbers))
        return pa.repeat(pa.scalar(number, pa.int32()), rows)

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


TABLES = """
set preserve_insertion_order = false;
create table missing (text varchar);
create table version (
    id uhugeint, partition integer, sequence bigint, row bigint, content ubigint, live boolean
);
"""

COMPARE = """
create table kept as
with several as (
    select id, min(sequence) as sequence,
        count(*) = 2 and min(content) = max(content) as said_once
    from version group by id having min(sequence) <> max(sequence)
),
said as (
    select id, sequence, hash(count(*), sum(content::uhugeint), bit_xor(content)) as content
    from version where id in (select id from several where not said_once) group by id, sequence
),
newest as (
    select id, arg_max(content, sequence) as content from said group by id
),
different as (
    select id, max(said.sequence) as sequence
    from said join newest using (id) where said.content <> newest.content group by id
)
select id, sequence from several where said_once
union all
select id, min(said.sequence)
from said join newest using (id) left join different using (id)
where said.sequence > coalesce(different.sequence, -1) group by id;

create table lost as
select version.id, partition, version.sequence, row, live, kept.sequence as kept
from version join kept using (id) where version.sequence <> kept.sequence;

create table moved as
select lost.partition, lost.sequence, lost.row, lost.live
from lost anti join version on version.id = lost.id
    and version.sequence = lost.kept and version.partition = lost.partition
where lost.live;
"""
"""Chain the versions of an entity by age; the first of those that say what the newest says stays.

Most entities of a snapshot are there twice and say the same, which needs no chain.
"""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
