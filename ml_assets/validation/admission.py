"""The gate: is a raw partition let into `validated`?

`admit` reads a partition's raw rows chunk by chunk, holds them to the contract, holds the
statistics of the valid ones against the partitions admitted before, and decides. Only then is
anything written: valid rows to `validated`, broken ones to `quarantined`; or, refused, all rows to
`quarantined` and none to `validated`. Whoever asks, the decision is made here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import TableNotFound
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.storage import Commit, Home, PartitionState
from ml_assets.validation.duplicates import repeated
from ml_assets.validation.record import (
    VERDICTS,
    Admission,
    last_admission,
    record,
    reference_of,
)
from ml_assets.validation.spool import Spool
from ml_assets.validation.statistics import Finding, findings
from ml_assets.validation.summary import Statistics, added, summarize
from ml_assets.validation.verdict import (
    CHUNK_ROWS,
    BrokenRule,
    Verdict,
    hold_to_contract,
    merged,
    rules_of,
)

CHUNK_BYTES = 64 << 20
"""Texts reach it before the number of rows does."""

BATCH_ROWS = 8_192
"""Rows read at a time; several such batches are read ahead."""

LIBRARIES = ("numpy", "pandas", "pandera", "pyarrow", "scipy")
"""Whose version may change a verdict."""

READING = {"missing", "true", "false", "date_formats"}
"""The part of a source's configuration that decides what a cell means."""

SHOWN = 3

Chunks = Callable[[list[str]], Iterator[pa.Table]]
"""Gives a partition's raw rows with the columns asked for, from the start at every call."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A whole partition held to its contract, without its rows."""

    rows_in: int
    rows_valid: int
    rules: int
    broken: tuple[BrokenRule, ...]
    schema_failures: tuple[str, ...]
    statistics: Statistics


class Decision(NamedTuple):
    """Why a partition is refused, if it is; and what was found on the way."""

    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]


def admit(
    problem: Problem, home: Home, partition: str, *, run_id: str, now: datetime
) -> Admission:
    """Decide about one raw partition and write what follows from it.

    What was decided before from the same raw rows, code, configuration and library versions is
    not decided again, as long as `validated` still holds it. The reference does not count there:
    a partition is judged by what was known when it came, so a revised month makes no later
    one stale. A refused partition is always judged anew, since its reference may have grown.

    A refused revision leaves the earlier admitted rows in `validated`; an empty partition, whose
    rows were withdrawn or moved elsewhere, takes them out.

    Args:
        problem: Whose contract and gate apply.
        home: Where `raw` is read, and verdicts and rows are written.
        partition: Key of the raw partition.
        run_id: Who asks.
        now: When the partition arrives.

    Raises:
        TableNotFound: If there is no such raw partition.
    """
    home.store.ensure(VERDICTS)
    version, raw = _raw_state(problem, home, partition)
    commit = Commit(
        run_id=run_id,
        code_hash=_code_hash(problem),
        fingerprint=verdict_fingerprint(problem, raw),
    )
    live = home.lake.partitions(f"{problem.name}/validated")
    last = last_admission(problem, home.store, partition, live.get(partition))
    if last is not None and _still_holds(problem, home, last, commit):
        return replace(last, unchanged=True)
    chunks = _raw_chunks(problem, home, raw, version)
    admission = _admit(problem, home, raw, commit, chunks=chunks, live=live, now=now)
    record(problem, home.store, admission)
    return admission


def hold_partition(
    problem: Problem, chunks: Chunks, *, partition: str, valid: Spool, broken: Spool
) -> Held:
    """Hold a partition to its contract chunk by chunk, keeping its rows in the two spools."""
    duplicated = repeated(problem, chunks)
    verdicts: list[Verdict] = []
    statistics = []
    rows_in = 0
    for raw in chunks([]):
        verdict = hold_to_contract(problem, raw, partition=partition, duplicated=duplicated)
        duplicated = tuple(key.after(raw) for key in duplicated)
        valid.add(verdict.valid)
        broken.add(verdict.quarantined)
        statistics.append(summarize(problem, verdict.valid))
        verdicts.append(verdict.without_rows())
        rows_in += len(raw)
    return Held(
        rows_in=rows_in,
        rows_valid=valid.rows,
        rules=max(each.rules for each in verdicts),
        broken=merged(each.broken_rules for each in verdicts),
        schema_failures=tuple(
            dict.fromkeys(failure for each in verdicts for failure in each.schema_failures)
        ),
        statistics=added(statistics),
    )


