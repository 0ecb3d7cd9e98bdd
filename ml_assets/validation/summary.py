"""What a partition's columns look like, in a form small enough to keep and exact enough to add.

A `Summary` holds counts: of categories, or of narrow buckets of numbers. Two of them add up to
the summary of both partitions, so a reference over a year of partitions is read without reading a
row again. What is far from its reference is judged in `statistics`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.problem import Field, Problem

MOST_CATEGORIES = 1_000
"""Of a column and chunk; the rarer ones are counted together."""
LONGEST_CATEGORY = 200
"""Longer texts are prose; they are counted together, so that nobody's words are kept here."""

GROWTH = 1.05
"""Each bucket of numbers reaches 5 % further than the one below it."""
SMALLEST = 1e-6
"""Numbers nearer to zero than this are zero."""
ONE = 1 + round(np.log(1 / SMALLEST) / np.log(GROWTH))
"""The bucket of the number one; those of smaller numbers are below it, that of zero is 0."""


class Summary(NamedTuple):
    """Counts of one column over any number of rows."""

    column: str
    kind: Literal["category", "number"]
    rows: int
    missing: int
    counts: dict[str, int]
    """Rows by category; or by number of the bucket, written as text."""
    others: int = 0
    """Rows in categories that are not listed."""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


class Statistics(NamedTuple):
    """Summaries of a partition's columns, and its newest event."""

    rows: int
    newest: dt.datetime | None
    columns: tuple[Summary, ...]

    def of(self, column: str) -> Summary | None:
        """The summary of `column`, if it is summarized at all."""
        return next((each for each in self.columns if each.column == column), None)


class StatisticsRecord(TypedDict):
    """`Statistics` as JSON keeps them."""

    rows: int
    newest: str | None
    columns: list[list[object]]


def categories_of(problem: Problem, column: str) -> object:
    """What the contract says of a column's categories.

    Returns:
        Names that their publisher announced, "open" where names come and go, "free" where a
        text is prose, or None.
    """
    return (problem.schema.columns[column].metadata or {}).get("categories")


def summarize(problem: Problem, rows: pa.Table) -> Statistics:
    """Count what is in the columns that a model or an audit reads.

    Numbers are counted as they are, times in days after the event, prose in characters.

    Args:
        problem: Whose contract the rows hold.
        rows: Typed, as in `validated`.
    """
    wanted = problem.columns("input", "sensitive", "target")
    newest = pc.max(rows[problem.event_time]).as_py()
    columns = tuple(_summary(problem, problem.fields[name], rows) for name in wanted)
    return Statistics(rows=len(rows), newest=newest, columns=columns)


def added(parts: Iterable[Statistics]) -> Statistics:
    """The statistics of all rows of several partitions or chunks."""
    known = list(parts)
    by_column: dict[tuple[str, str], list[Summary]] = {}
    for each in (column for part in known for column in part.columns):
        by_column.setdefault((each.column, each.kind), []).append(each)
    return Statistics(
        rows=sum(part.rows for part in known),
        newest=max((part.newest for part in known if part.newest), default=None),
        columns=tuple(_added(group) for group in by_column.values()),
    )


def as_record(statistics: Statistics) -> StatisticsRecord:
    """Statistics as JSON keeps them."""
    newest = statistics.newest
    return {
        "rows": statistics.rows,
        "newest": None if newest is None else newest.isoformat(),
        "columns": [list(column) for column in statistics.columns],
    }


def from_record(record: StatisticsRecord) -> Statistics:
    """Statistics as they were before `as_record`."""
    newest = record["newest"]
    return Statistics(
        rows=record["rows"],
        newest=None if newest is None else dt.datetime.fromisoformat(newest),
        columns=tuple(Summary(*column) for column in record["columns"]),  # type: ignore[arg-type]
    )


def bucket_of(numbers: np.ndarray) -> np.ndarray:
    """Number of the bucket that each number falls into; rises with the number.

    Example:
        >>> bucket_of(np.array([-2.0, 0.0, 1.0, 1.04, 2.0])).tolist()
        [-299, 0, 284, 285, 299]
    """
    size = np.abs(numbers)
    steps = ONE + np.ceil(np.log(np.maximum(size, SMALLEST)) / np.log(GROWTH))
    return np.where(size < SMALLEST, 0, np.sign(numbers) * steps).astype(np.int64)


def _summary(problem: Problem, field: Field, rows: pa.Table) -> Summary:
    cells = rows[field.name]
    match field.kind:
        case "boolean":
            return _of_categories(field.name, pc.cast(cells, pa.string()))
        case "text" if categories_of(problem, field.name) == "free":
            return _of_numbers(field.name, pc.utf8_length(cells))
        case "text":
            return _of_categories(field.name, cells)
        case "time":
            span = pc.subtract(cells, rows[problem.event_time])
            return _of_numbers(field.name, pc.divide(pc.cast(span, pa.int64()), 86_400_000_000))
        case _:
            return _of_numbers(field.name, cells)


def _of_categories(name: str, cells: pa.ChunkedArray) -> Summary:
    found = cells.drop_null().value_counts()
    short = pc.less_equal(pc.utf8_length(found.field("values")), LONGEST_CATEGORY)
    listed = found.filter(short)
    pairs = zip(
        listed.field("values").to_pylist(), listed.field("counts").to_pylist(), strict=True
    )
    most = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MOST_CATEGORIES]
    present = len(cells) - cells.null_count
    return Summary(
        column=name,
        kind="category",
        rows=len(cells),
        missing=cells.null_count,
        counts=dict(most),
        others=present - sum(rows for _, rows in most),
    )


def _of_numbers(name: str, cells: pa.ChunkedArray) -> Summary:
    numbers = pc.cast(cells.drop_null(), pa.float64(), safe=False).to_numpy()
    buckets, counts = np.unique(bucket_of(numbers), return_counts=True)
    return Summary(
        column=name,
        kind="number",
        rows=len(cells),
        missing=cells.null_count,
        counts={str(each): int(count) for each, count in zip(buckets, counts, strict=True)},
        minimum=float(numbers.min()) if len(numbers) else None,
        maximum=float(numbers.max()) if len(numbers) else None,
    )


def _added(group: list[Summary]) -> Summary:
    counts: Counter[str] = Counter()
    for each in group:
        counts.update(each.counts)
    lows = [each.minimum for each in group if each.minimum is not None]
    highs = [each.maximum for each in group if each.maximum is not None]
    return group[0]._replace(
        rows=sum(each.rows for each in group),
        missing=sum(each.missing for each in group),
        counts=dict(counts),
        others=sum(each.others for each in group),
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
    )
