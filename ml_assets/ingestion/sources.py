"""The sources of a problem whose mappings turn their rows into rows of the contract.

A source is a file `sources/<name>.yaml` in the problem's folder. Here it becomes a feed: its files
are read into `raw_<name>` with the columns that they have, each row in the partition that
its mapping says. What a mapping does to a row is for `mapping`, what becomes of the rows of several
sources for `canonical`.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pyarrow as pa

from ml_assets.errors import ProblemError
from ml_assets.fingerprint import fingerprint
from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.files import Stamp
from ml_assets.ingestion.ledger import Delivery
from ml_assets.ingestion.mapping import Mapping, Rates, apply, mappings_of
from ml_assets.ingestion.placing import UNPLACED, Placing, in_partitions
from ml_assets.ingestion.reading import REST, Columns, Reading
from ml_assets.problem import Key, Problem
from ml_assets.problem.partitions import window_of

ENTITY = "_entity"
"""Column of `raw_<source>`: what its mapping says that a row is about; newer versions replace it."""
RATES = "rates.csv"
FETCHED = "fetched"
LONGEST_WINDOW = dt.timedelta(days=31)
"""Of a partition; and a rate is no older than that."""
DELIVERED_AT = "_delivered_at"


@dataclass(frozen=True, kw_only=True)
class MappedSource:
    """One source of a problem.

    Attributes:
        name: That of its file.
        path: The file.
        mapping: What it says.
        rates: What currencies were worth; None where the problem has no table of rates.
        reading: How its files are read.
    """

    name: str
    path: Path
    mapping: Mapping
    rates: Rates | None
    reading: Reading

    @property
    def noun(self) -> str:
        """Name of its table and asset."""
        return f"raw_{self.name}"

    @cached_property
    def meaning(self) -> str:
        """Hash of what the mapping makes of a row."""
        silent = {"origin", "terms", "files"}
        silent |= set() if self.mapping.strict else {"unmapped"}
        return fingerprint(rules=self.mapping.model_dump(mode="json", exclude=silent))

    def worth(self, partition: str) -> list[object]:
        """The rates that amounts of a partition may be converted at; a newer rate is not among them."""
        asks = any(rule.currency for rules in self.mapping.columns.values() for rule in rules)
        if self.rates is None or not asks or partition == UNPLACED:
            return []
        first = dt.date.fromisoformat(f"{Key.of(partition).window}-01"[:10])
        since, until = first - LONGEST_WINDOW, first + LONGEST_WINDOW
        days = range(bisect_left(self.rates.days, since), bisect_left(self.rates.days, until))
        return [
            (self.rates.days[i], {c: w[i] for c, w in self.rates.worth.items()}) for i in days
        ]


def mapped_sources(problem: Problem) -> dict[str, MappedSource]:
    """The sources of a problem by name, as their files are now; none where it has one `raw` alone.

    Raises:
        ProblemError: If a mapping cannot be used, or does not say where its rows belong.
    """
    mappings, rates = _read(problem.sources)
    return {
        name: MappedSource(
            name=name,
            path=problem.sources / f"{name}.yaml",
            mapping=mapping,
            rates=rates,
            reading=_reading(problem, name, mapping),
        )
        for name, mapping in mappings.items()
    }


def fetched_folder(home: Path, problem: str, source: str) -> Path:
    """Where the files are that were fetched of a source."""
    return home / FETCHED / problem / source


def is_fetched(path: Path, source: str) -> bool:
    """Whether a file is where those are that were fetched of a source."""
    return path.parent.name == source and path.parents[2].name == FETCHED


def source_feed(
    problem: Problem, source: MappedSource, *, takes: Callable[[Path], bool]
) -> Feed:
    """The feed of a source into `raw_<source>`."""
    config = problem.config
    return Feed(
        problem=problem.name,
        name=f"{problem.name}.{source.name}",
        table=f"{problem.name}/{source.noun}",
        reading=source.reading,
        placing=lambda delivery: MappedPlacing(problem, source, delivery),
        takes=takes,
        start=window_of(config.partitions.start, config.partitions.grain),
        max_unplaced_rate=config.gate.max_quarantine_rate,
    )


class MappedPlacing:
    """Finds the partitions of rows by the mapping of their source.

    Args:
        problem: Whose columns say where a row belongs.
        source: Whose mapping fills them.
        delivery: Whose rows are placed.
    """

    def __init__(self, problem: Problem, source: MappedSource, delivery: Delivery) -> None:
        self._problem = problem
        self._source = source
        self._delivery = delivery
        self._placing = Placing(source.reading)
        wanted = {problem.entity_id, problem.event_time, problem.location}
        self._where = _only(source.mapping, wanted)

    def cut(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of `batch` by partition, with the column `ENTITY`."""
        rows = with_origin(batch, self._delivery.name, self._delivery.sequence)
        mapped = apply(self._where, rows, rates=self._source.rates).rows
        if self.has_ids(Columns({}, (), ())):
            batch = batch.append_column(ENTITY, mapped.column(self._problem.entity_id))
        location = self._problem.location
        places = None if location is None else mapped.column(location)
        times = mapped.column(self._problem.event_time)
        yield from in_partitions(batch, *self._placing.keys(times, places))

    def has_ids(self, columns: Columns) -> bool:  # noqa: ARG002 - it is the mapping that says it
        """Whether the mapping says what a row is about."""
        return self._problem.entity_id in self._source.mapping.columns

    def nothing_placed(self, name: str, rows: int) -> str:
        """Why a file of which no row could be placed is refused."""
        where = " and ".join(filter(None, (self._problem.event_time, self._problem.location)))
        return (
            f"{name}: not one of {rows:,} rows has a {where} that can be read. Look at these columns "
            f"in sources/{self._source.path.name}, or at the file: did its columns change?"
        )