def decide(
    problem: Problem, held: Held, reference: Statistics | None, *, now: datetime
) -> Decision:
    """Say why a partition must be refused, if it must.

    Args:
        problem: Whose `gate` applies.
        held: The partition, held to its contract.
        reference: Statistics of the partitions admitted before it.
        now: When the partition arrives.
    """
    if not held.rows_in:
        return Decision(("It has no rows.",), ())
    found = findings(problem, held.statistics, reference, now=now) if held.rows_valid else ()
    refusing = [finding.text for finding in found if finding.action == "refuse"]
    return Decision((*_broken_promises(problem, held), *refusing), found)


def _admit(
    problem: Problem,
    home: Home,
    raw: PartitionState,
    commit: Commit,
    *,
    chunks: Chunks,
    live: dict[str, PartitionState],
    now: datetime,
) -> Admission:
    """Judge a partition and write its rows; nothing is written before it is decided."""
    partition = raw.partition
    keys, reference = reference_of(problem, home.store, partition, live)
    with Spool() as valid, Spool() as broken:
        held = hold_partition(problem, chunks, partition=partition, valid=valid, broken=broken)
        admission = Admission(
            **_decided(held, decide(problem, held, reference, now=now)),
            partition=partition,
            reference=keys,
            raw_hash=raw.content_hash,
            fingerprint=commit.fingerprint,
            run_id=commit.run_id,
            at=now,
            state=live.get(partition),
        )
        rows = broken.reader()
        if not admission.admitted:
            rows = _all_rows(problem, chunks, admission, broken.schema)
        return _write(problem, home, admission, commit, valid=valid, quarantined=rows)


def _decided(held: Held, decision: Decision) -> dict[str, Any]:
    """The part of an admission that follows from the rows."""
    valid = 0 if decision.reasons else held.rows_valid
    return {
        "admitted": not decision.reasons,
        "reasons": decision.reasons,
        "rows_in": held.rows_in,
        "rows_valid": valid,
        "rows_quarantined": held.rows_in - valid,
        "rules": held.rules,
        "broken": held.broken,
        "findings": decision.findings,
        "statistics": held.statistics,
    }


def _broken_promises(problem: Problem, held: Held) -> Iterator[str]:
    """What the contract itself holds against a partition."""
    gate = problem.config.gate
    yield from (f"It cannot be judged: {failure}." for failure in held.schema_failures)
    if not held.rules and not held.schema_failures:
        advice = (
            "The source could not give one of them whole."
            if rules_of(problem)
            else f"Give the contract {problem.contract.__name__} at least one rule."
        )
        yield (
            f"No rule was asked of its {held.rows_in:,} rows, and a gate that ran no check is a "
            f"failed gate. {advice}"
        )
    quarantined = held.rows_in - held.rows_valid
    if quarantined > gate.max_quarantine_rate * held.rows_in:
        most = ", ".join(f"{each.rule} ({each.rows:,})" for each in held.broken[:SHOWN])
        yield (
            f"{quarantined:,} of {held.rows_in:,} rows were quarantined "
            f"({quarantined / held.rows_in:.0%}, at most {gate.max_quarantine_rate:.0%} "
            f"allowed). Most broken: {most or 'none'}. Correct the source; the quarantined rows "
            f"say what is wrong with each."
        )
    elif held.rows_valid < gate.min_rows:
        yield f"It has {held.rows_valid:,} valid rows; gate.min_rows is {gate.min_rows:,}."


def _write(
    problem: Problem,
    home: Home,
    admission: Admission,
    commit: Commit,
    *,
    valid: Spool,
    quarantined: pa.RecordBatchReader,
) -> Admission:
    """Write what was decided; the broken rows first, so that a kill in between loses none."""
    lake, partition = home.lake, admission.partition
    if admission.rows_quarantined:
        lake.write(f"{problem.name}/quarantined", partition, quarantined, commit=commit)
    else:
        lake.delete(f"{problem.name}/quarantined", partition, commit=commit)
    if admission.admitted:
        table = f"{problem.name}/validated"
        state = lake.write(table, partition, valid.reader(), commit=commit)
        return replace(admission, state=state)
    if not admission.rows_in:
        lake.delete(f"{problem.name}/validated", partition, commit=commit)
        return replace(admission, state=None)
    return admission


