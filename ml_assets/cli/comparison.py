"""What differs between two tables, two partitions, or two model versions, largest first.

Tables are compared inside DuckDB, column by column, so that their size does not matter.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ml_assets.errors import TableNotFound
from ml_assets.evaluation import METRICS
from ml_assets.storage import Lake
from ml_assets.validation.statistics import psi

if TYPE_CHECKING:
    import duckdb

QUANTILES = 10
CATEGORIES = 50
PROSE_SHARE = 0.5
"""A text column with more distinct values than this per row is compared by its lengths."""

Aspect = Literal[
    "schema",
    "rows",
    "missing",
    "distinct",
    "mean",
    "distribution",
    "metric",
    "axis",
    "manifest",
]
Kind = Literal["number", "time", "category"]


class Place(NamedTuple):
    """A table, or one partition of it."""

    table: str
    partition: str | None

    @classmethod
    def parsed(cls, text: str) -> "Place":
        """Read `problem/noun` or `problem/noun@partition`."""
        table, _, partition = text.partition("@")
        return cls(table=table, partition=partition or None)

    def __str__(self) -> str:
        return f"{self.table}@{self.partition}" if self.partition else self.table


class Difference(NamedTuple):
    """One thing in which two sides differ."""

    aspect: Aspect
    name: str
    a: object
    b: object
    size: float
    """0 is the same. Shares and metrics: how far apart; counts and errors of values: the
    logarithm of their ratio; means: in standard deviations; distributions: population stability index; what cannot be
    measured, such as another type: infinite."""


class Column(NamedTuple):
    """A column, and what is in it on one side."""

    name: str
    type: str
    rows: int
    missing: int
    distinct: int
    mean: float | None
    deviation: float | None

    @property
    def missing_rate(self) -> float:
        """Share of rows without a value."""
        return self.missing / self.rows if self.rows else 0.0


def compare_tables(lake: Lake, a: Place, b: Place) -> list[Difference]:
    """Compare schema, statistics and distributions of two places in the lake.

    Raises:
        TableNotFound: If one of them holds no rows; the message says what there is.
    """
    for place in (a, b):
        _require(lake, place)
    with lake.connect() as connection:
        sides = [_columns(connection, place) for place in (a, b)]
        found = [*_schema(*sides), *_rows(*sides)]
        for name in sides[0].keys() & sides[1].keys():
            found += _statistics(sides[0][name], sides[1][name])
            found += _distribution(connection, (a, b), sides[0][name], sides[1][name])
    return ranked(found)


def compare_metrics(a: Mapping[str, float], b: Mapping[str, float]) -> Iterator[Difference]:
    """Compare metrics of the same name."""
    for name in a.keys() & b.keys():
        known = METRICS.get(name)
        has_unit = known is not None and known.changes_in_shares
        size = _log_ratio(a[name], b[name]) if has_unit else abs(a[name] - b[name])
        yield Difference("metric", name, a[name], b[name], size)


def ranked(found: Iterable[Difference]) -> list[Difference]:
    """Differences that are any, the largest first."""
    some = [each for each in found if each.size > 0]
    return sorted(some, key=lambda each: (-each.size, each.aspect, each.name))


def _require(lake: Lake, place: Place) -> None:
    held = lake.partitions(place.table)
    if held and (place.partition is None or place.partition in held):
        return
    there = (
        f"partitions {_ends(sorted(held))}" if held else f"tables {', '.join(lake.tables())}"
    )
    raise TableNotFound(f"There is no {place}; there are the {there}.")


def _ends(keys: list[str]) -> str:
    return ", ".join(keys) if len(keys) < 4 else f"{keys[0]} … {keys[-1]}"  # noqa: PLR2004


def _source(place: Place) -> str:
    problem, noun = place.table.split("/")
    view = f'"{problem}"."{noun}"'
    if place.partition is None:
        return f"(select * exclude (partition) from {view})"
    key = place.partition.replace("'", "''")
    return f"(select * exclude (partition) from {view} where partition = '{key}')"


def _columns(connection: "duckdb.DuckDBPyConnection", place: Place) -> dict[str, Column]:
    described = connection.execute(f"describe select * from {_source(place)}").fetchall()
    return {name: _column(connection, place, name, kind) for name, kind, *_ in described}


def _column(
    connection: "duckdb.DuckDBPyConnection", place: Place, name: str, kind: str
) -> Column:
    number = _as_number(name, kind)
    moments = f"avg({number}), stddev_pop({number})" if number else "null, null"
    quoted = _quoted(name)
    ((rows, present, distinct, mean, deviation),) = connection.execute(
        f"select count(*), count({quoted}), approx_count_distinct({quoted}), {moments} "
        f"from {_source(place)}"
    ).fetchall()
    return Column(
        name=name,
        type=kind,
        rows=rows,
        missing=rows - present,
        distinct=distinct,
        mean=mean,
        deviation=deviation,
    )


def _schema(a: dict[str, Column], b: dict[str, Column]) -> Iterator[Difference]:
    for name in sorted(a.keys() | b.keys()):
        before, after = (side[name].type if name in side else None for side in (a, b))
        if before != after:
            yield Difference("schema", name, before, after, math.inf)


def _rows(a: dict[str, Column], b: dict[str, Column]) -> Iterator[Difference]:
    before, after = (max((each.rows for each in side.values()), default=0) for side in (a, b))
    yield Difference("rows", "", before, after, _log_ratio(before, after))


def _statistics(a: Column, b: Column) -> Iterator[Difference]:
    gap = abs(a.missing_rate - b.missing_rate)
    yield Difference("missing", a.name, a.missing_rate, b.missing_rate, gap)
    if _kind(a.type) == "category" and not _is_prose(a, b):
        size = _log_ratio(a.distinct, b.distinct)
        yield Difference("distinct", a.name, a.distinct, b.distinct, size)
    if a.mean is not None and b.mean is not None and _kind(a.type) == "number":
        spread = max(a.deviation or 0.0, b.deviation or 0.0)
        size = abs(a.mean - b.mean) / spread if spread else float(a.mean != b.mean)
        yield Difference("mean", a.name, a.mean, b.mean, size)


def _distribution(
    connection: "duckdb.DuckDBPyConnection", places: tuple[Place, Place], a: Column, b: Column
) -> Iterator[Difference]:
    """The stability index over the deciles, or the most frequent categories, of both sides."""
    if a.type != b.type or a.rows == a.missing or b.rows == b.missing:
        return
    bins = _bins(connection, places, a, b)
    counts = [_counts(connection, place, bins) for place in places]
    keys = sorted(counts[0].keys() | counts[1].keys())
    pairs = [np.array([side.get(key, 0) for key in keys], dtype=float) for side in counts]
    size = psi(pairs[1], pairs[0])
    yield Difference("distribution", a.name, _most(counts[0]), _most(counts[1]), size)


def _bins(
    connection: "duckdb.DuckDBPyConnection", places: tuple[Place, Place], a: Column, b: Column
) -> str:
    """SQL that names the bin of a row, the same on both sides."""
    number = _as_number(a.name, a.type)
    if number is None and _is_prose(a, b):
        number = f"length({_quoted(a.name)})"
    both = " union all ".join(f"select * from {_source(place)}" for place in places)
    if number is None:
        text = f"{_quoted(a.name)}::varchar"
        top = (
            f"select {text} from ({both}) where {text} is not null "
            f"group by 1 order by count(*) desc, 1 limit {CATEGORIES}"
        )
        return f"case when {text} in ({top}) then {text} when {text} is not null then '(others)' end"
    steps = [round(step / QUANTILES, 3) for step in range(1, QUANTILES)]
    ((edges,),) = connection.execute(
        f"select quantile_disc({number}, {steps}) from ({both})"
    ).fetchall()
    unique = sorted(set(edges or []))
    cases = " ".join(f"when {number} <= {edge!r} then 'up to {edge:.6g}'" for edge in unique)
    return f"case when {number} is null then null {cases} else 'beyond' end"


def _counts(connection: "duckdb.DuckDBPyConnection", place: Place, bins: str) -> dict[str, int]:
    rows = connection.execute(
        f"select bin, count(*) from (select {bins} as bin from {_source(place)}) "
        "where bin is not null group by bin"
    ).fetchall()
    return {str(name): int(count) for name, count in rows}


def _most(counts: Mapping[str, int]) -> str:
    """The most frequent bin and its share."""
    total = sum(counts.values())
    if not total:
        return "no values"
    name = max(counts, key=lambda each: (counts[each], each))
    return f"{name[:40]}: {counts[name] / total:.0%}"


def _as_number(name: str, kind: str) -> str | None:
    """SQL of a column as a number; None for text and yes or no."""
    match _kind(kind):
        case "number":
            return f"{_quoted(name)}::double"
        case "time":
            return f"epoch({_quoted(name)})"
        case _:
            return None


def _kind(kind: str) -> Kind:
    if kind.startswith(("TIMESTAMP", "DATE")):
        return "time"
    numbers = (
        "DOUBLE",
        "FLOAT",
        "DECIMAL",
        "BIGINT",
        "INTEGER",
        "SMALLINT",
        "TINYINT",
        "HUGEINT",
    )
    return "number" if kind.removeprefix("U").startswith(numbers) else "category"


def _is_prose(a: Column, b: Column) -> bool:
    return a.type == "VARCHAR" and all(
        side.distinct > PROSE_SHARE * max(side.rows - side.missing, 1) for side in (a, b)
    )


def _log_ratio(a: float, b: float) -> float:
    if a == b:
        return 0.0
    return abs(math.log(a / b)) if a > 0 and b > 0 else math.inf


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
