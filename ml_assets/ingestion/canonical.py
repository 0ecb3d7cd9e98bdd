"""From the rows of several sources to `raw`: mapped, and those about one thing become one row.

A partition of `raw` is made from the same partition of every `raw_<source>`. Rows in = canonical +
merged + unmapped, for each source; an unmapped row is in `raw` with its faults, where the gate finds
and quarantines it. What is still said differently of one thing is in `findings`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import ProblemError
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.ingestion.duplicates import Rules, merge
from ml_assets.ingestion.mapping import apply
from ml_assets.ingestion.parquet_rows import as_text
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.records import GIVEN, ORIGIN, Records, records_of, records_schema
from ml_assets.ingestion.shares import Share, remember_shares
from ml_assets.ingestion.sources import MappedSource, mapped_sources
from ml_assets.ingestion.times import moment
from ml_assets.problem import Problem
from ml_assets.progress import track
from ml_assets.storage import Commit, Home, PartitionState

WON, MEMBERS, FAULT = "_won", "_members", "_fault"
FINDINGS = "findings"
TIME = pa.timestamp("us", "UTC")
LIBRARIES = ("pint", "pyarrow", "splink")
"""Whose version may change what a row becomes."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """One partition of `raw`, made of its sources.

    Attributes:
        partition: Its key.
        state: What `raw` holds now.
        made_of: Content of the `raw_<source>` partitions, by source.
        shares: What became of each source's rows; empty where nothing was done.
        findings: What records of one thing say differently.
        changed: Whether it was made anew.
    """

    partition: str
    state: PartitionState
    made_of: Mapping[str, str]
    shares: tuple[Share, ...] = ()
    findings: int = 0
    changed: bool = True


def join_sources(
    problem: Problem, home: Home, partitions: Sequence[str], *, run_id: str
) -> Iterator[Joined]:
    """Make partitions of `raw` from those of the sources, where anything is another than before.

    Args:
        problem: Its mappings say what rows mean, its duplicates which are about one thing.
        home: Where the tables are.
        partitions: Keys; those that no source has or had are left out. Rows that could not be
            placed are always joined.
        run_id: Who asks.
    """
    plan = Plan.of(problem, home)
    wanted = (key for key in sorted({*partitions, UNPLACED}) if key in plan.partitions)
    for partition in track(list(wanted), f"join {problem.name}"):
        state, mark = plan.live.get(partition), plan.fingerprint(partition)
        made_of = {name: each.content_hash for name, each in plan.made_of(partition).items()}
        if state is not None and state.fingerprint == mark:
            yield Joined(partition=partition, state=state, made_of=made_of, changed=False)
            continue
        commit = Commit(run_id=run_id, code_hash=join_code(), fingerprint=mark)
        yield _made(plan, home, partition, commit, made_of)


def outdated_joins(problem: Problem, home: Home) -> list[str]:
    """Partitions of `raw` that are not what the rows of its sources would be made into now."""
    plan = Plan.of(problem, home)
    return [
        key
        for key in plan.partitions
        if key not in plan.live or plan.live[key].fingerprint != plan.fingerprint(key)
    ]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `raw` is, and what it is to be made of.

    Attributes:
        problem: Whose.
        sources: Its sources, by name.
        live: What `raw` holds.
        states: What the table of each source holds, by source.
    """

    problem: Problem
    sources: Mapping[str, MappedSource]
    live: Mapping[str, PartitionState]
    states: Mapping[str, Mapping[str, PartitionState]]

    @classmethod
    def of(cls, problem: Problem, home: Home) -> Self:
        """The plan as of now; empty for a problem without mappings."""
        sources, tables = mapped_sources(problem), home.lake.partitions
        return cls(
            problem=problem,
            sources=sources,
            live=tables(f"{problem.name}/raw") if sources else {},
            states={
                name: tables(f"{problem.name}/{each.noun}") for name, each in sources.items()
            },
        )

    @property
    def partitions(self) -> list[str]:
        """Every partition that `raw` or a source has, sorted."""
        return sorted({*self.live, *(key for each in self.states.values() for key in each)})

    def made_of(self, partition: str) -> dict[str, PartitionState]:
        """What the sources that have rows of a partition hold of it, by source."""
        states = {name: each.get(partition) for name, each in self.states.items()}
        return {name: each for name, each in states.items() if each is not None and each.rows}

    def fingerprint(self, partition: str) -> str:
        """Of everything that a partition of `raw` is made from."""
        parts = {
            name: (state.content_hash, source.meaning, source.worth(partition))
            for name, state in self.made_of(partition).items()
            for source in [self.sources[name]]
        }
        return fingerprint(
            parts=parts,
            duplicates=self.problem.config.duplicates,
            columns=list(self.problem.fields),
            code=join_code(),
            libraries=_versions(),
        )


class _Rows(NamedTuple):
    """A partition of `raw` that is not written yet."""

    rows: pa.Table
    shares: tuple[Share, ...]
    findings: pa.Table | None


def _made(
    plan: Plan, home: Home, partition: str, commit: Commit, made_of: Mapping[str, str]
) -> Joined:
    """Read, map, merge and write a partition; `raw` last, so that a kill leaves it to be done."""
    problem = plan.problem.name
    read = {
        name: home.lake.read(
            f"{problem}/{plan.sources[name].noun}", partitions=[partition]
        ).drop_columns("partition")
        for name in made_of
    }
    done = _joined(plan, read, partition)
    live = plan.live.get(partition)
    remember_shares(home.store, problem, partition, commit.fingerprint, done.shares, live=live)
    if done.findings is not None:
        home.lake.write(f"{problem}/{FINDINGS}", partition, done.findings, commit=commit)
    return Joined(
        partition=partition,
        state=home.lake.write(f"{problem}/raw", partition, done.rows, commit=commit),
        made_of=made_of,
        shares=done.shares,
        findings=0 if done.findings is None else len(done.findings),
    )


