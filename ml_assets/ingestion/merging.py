"""Rows that are in a partition already and rows that arrive, as one stream in order of age.

Which rows give way was decided before; here they are only left out. One batch at a time is in
memory.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.plan import Due
from ml_assets.ingestion.reading import Reading

JOINED_BYTES = 16 << 20


class Pile(NamedTuple):
    """Rows of one delivery."""

    sequence: int
    batches: Iterable[pa.RecordBatch]


def staying(batch: pa.RecordBatch, due: Due, reading: Reading) -> pa.RecordBatch:
    """The live rows that are neither read again nor replaced along with their file."""
    sequences = batch.column("_sequence")
    leaves = pc.is_in(sequences, pa.array(sorted(due.dropped), pa.int64()))
    if due.replaced:
        is_old = pc.is_in(sequences, pa.array(sorted(due.replaced), pa.int64()))
        leaves = pc.or_(leaves, pc.and_(is_old, _has_no_identity(batch, reading)))
    return batch.filter(pc.invert(leaves)) if pc.any(leaves).as_py() else batch


def without(batches: Iterable[pa.RecordBatch], lost: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Leave out the rows whose `_row` is in `lost`."""
    for batch in batches:
        if not len(lost):
            yield batch
            continue
        rows = batch.column("_row").to_numpy()
        nearest = lost[np.minimum(np.searchsorted(lost, rows), len(lost) - 1)]
        yield batch.filter(pa.array(nearest != rows))


def by_partition(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Cut a batch of live rows where the column `partition` changes."""
    runs = pc.run_end_encode(batch.column("partition"))
    ends = runs.run_ends.to_pylist()
    for partition, (start, end) in zip(
        runs.values.to_pylist(), pairwise([0, *ends]), strict=True
    ):
        yield partition, batch.slice(start, end - start)


def by_sequence(batches: Iterable[pa.RecordBatch]) -> Iterator[Pile]:
    """Cut batches where the delivery changes."""
    for batch in batches:
        sequences = batch.column("_sequence").to_numpy()
        ends = [*(np.flatnonzero(np.diff(sequences)) + 1).tolist(), len(batch)]
        for start, end in pairwise([0, *ends]):
            if end > start:
                yield Pile(int(sequences[start]), [batch.slice(start, end - start)])


def in_order(live: Iterable[Pile], arriving: Iterable[Pile]) -> Iterator[pa.RecordBatch]:
    """Both, oldest first; each is in that order by itself."""
    waiting = iter(arriving)
    next_one = next(waiting, None)
    for pile in live:
        while next_one is not None and next_one.sequence < pile.sequence:
            yield from next_one.batches
            next_one = next(waiting, None)
        yield from pile.batches
    while next_one is not None:
        yield from next_one.batches
        next_one = next(waiting, None)


def joined(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatchReader:
    """Join small batches: every one costs its writer the same, however small it is."""
    return pa.RecordBatchReader.from_batches(schema, _joined(batches, schema))


def _joined(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    some: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        some.append(batch)
        size += batch.nbytes
        if size >= JOINED_BYTES:
            yield from pa.Table.from_batches(some, schema).combine_chunks().to_batches()
            some, size = [], 0
    yield from pa.Table.from_batches(some, schema).combine_chunks().to_batches()


def _has_no_identity(batch: pa.RecordBatch, reading: Reading) -> pa.Array:
    """Whether only the file tells what a row is: it is faulty, or has no id."""
    ids = pc.utf8_trim_whitespace(batch.column(reading.entity_id))
    is_missing = pc.is_in(ids, pa.array([*reading.missing, None], pa.string()))
    return pc.or_(pc.is_valid(batch.column("_fault")), is_missing)