def with_origin(batch: pa.RecordBatch, file: str, sequence: int) -> pa.RecordBatch:
    """Rows with the columns of origin that a mapping may name."""
    delivered_at = dt.datetime.fromtimestamp(sequence / 1e6, dt.UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    made = {
        "_file": pa.repeat(file, len(batch)),
        "_row": batch.column("_row").cast(pa.string()),
        DELIVERED_AT: pa.repeat(delivered_at, len(batch)),
    }
    kept = {name: batch.column(name) for name in batch.schema.names if name not in made}
    return pa.record_batch({**kept, **made})


def _only(mapping: Mapping, wanted: "set[str | None]") -> Mapping:
    """The same mapping for some columns, and those whose days they need."""
    rules = {name: each for name, each in mapping.columns.items() if name in wanted}
    days = {rule.dated_by for each in rules.values() for rule in each} - {None}
    needed = {
        name: each for name, each in mapping.columns.items() if name in days | rules.keys()
    }
    return mapping.model_copy(update={"columns": needed})


def _read(folder: Path) -> tuple[dict[str, Mapping], Rates | None]:
    """Mappings and rates of a folder, as its files are now."""
    files = (*sorted(folder.glob("*.yaml")), folder / RATES)
    return _read_as_of(folder, tuple(stamp for path in files if (stamp := Stamp.of(path))))


@cache
def _read_as_of(
    folder: Path, stamps: tuple[Stamp, ...]
) -> tuple[dict[str, Mapping], Rates | None]:
    has_rates = any(Path(stamp.path).name == RATES for stamp in stamps)
    rates = Rates.from_file(folder / RATES) if has_rates else None
    mappings = mappings_of(folder)
    for name in mappings:
        if not name.isidentifier() or not (folder / f"{name}.yaml").exists():
            raise ProblemError(
                f"A source is called as its file, in letters, digits and _; {name!r} is not."
            )
    return mappings, rates


def _reading(problem: Problem, name: str, mapping: Mapping) -> Reading:
    mapping.require_columns(list(problem.fields))
    needed = [problem.event_time, *filter(None, [problem.location])]
    if absent := [column for column in needed if column not in mapping.columns]:
        raise ProblemError(
            f"sources/{name}.yaml does not say {' and '.join(absent)}, so nobody knows which "
            "partitions its rows belong to. Add a rule, or a constant."
        )
    raw = tuple(mapping.raw_columns)
    return Reading(
        columns=(ENTITY, *raw),
        names={name: name for name in raw},
        required=(),
        entity_id=ENTITY,
        event_time=problem.event_time,
        missing=("",),
        date_formats=(),
        grain=problem.config.partitions.grain,
        location=problem.location,
        rest=REST,
        mapped_by=fingerprint(where=_where(problem, mapping), columns=raw),
    )


def _where(problem: Problem, mapping: Mapping) -> dict[str, object]:
    """The part of a mapping that decides where rows go, and which version of them stays."""
    wanted = {problem.entity_id, problem.event_time, problem.location}
    return _only(mapping, wanted).model_dump(
        mode="json", exclude={"unmapped", "origin", "terms"}
    )