def _joined(plan: Plan, read: Mapping[str, pa.Table], partition: str) -> _Rows:
    """The rows of a partition, from those of its sources."""
    records = {
        name: records_of(plan.problem, plan.sources[name], rows, partition=partition)
        for name, rows in read.items()
    }
    empty = records_schema(plan.problem).empty_table()
    whole = pa.concat_tables([empty, *(each.whole for each in records.values())])
    merged, canonical, findings = _merged(plan.problem, whole)
    unmapped = [_as_raw(each.unmapped) for each in records.values()]
    rows = pa.concat_tables([_as_raw(canonical), *unmapped]).select(raw_columns(plan.problem))
    shares = [_share(name, each, merged.get(name, 0)) for name, each in records.items()]
    return _Rows(rows, tuple(shares), findings)


def _share(name: str, records: Records, merged: int) -> Share:
    return Share(
        source=name,
        rows=len(records.whole) + len(records.unmapped),
        canonical=len(records.whole) - merged,
        merged=merged,
        unmapped=len(records.unmapped),
        hits=records.hits,
        unknown=records.unknown,
    )


def raw_columns(problem: Problem) -> list[str]:
    """Columns of `raw` where it is made of several sources."""
    return [*problem.fields, GIVEN, WON, MEMBERS, *ORIGIN, FAULT]


def _as_raw(rows: pa.Table) -> pa.Table:
    """Rows with the columns that only others have."""
    for name in (WON, MEMBERS, FAULT):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
    return rows.select(sorted(rows.column_names))


def _merged(
    problem: Problem, whole: pa.Table
) -> tuple[Mapping[str, int], pa.Table, pa.Table | None]:
    """How many rows of each source became part of another's, the canonical rows, the findings."""
    if problem.config.duplicates is None:
        return {}, whole, None
    rules = Rules.of(problem)
    typed = _typed(problem, whole, {*rules.declared.columns, problem.event_time})
    done = merge(typed.select(list(problem.fields)), rules)
    return done.merged, _with_origin(problem, whole, done.canonical), done.findings


def _typed(problem: Problem, rows: pa.Table, columns: set[str]) -> pa.Table:
    """The same rows with numbers and times where rules compare them."""
    for name in columns:
        position, kind = rows.column_names.index(name), problem.fields[name].kind
        if kind in ("number", "integer"):
            rows = rows.set_column(position, name, _numbers(name, rows[name]))
        elif kind == "time":
            rows = rows.set_column(position, name, _times(rows[name]))
    return rows


def _numbers(name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(texts, pa.float64())
    except pa.ArrowInvalid as error:
        raise ProblemError(
            f"{name} is a number, and a mapping gives other texts ({error}). Say kind: number in its "
            "rule."
        ) from None


def _times(texts: pa.ChunkedArray) -> pa.Array:
    encoded = texts.combine_chunks().dictionary_encode()
    times = pa.array([moment(text, ()) for text in encoded.dictionary.to_pylist()], TIME)
    return times.take(encoded.indices)


def _with_origin(problem: Problem, whole: pa.Table, canonical: pa.Table) -> pa.Table:
    """Canonical rows as text, each with the origin of the record that leads it."""
    source = str(problem.config.duplicates and problem.config.duplicates.source)
    keys = zip(whole[source].to_pylist(), whole[problem.entity_id].to_pylist(), strict=True)
    first: dict[tuple[str, str], int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    members = [json.loads(text) for text in canonical[MEMBERS].to_pylist()]
    leads = pa.array([first[each[0]["source"], each[0]["id"]] for each in members], pa.int64())
    texts = {
        name: pa.chunked_array([as_text(canonical[name].combine_chunks())], pa.string())
        for name in canonical.column_names
    }
    origin = {name: whole[name].take(leads) for name in ORIGIN}
    return pa.table({**texts, **origin, GIVEN: _given(whole[GIVEN], canonical, members, first)})


def _given(
    given: pa.ChunkedArray,
    canonical: pa.Table,
    members: Sequence[Sequence[Mapping[str, str]]],
    first: Mapping[tuple[str, str], int],
) -> pa.Array:
    """What sources said of a canonical row's values where they were converted, as JSON."""
    texts = given.to_pylist()
    found: list[str | None] = []
    for won, records in zip(canonical[WON].to_pylist(), members, strict=True):
        rows = {each["source"]: first[each["source"], each["id"]] for each in reversed(records)}
        if won is None:
            found.append(texts[rows[records[0]["source"]]])
            continue
        said = {source: json.loads(texts[row] or "{}") for source, row in rows.items()}
        kept = {
            name: said[source][name]
            for name, source in json.loads(won).items()
            if name in said[source]
        }
        found.append(json.dumps(kept, ensure_ascii=False) if kept else None)
    return pa.array(found, pa.string())


@cache
def join_code() -> str:
    """Hash of the source that makes `raw` of the rows of sources."""
    return source_hash(apply, merge, _joined)


@cache
def _versions() -> dict[str, str]:
    return library_versions(*LIBRARIES)
