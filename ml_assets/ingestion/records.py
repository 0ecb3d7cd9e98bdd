"""Rows of one partition of a source, mapped: those that are whole, and those that cannot be used.

A row that the mapping could not read keeps every reason why, and what it has of the other columns.
Whether a whole row is good is for `validation`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.mapping import Hits, apply
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.sources import MappedSource, with_origin
from ml_assets.problem import Problem
from ml_assets.problem.partitions import is_location

GIVEN = "_given"
ORIGIN = {"_file": pa.string(), "_row": pa.int64(), "_sequence": pa.int64()}
NONE = pa.scalar(None, pa.string())


class Records(NamedTuple):
    """Rows of one source in the columns of the contract, as text, with `GIVEN` and `ORIGIN`."""

    whole: pa.Table
    unmapped: pa.Table
    """With `_fault`: every reason why, each as `column: reason`."""
    hits: dict[str, Hits]
    unknown: dict[str, int]


def records_schema(problem: Problem) -> pa.Schema:
    """Columns of records."""
    texts = [pa.field(name, pa.string()) for name in (*problem.fields, GIVEN)]
    return pa.schema([*texts, *(pa.field(name, kind) for name, kind in ORIGIN.items())])


def records_of(
    problem: Problem, source: MappedSource, rows: pa.Table, *, partition: str
) -> Records:
    """Map the rows of one partition of a source.

    Args:
        problem: Whose contract they are mapped to.
        source: Whose rows they are.
        rows: n rows of `raw_<source>`.
        partition: Where they are; `UNPLACED` is a fault of each of them.
    """
    batch = rows.combine_chunks().to_batches()
    joined = batch[0] if batch else pa.RecordBatch.from_pylist([], rows.schema)
    mapped = apply(source.mapping, _with_origins(joined), rates=source.rates)
    texts = {name: mapped.rows.column(name) for name in mapped.rows.schema.names}
    texts |= {GIVEN: mapped.given, **{name: joined.column(name) for name in ORIGIN}}
    texts[problem.entity_id] = _ids(problem, source, texts, joined)
    if problem.config.duplicates is not None:
        texts[problem.config.duplicates.source] = pa.repeat(source.name, len(joined))
    schema = records_schema(problem)
    nothing = pa.nulls(len(joined), pa.string())
    whole = pa.Table.from_arrays([texts.get(f.name, nothing) for f in schema], schema=schema)
    faults = _faults(problem, mapped.faults, whole, partition)
    is_whole = pc.is_null(faults)
    return Records(
        whole=whole.filter(is_whole),
        unmapped=whole.append_column("_fault", faults).filter(pc.invert(is_whole)),
        hits=dict(mapped.hits),
        unknown=dict(mapped.unknown),
    )


def _with_origins(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with what a mapping may ask of their origin; a partition has rows of few deliveries."""
    sequences = pc.unique(batch.column("_sequence")).to_pylist()
    if len(sequences) == 1:
        return with_origin(batch, batch.column("_file")[0].as_py(), sequences[0])
    parts, places = [], []
    for sequence in sequences:
        is_its = pc.equal(batch.column("_sequence"), sequence)
        part = batch.filter(is_its)
        places.append(pc.indices_nonzero(is_its))
        parts.append(with_origin(part, part.column("_file")[0].as_py(), sequence))
    if not parts:
        return with_origin(batch, "", 0)
    order = pc.sort_indices(pa.concat_arrays(places))
    return pa.Table.from_batches(parts).take(order).combine_chunks().to_batches()[0]


def _ids(
    problem: Problem, source: MappedSource, texts: dict[str, pa.Array], rows: pa.RecordBatch
) -> pa.Array:
    """What each row is about; made from delivery and row where the mapping does not say it."""
    numbers = (rows.column(name).cast(pa.string()) for name in ("_sequence", "_row"))
    made = pc.binary_join_element_wise(
        source.name, pc.binary_join_element_wise(*numbers, "-"), ":"
    )
    said = texts.get(problem.entity_id)
    return made if said is None else pc.coalesce(said, made)


def _faults(
    problem: Problem, mapped: pa.Array, rows: pa.Table, partition: str
) -> pa.ChunkedArray:
    """Every reason why a row cannot be used; null where there is none."""
    needed = [problem.event_time, *filter(None, [problem.location])]
    reasons = [
        pc.if_else(pc.is_null(rows[name]), f"{name}: the source says none", NONE)
        for name in needed
    ]
    if problem.location is not None:
        places = pc.unique(rows[problem.location]).to_pylist()
        odd = pa.array([each for each in places if each and not is_location(each)], pa.string())
        text = f"{problem.location}: can be no part of a partition's key"
        reasons.append(pc.if_else(pc.is_in(rows[problem.location], odd), text, NONE))
    found = _joined([pa.chunked_array([mapped]), *reasons])
    if partition != UNPLACED:
        return found
    return pc.fill_null(found, f"{problem.event_time}: lies in no partition")


def _joined(reasons: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    joined = reasons[0]
    for more in reasons[1:]:
        both = pc.binary_join_element_wise(joined, more, "; ")
        joined = pc.coalesce(both, joined, more)
    return joined
