"""Many rows as columns, and back: what is done to all of them at once is done column by column."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from ml_assets.inference.columns import Row

Columns = Mapping[str, Sequence[Any]]
"""n rows, column by column; at least one column, and a missing value is None."""


def columns_of(rows: Sequence[Row], names: Iterable[str]) -> Columns:
    """Return some columns of rows."""
    return {name: [row[name] for row in rows] for name in names}


def values_of(rows: Sequence[Row], names: Sequence[str]) -> list[Sequence[Any]]:
    """Return the values of some columns of rows; None where a row lacks one."""
    if rows and len(names) > 1:
        with suppress(KeyError):  # where no row lacks any, this takes a third of the time
            return list(zip(*map(itemgetter(*names), rows), strict=True))
    return [[row.get(name) for row in rows] for name in names]


def rows_of(columns: Columns) -> list[Row]:
    """Return the rows of columns."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def one_row(row: Row) -> Columns:
    """Return the columns of one row."""
    return {name: (value,) for name, value in row.items()}


def count_of(columns: Columns) -> int:
    """How many rows there are."""
    return len(next(iter(columns.values())))
