"""Code written for a table, turned into functions of one row.

A problem's feature function is written once, in pandas. Given `Rows` instead of a frame, and so
`Column` instead of each series, the same function does not compute anything: every operation on a
column answers with a column that remembers how its value follows from a row. What comes back is,
per feature, a plain function from a row to a value. A row is a mapping from column to value, in
which a missing value is None.

Only operations whose result for a row is exactly known are taken; any other, or a decision on
values (`if`, a loop), raises `NotCompilable`, and the function is then given frames as ever. What
the operations do to a value is in `scalars`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from ml_assets.errors import NotCompilable
from ml_assets.inference.columns import Column, Kind, Value, as_column


class Traced(NamedTuple):
    """One result: what it holds, and how its value follows from a row."""

    kind: Kind
    value: Value
    reads: tuple[str, ...]
    """The columns of a row that the value may depend on, sorted."""


def trace(function: Callable[..., Any], kinds: Mapping[str, Kind]) -> dict[str, Traced]:
    """Return what `function` makes of a frame, column by column, as functions of a row.

    Args:
        function: From a frame to a frame, or a series, with the same index.
        kinds: The columns that it may read, and what they hold.

    Returns:
        The columns of the frame; that of a series under the name "".

    Raises:
        NotCompilable: If it does something whose result for one row is not known exactly.
    """
    try:
        made = function(Rows(kinds))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Of pandas or numpy, which met a column where they wanted its values.
        raise NotCompilable(f"{type(error).__name__}: {error}") from error
    if isinstance(made, Column):
        return {"": _traced(made)}
    if isinstance(made, Rows):
        return {name: _traced(column) for name, column in made.items()}
    if not isinstance(made, pd.DataFrame) or len(made) != 1:
        raise NotCompilable(
            f"the result is no frame with the rows' index: {type(made).__name__}"
        )
    return {str(name): _traced(as_column(made[name].astype(object).iloc[0])) for name in made}


def _traced(column: Column) -> Traced:
    return Traced(column.kind, column.value, tuple(sorted(column.reads)))


class Rows:
    """Stands in for a frame."""

    # Neither pandas nor numpy may take it for a list of values.
    __iter__ = None

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._columns = {
            name: Column(kind, _reader(name), frozenset({name})) for name, kind in kinds.items()
        }

    @property
    def index(self) -> pd.Index:
        """That of a frame with one row."""
        return pd.RangeIndex(1)

    @property
    def columns(self) -> pd.Index:
        """Names of the columns."""
        return pd.Index(list(self._columns))

    def __getitem__(self, names: str | list[str]) -> Any:
        if isinstance(names, str):
            return self._columns[names]
        if not isinstance(names, list):
            raise NotCompilable("rows are chosen by their values")
        return self._of({name: self._columns[name] for name in names})

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._columns:
            raise NotCompilable(f"no direct path is known for .{name} of a frame")
        return self._columns[name]

    def __bool__(self) -> bool:
        raise NotCompilable("it decides by the rows as a whole")

    def items(self) -> Iterable[tuple[str, Column]]:
        """Names and columns."""
        return self._columns.items()

    def assign(self, **columns: Any) -> "Rows":
        """Add columns, or replace them."""
        made = self
        for name, column in columns.items():
            found = column(made) if callable(column) else column
            made = made._of({**made._columns, name: as_column(found)})
        return made

    def _of(self, columns: Mapping[str, Column]) -> "Rows":
        made = Rows({})
        made._columns = dict(columns)
        return made


def _reader(name: str) -> Value:
    return lambda row: row[name]
