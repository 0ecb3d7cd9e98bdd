"""Features of one row, directly: the problem's feature function, traced.

The features are those of `build_features`, by the same function; where it cannot be traced, or a
value is one for which Python and pandas may differ, the row is given to it as a frame.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ml_assets.errors import NotCompilable
from ml_assets.features import build_features, contract_frame
from ml_assets.inference.columns import Row
from ml_assets.inference.remembering import Remembered
from ml_assets.inference.rules import KINDS, remembered
from ml_assets.inference.tracing import Traced, trace
from ml_assets.inference.transposition import Columns, columns_of, rows_of
from ml_assets.problem import Problem
from ml_assets.validation.casting import TYPES

Features = Mapping[str, Any]
"""A feature's value by its name: text or a float, and None where it is missing."""

NUMBERS = ("number", "nullable", "boolean", "flag")


class Featuring:
    """What a model reads of a row.

    Attributes:
        names: Features to their type, `text` or `number`.
        not_direct: Why features of a row have no direct path; None where they have.
    """

    def __init__(self, problem: Problem, names: Mapping[str, str]) -> None:
        self.names = names
        self.not_direct: str | None = None
        self._problem = problem
        self._direct: tuple[tuple[str, Remembered], ...] = ()
        kinds = {name: KINDS[problem.fields[name].kind] for name in problem.known_columns}
        try:
            traced = trace(problem.features, kinds)
            self._direct = tuple(
                (name, remembered(_final(name, traced, kind), kinds))
                for name, kind in names.items()
            )
        except NotCompilable as error:
            self.not_direct = str(error)

    def one(self, row: Row) -> Features:
        """Return the features of a row in the types of the contract."""
        if self.not_direct is None:
            try:
                return {name: feature.one(row) for name, feature in self._direct}
            except (ArithmeticError, ValueError):
                pass  # what pandas makes of it, such as infinity, is for pandas to say
        return self.by_frame([row])[0]

    def many(self, held: Columns) -> Columns:
        """Return the features of rows in the types of the contract."""
        if self.not_direct is None:
            try:
                return {name: feature.many(held) for name, feature in self._direct}
            except (ArithmeticError, ValueError):
                # The row that it was goes by way of a frame.
                return columns_of([self.one(row) for row in rows_of(held)], self.names)
        return features_of(self.frame(rows_of(held)), self.names)

    def by_frame(self, rows: Sequence[Row]) -> list[Features]:
        """Return the features of rows by way of a frame."""
        return rows_of(features_of(self.frame(rows), self.names))

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Return the frame of features of rows."""
        fields = self._problem.fields
        table = pa.table(
            {
                name: pa.array([row[name] for row in rows], TYPES[fields[name].kind])
                for name in self._problem.known_columns
            }
        )
        return build_features(self._problem, contract_frame(self._problem, table))

    def disable(self, reason: str) -> None:
        """Take the way of frames from now on."""
        self.not_direct = reason


def features_of(frame: pd.DataFrame, names: Mapping[str, str]) -> dict[str, list[Any]]:
    """Columns of a frame of features; a missing value is None."""
    return {
        name: frame[name].astype(object).where(frame[name].notna(), None).tolist()
        for name in names
    }


def frame_of(features: Sequence[Features], names: Mapping[str, str]) -> pd.DataFrame:
    """A frame of features in the types that a model was fitted with."""
    types = {"text": "str", "number": "float64"}
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in features], dtype=types[kind])
            for name, kind in names.items()
        }
    )


def _final(name: str, traced: Mapping[str, Traced], kind: str) -> Traced:
    """One feature, as `build_features` brings it to one of the two types."""
    found = traced.get(name)
    if found is None:
        raise NotCompilable(f"there is no feature {name}; there are {', '.join(traced)}")
    if kind == "text" and found.kind == "text":
        return found
    if kind == "number" and found.kind in NUMBERS:
        return found._replace(value=_as_float(found.value))
    raise NotCompilable(f"the feature {name} is {found.kind}, and the model needs {kind}")


def _as_float(value: Callable[[Row], Any]) -> Callable[[Row], float | None]:
    def number(row: Row) -> float | None:
        found = value(row)
        if found is None or math.isnan(found):
            return None
        return float(found)

    return number
