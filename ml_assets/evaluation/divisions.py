"""Ways to divide rows into slices: by a column, by bins of a number, by several columns at once.

Only which slice a row is in. What is measured there, and whether it is worse than elsewhere, is in
`weaknesses`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.errors import ProblemError
from ml_assets.evaluation.grouping import Grouping
from ml_assets.evaluation.slices import Column, group

Codes = npt.NDArray[np.integer]

BINS = 5
"""Of a number or a time: fifths of its rows."""

MOST_AS_THEY_ARE = 20
"""A number with no more values than this is taken by value, like a category."""

AND = "*"
"""Between the columns of a slice by several: `product*state`."""


class Division(NamedTuple):
    """One way to divide n rows."""

    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    """Of each slice, a value for each column."""
    rows: Grouping


def divisions(
    columns: Mapping[str, Column], by: Sequence[Sequence[str]], *, bins: int = BINS
) -> Iterator[Division]:
    """Divide the same rows in several ways.

    Args:
        columns: Name to its n values; numbers and times with many values are cut into bins.
        by: For each way, the columns whose values together say which slice a row is in.
        bins: Of a number or a time, by its quantiles.

    Raises:
        ProblemError: If a column is none of `columns`.

    Example:
        >>> size, state = [1.0, 2.0, 1.0], ["CA", "CA", "NY"]
        >>> both = next(divisions({"size": size, "state": state}, [("size", "state")]))
        >>> both.labels, both.rows.codes.tolist()
        ((('1.0', 'CA'), ('1.0', 'NY'), ('2.0', 'CA')), [0, 2, 1])
    """
    if unknown := sorted({name for names in by for name in names} - set(columns)):
        raise ProblemError(
            f"Rows cannot be divided by {', '.join(unknown)}; there are {', '.join(columns)}."
        )
    singles = {
        name: group(binned(pd.Series(columns[name]), bins=bins))
        for name in dict.fromkeys(name for names in by for name in names)
    }
    for names in by:
        yield _together(tuple(names), [singles[name] for name in names])


def columns_of(text: str) -> tuple[str, ...]:
    """The columns that `product*state` names."""
    return tuple(part.strip() for part in text.split(AND))


def binned(values: pd.Series, *, bins: int = BINS) -> pd.Series:
    """Numbers and times as the bin they fall into, by quantiles; anything else as it is.

    Missing values stay missing. A bin is written as a person reads it: `12 to 40`.
    """
    is_time = pd.api.types.is_datetime64_any_dtype(values)
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not (is_time or is_number) or values.nunique() <= MOST_AS_THEY_ARE:
        return values
    numbers = values.astype("int64" if is_time else "float64").to_numpy()
    known = values.notna().to_numpy()
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, bins + 1)))
    labels = [
        f"{_edge(low, values)} to {_edge(high, values)}"
        for low, high in pairwise(edges.tolist())
    ]
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(labels) - 1)
    found = pd.Series(np.array(labels, dtype=object)[places], index=values.index, dtype="str")
    return found.where(known)


def _edge(edge: float, values: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(values):
        return f"{pd.Series([int(edge)]).astype(values.dtype).iloc[0]:%Y-%m-%d}"
    return f"{edge:,.4g}"


def _together(names: tuple[str, ...], parts: Sequence[tuple[list[str], Grouping]]) -> Division:
    """The slices of several columns at once: the combinations that some row has."""
    first, grouping = parts[0]
    if len(parts) == 1:
        return Division(names, tuple((label,) for label in first), grouping)
    sizes = [len(labels) for labels, _ in parts]
    codes = np.ravel_multi_index([rows.codes for _, rows in parts], sizes)
    used = np.flatnonzero(np.bincount(codes, minlength=int(np.prod(sizes))))
    places = np.zeros(int(np.prod(sizes)), dtype=np.intp)
    places[used] = np.arange(len(used))
    labels = tuple(
        tuple(parts[column][0][place] for column, place in enumerate(combination))
        for combination in zip(*np.unravel_index(used, sizes), strict=True)
    )
    return Division(names, labels, Grouping(codes=places[codes], slices=len(used)))
