"""One file, read once: its rows by partition onto the spool, and what was found on the way.

Whatever its format is, what comes of it is the same: the contract's columns as text, `_row` and
`_fault`. A row whose event time cannot be read goes where the rest of its file goes, if that is
one partition, and to the partition "unplaced" otherwise. A file is taken whole or not at all.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import SourceError
from ml_assets.ingestion.csv_rows import CSVRows
from ml_assets.ingestion.feed import Feed, Places
from ml_assets.ingestion.files import Format
from ml_assets.ingestion.json_rows import JSONRows
from ml_assets.ingestion.ledger import Delivery, Found
from ml_assets.ingestion.parquet_rows import ParquetRows
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.reading import Columns, Reading
from ml_assets.ingestion.spool import Run, Spool
from ml_assets.progress import track

MADE_ID_DIGITS = 12


class Rows(Protocol):
    """A file of some format."""

    @property
    def encoding(self) -> str:
        """How its text is encoded."""

    @property
    def blank_rows(self) -> int:
        """Rows without any text, once all batches were read."""

    @property
    def steps(self) -> int:
        """About how many batches there are."""

    @property
    def columns(self) -> Columns:
        """What the file's columns are to the contract."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows."""


FORMATS: dict[Format, Callable[[Path, Reading], Rows]] = {
    "csv": CSVRows,
    "json": JSONRows,
    "parquet": ParquetRows,
}


def read_rows(
    delivery: Delivery,
    form: Format,
    *,
    feed: Feed,
    spool: Spool,
    wanted: Collection[str] | None,
) -> Found:
    """Read a delivery and put the rows of the partitions `wanted` (None: all) on the spool.

    Raises:
        SourceError: If the file is refused; nothing of it is on the spool then.
    """
    placing, reading = feed.placing(delivery), feed.reading
    counts: Counter[str] = Counter()
    faulty = 0
    try:
        rows = FORMATS[form](Path(delivery.path), reading)
        for batch in track(rows.batches(), f"read {delivery.name}", total=rows.steps):
            faulty += len(batch) - batch.column("_fault").null_count
            for partition, part in placing.cut(batch):
                counts[partition] += len(part)
                if wanted is None or partition in wanted or partition == UNPLACED:
                    spool.add(Run(partition, delivery.sequence), part)
        columns = rows.columns
        _require_placed(delivery.name, counts, placing)
    except SourceError:
        discard(delivery.sequence, spool)
        raise
    _settle_unplaced(delivery.sequence, counts, spool, wanted)
    return Found(
        rows=dict(sorted(counts.items())),
        faulty_rows=faulty,
        blank_rows=rows.blank_rows,
        encoding=rows.encoding,
        ignored_columns=columns.ignored,
        absent_columns=columns.absent,
        has_ids=placing.has_ids(columns),
    )


def discard(sequence: int, spool: Spool) -> None:
    """Forget all rows of a delivery."""
    for run in spool.runs:
        if run.sequence == sequence:
            spool.discard(run)


def raw_schema(reading: Reading) -> pa.Schema:
    """Columns of raw: the contract's as text, then where a row comes from."""
    names = [*reading.columns, *filter(None, [reading.rest])]
    texts = [pa.field(name, pa.string()) for name in names]
    origin = {
        "_file": pa.string(),
        "_row": pa.int64(),
        "_sequence": pa.int64(),
        "_fault": pa.string(),
    }
    return pa.schema([*texts, *(pa.field(name, kind) for name, kind in origin.items())])


def as_raw(batch: pa.RecordBatch, delivery: Delivery, reading: Reading) -> pa.RecordBatch:
    """Rows off the spool as raw has them; ids are made where the file has none."""
    made: dict[str, pa.Array] = {
        "_file": pa.repeat(delivery.name, len(batch)),
        "_sequence": pa.repeat(pa.scalar(delivery.sequence, pa.int64()), len(batch)),
    }
    if delivery.found and not delivery.found.has_ids:
        prefix = delivery.content_hash[:MADE_ID_DIGITS]
        numbers = batch.column("_row").cast(pa.string())
        made[reading.entity_id] = pc.binary_join_element_wise(prefix, numbers, "-")
    if reading.undated and reading.event_time not in batch.schema.names:
        made[reading.event_time] = pa.repeat(reading.undated, len(batch))
    return aligned(batch, raw_schema(reading), made)


def aligned(
    batch: pa.RecordBatch, schema: pa.Schema, made: dict[str, pa.Array]
) -> pa.RecordBatch:
    """The columns of `schema`: made ones, those of `batch`, and nulls."""
    there = set(batch.schema.names)
    columns = [
        made[f.name]
        if f.name in made
        else batch.column(f.name)
        if f.name in there
        else pa.nulls(len(batch), f.type)
        for f in schema
    ]
    return pa.record_batch(columns, schema=schema)


def _require_placed(name: str, counts: Counter[str], placing: Places) -> None:
    if not counts:
        raise SourceError(f"{name} has a header and no rows. Deliver it with its rows.")
    if set(counts) == {UNPLACED}:
        raise SourceError(placing.nothing_placed(name, counts[UNPLACED]))


def _settle_unplaced(
    sequence: int, counts: Counter[str], spool: Spool, wanted: Collection[str] | None
) -> None:
    """Send rows without a time where the rest of their file goes, if that is one partition."""
    others = [partition for partition in counts if partition != UNPLACED]
    home = others[0] if len(others) == 1 else UNPLACED
    unplaced = Run(UNPLACED, sequence)
    if wanted is not None and home not in wanted:
        spool.discard(unplaced)
    if home != UNPLACED and UNPLACED in counts:
        counts[home] += counts.pop(UNPLACED)
        spool.rename(unplaced, Run(home, sequence))