def _still_holds(problem: Problem, home: Home, last: Admission, commit: Commit) -> bool:
    """Whether the last decision was an admission made from the same, and its rows are there."""
    if not last.admitted or last.fingerprint != commit.fingerprint or last.state is None:
        return False
    if last.state.fingerprint != commit.fingerprint:
        return False
    if not last.rows_quarantined:
        return True
    broken = home.lake.partitions(f"{problem.name}/quarantined").get(last.partition)
    return broken is not None and broken.fingerprint == commit.fingerprint


def _raw_state(problem: Problem, home: Home, partition: str) -> tuple[int, PartitionState]:
    """The raw partition as it is now, and the version of the table that says so."""
    table = f"{problem.name}/raw"
    version = home.lake.version(table)
    states = {} if version is None else home.lake.partitions(table, version=version)
    if version is None or partition not in states:
        some = ", ".join(list(states)[-3:]) or "none yet"
        raise TableNotFound(f"{table} has no partition {partition}; the newest are: {some}.")
    return version, states[partition]


def _raw_chunks(problem: Problem, home: Home, raw: PartitionState, version: int) -> Chunks:
    """Raw rows of one partition; a small one is read once, a large one at every call."""
    table = f"{problem.name}/raw"
    if raw.rows <= CHUNK_ROWS:
        rows = home.lake.read(table, partitions=[raw.partition], version=version)
        rows = rows.drop_columns("partition")
        if rows.nbytes <= CHUNK_BYTES:
            return lambda columns: iter([_selected(rows, columns)])

    def chunks(columns: list[str]) -> Iterator[pa.Table]:
        everything = home.lake.batches(
            table, partitions=[raw.partition], version=version, rows=BATCH_ROWS
        )
        names = [name for name in everything.schema.names if name != "partition"]
        if not columns:
            return _regrouped(everything, names)
        everything.close()
        wanted = [name for name in columns if name in names]
        reader = home.lake.batches(
            table, partitions=[raw.partition], columns=wanted, version=version
        )
        return _regrouped(reader, wanted)

    return chunks


def _selected(rows: pa.Table, columns: list[str]) -> pa.Table:
    return rows.select([c for c in columns if c in rows.column_names]) if columns else rows


def _regrouped(reader: pa.RecordBatchReader, names: list[str]) -> Iterator[pa.Table]:
    """Batches joined until a chunk is full; an empty table when there are none."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        if group and (rows + batch.num_rows > CHUNK_ROWS or size + batch.nbytes > CHUNK_BYTES):
            yield pa.Table.from_batches(group).select(names)
            group, rows, size = [], 0, 0
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    yield pa.Table.from_batches(group, reader.schema).select(names)


def _all_rows(
    problem: Problem, chunks: Chunks, admission: Admission, schema: pa.Schema
) -> pa.RecordBatchReader:
    """Every row of a refused partition with its own reasons, or else with the partition's."""
    why = " ".join(admission.reasons)
    shared = pa.scalar(f"the partition was refused: {why}", pa.string())

    def batches() -> Iterator[pa.RecordBatch]:
        duplicated = repeated(problem, chunks)
        for raw in chunks([]):
            verdict = hold_to_contract(
                problem, raw, partition=admission.partition, duplicated=duplicated
            )
            duplicated = tuple(key.after(raw) for key in duplicated)
            reasons = pc.coalesce(verdict.reasons, shared)
            yield from raw.append_column("reasons", reasons).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def verdict_fingerprint(problem: Problem, raw: PartitionState) -> str:
    """Of everything the decision about a raw partition is made from, the reference apart."""
    config = problem.config
    return fingerprint(
        raw=raw.content_hash,
        code=_code_hash(problem),
        gate=config.gate.model_dump(mode="json"),
        source=config.source.model_dump(mode="json", include=READING),
        grain=config.partitions.grain,
        imbalance=config.training.imbalance,
        libraries=_versions(),
    )


def _code_hash(problem: Problem) -> str:
    contract: Any = problem.contract
    return _hash_of(contract)


@cache
def _hash_of(contract: type) -> str:
    return source_hash(contract, hold_partition, decide)


@cache
def _versions() -> dict[str, str]:
    return library_versions(*LIBRARIES)
