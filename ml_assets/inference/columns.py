"""A column that is not computed but remembered: what `tracing` puts in the place of a series.

Every method has the name and the meaning of the one of `pandas.Series`, for the kinds of columns
that are listed here; what is not listed raises `NotCompilable`.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from ml_assets.errors import NotCompilable
from ml_assets.inference.scalars import (
    ARITHMETIC,
    COMPARISONS,
    NUMBER_FUNCTIONS,
    TEXT_OPERATIONS,
    TIME_PARTS,
)

Row = Mapping[str, Any]
Value = Callable[[Row], Any]

Kind = Literal["text", "number", "nullable", "boolean", "flag", "time", "span"]
"""What a column holds, by the type that pandas gives it:

text (str), number (float64), nullable (Int64 and Float64), boolean (boolean: true, false or
missing), flag (bool: never missing), time (datetime64[us, UTC]), span (the time between two).
"""

CONSTANTS: Mapping[type, Kind] = {
    str: "text",
    bool: "flag",
    int: "number",
    float: "number",
    dt.datetime: "time",
    dt.timedelta: "span",
}

NUMBERS: tuple[Kind, ...] = ("number", "nullable")
LOGICAL: tuple[Kind, ...] = ("flag", "boolean")

TYPES: Mapping[object, Kind] = {
    str: "text",
    "str": "text",
    "string": "text",
    "category": "text",
    float: "number",
    "float": "number",
    "float64": "number",
    "boolean": "boolean",
}
"""What `astype` is asked for, by the kind that comes out."""

MADE_FROM: Mapping[Kind, tuple[Kind, ...]] = {
    "text": ("text",),
    "number": ("number", "nullable", "flag"),
    "boolean": ("boolean", "flag"),
}
"""Kinds that `astype` turns into another without changing what is said."""


class Column:
    """Stands in for a series.

    Attributes:
        kind: What it holds.
        value: From a row to its value there.
        reads: The columns of a row that a value may depend on.
    """

    # Neither pandas nor numpy may take a column for a list of values.
    __iter__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: Kind, value: Value, reads: frozenset[str]) -> None:
        self.kind = kind
        self.value = value
        self.reads = reads

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in ACCESSORS:
            raise NotCompilable(f"no direct path is known for .{name} of a {self.kind} column")
        return ACCESSORS[name](self)

    def __bool__(self) -> bool:
        raise NotCompilable("it decides by the values of a column")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> Any:
        if method != "__call__" or options:
            raise NotCompilable(
                f"no direct path is known for numpy's {ufunc.__name__}.{method}"
            )
        columns = [as_column(each) for each in inputs]
        name = ufunc.__name__
        if name in NUMBER_FUNCTIONS and columns[0].kind in NUMBERS:
            return columns[0].then(columns[0].kind, NUMBER_FUNCTIONS[name])
        if name in ARITHMETIC:
            return arithmetic(name, *columns)
        if name in COMPARISONS:
            return comparison(name, *columns)
        if name == "isnan":
            return columns[0].isna()
        raise NotCompilable(f"no direct path is known for numpy's {name} of {columns[0].kind}")

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if function is np.where and len(args) == 3 and not kwargs:  # noqa: PLR2004
            condition, chosen, other = args
            return as_column(chosen).where(condition, other)
        raise NotCompilable(f"no direct path is known for numpy's {function.__name__}")

    def then(self, kind: Kind, function: Callable[[Any], Any]) -> "Column":
        """Apply `function` to what is not missing."""
        value = self.value

        def found(row: Row) -> Any:
            known = value(row)
            return None if known is None else function(known)

        return Column(kind, found, self.reads)

    def __add__(self, other: Any) -> "Column":
        return arithmetic("add", self, other)

    def __radd__(self, other: Any) -> "Column":
        return arithmetic("add", other, self)

    def __sub__(self, other: Any) -> "Column":
        return arithmetic("subtract", self, other)

    def __rsub__(self, other: Any) -> "Column":
        return arithmetic("subtract", other, self)

    def __mul__(self, other: Any) -> "Column":
        return arithmetic("multiply", self, other)

    def __rmul__(self, other: Any) -> "Column":
        return arithmetic("multiply", other, self)

    def __truediv__(self, other: Any) -> "Column":
        return arithmetic("divide", self, other)

    def __rtruediv__(self, other: Any) -> "Column":
        return arithmetic("divide", other, self)

    def __floordiv__(self, other: Any) -> "Column":
        return arithmetic("floor_divide", self, other)

    def __mod__(self, other: Any) -> "Column":
        return arithmetic("remainder", self, other)

    def __pow__(self, other: Any) -> "Column":
        return arithmetic("power", self, other)

    def __neg__(self) -> "Column":
        return self._number("-").then(self.kind, NUMBER_FUNCTIONS["negative"])

    def __eq__(self, other: object) -> "Column":  # type: ignore[override]
        return comparison("equal", self, other)

    def __ne__(self, other: object) -> "Column":  # type: ignore[override]
        return comparison("not_equal", self, other)

    def __lt__(self, other: Any) -> "Column":
        return comparison("less", self, other)

    def __le__(self, other: Any) -> "Column":
        return comparison("less_equal", self, other)

    def __gt__(self, other: Any) -> "Column":
        return comparison("greater", self, other)

    def __ge__(self, other: Any) -> "Column":
        return comparison("greater_equal", self, other)

    def __and__(self, other: Any) -> "Column":
        return logic(self, other, decisive=False)

    def __or__(self, other: Any) -> "Column":
        return logic(self, other, decisive=True)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> "Column":
        self.require(*LOGICAL, what="~")
        return self.then(self.kind, lambda value: not value)

    def isna(self) -> "Column":
        """Whether a value is missing."""
        value = self.value
        return Column("flag", lambda row: value(row) is None, self.reads)

    def notna(self) -> "Column":
        """Whether there is a value."""
        value = self.value
        return Column("flag", lambda row: value(row) is not None, self.reads)

    isnull = isna
    notnull = notna

    def fillna(self, value: Any) -> "Column":
        """Put another value where there is none."""
        instead = self._alike(value)
        own, other = self.value, instead.value

        def filled(row: Row) -> Any:
            known = own(row)
            return other(row) if known is None else known

        return Column(self.kind, filled, self.reads | instead.reads)

    def astype(self, dtype: Any) -> "Column":
        """Change the type, not what is said."""
        kind = TYPES.get(dtype)
        if kind is None or self.kind not in MADE_FROM[kind]:
            raise NotCompilable(f"no direct path is known from {self.kind} to {dtype}")
        if kind == "number" and self.kind != "number":
            return self.then("number", float)
        return Column(kind, self.value, self.reads)

    def replace(self, to_replace: Any, value: Any = None) -> "Column":
        """Put other values in the place of some."""
        table = to_replace if isinstance(to_replace, dict) else {to_replace: value}
        if not all(
            as_column(each).kind == self.kind for pair in table.items() for each in pair
        ):
            raise NotCompilable(f"a {self.kind} column gets values of another kind")
        return self.then(self.kind, lambda known: table.get(known, known))

    def map(self, arg: Any) -> "Column":
        """Look values up in a mapping; others are missing."""
        kinds = {as_column(each).kind for each in arg.values()} if type(arg) is dict else set()
        if len(kinds) != 1 or kinds & {"flag", "time", "span"}:
            raise NotCompilable(
                "only a dict to texts, or to numbers, has a direct path in .map"
            )
        return self.then(kinds.pop(), arg.get)

    def clip(self, lower: float | None = None, upper: float | None = None) -> "Column":
        """Bring values beyond a limit to the limit."""
        low, high = (
            limit if each is None else as_column(each).constant()
            for each, limit in ((lower, -math.inf), (upper, math.inf))
        )
        return self._number(".clip").then(self.kind, lambda value: min(max(value, low), high))

    def abs(self) -> "Column":
        """Drop the sign."""
        return self._number(".abs").then(self.kind, abs)

    def where(self, cond: Any, other: Any = None) -> "Column":
        """Keep the value where a condition holds, and take another elsewhere."""
        condition = as_column(cond)
        condition.require(*LOGICAL, what=".where")
        column = self._alike(other)
        own, holds, instead = self.value, condition.value, column.value

        def chosen(row: Row) -> Any:
            is_kept = holds(row)
            if is_kept is None:
                raise ValueError("a condition is missing")
            return own(row) if is_kept else instead(row)

        return Column(self.kind, chosen, self.reads | condition.reads | column.reads)

    def mask(self, cond: Any, other: Any = None) -> "Column":
        """Keep the value where a condition does not hold."""
        return self.where(~as_column(cond), other)

    def isin(self, values: Iterable[Any]) -> "Column":
        """Whether a value is one of some."""
        known = frozenset(values)
        if self.kind not in ("text", "number") or not all(
            as_column(each).kind == self.kind for each in known
        ):
            raise NotCompilable(f"no direct path is known for .isin of a {self.kind} column")
        value = self.value
        return Column("flag", lambda row: value(row) in known, self.reads)

    def between(self, left: Any, right: Any) -> "Column":
        """Whether a value is within two limits, which are themselves within."""
        return (self >= left) & (self <= right)

    def require(self, *kinds: Kind, what: str) -> None:
        """Refuse a column of another kind."""
        if self.kind not in kinds:
            raise NotCompilable(f"no direct path is known for {what} of a {self.kind} column")

    def _number(self, what: str) -> "Column":
        self.require(*NUMBERS, what=what)
        return self

    def constant(self) -> Any:
        """The value of a column that is the same in every row."""
        return self.value({})

    def _alike(self, other: Any) -> "Column":
        """Another column of the same kind, or a constant; a missing value is of any kind."""
        if is_missing(other):
            return constant(self.kind, None)
        column = as_column(other)
        numbers = {self.kind, column.kind} <= set(NUMBERS) and self.kind == "nullable"
        truths = self.kind == "boolean" and column.kind == "flag"
        if column.kind != self.kind and not numbers and not truths:
            raise NotCompilable(f"a {self.kind} column gets a value that is {column.kind}")
        return column


class TextMethods:
    """Stands in for `Series.str`."""

    def __init__(self, column: Column) -> None:
        column.require("text", what=".str")
        self._column = column

    def __getattr__(self, name: str) -> Callable[..., Column]:
        operation = TEXT_OPERATIONS.get(name)
        if operation is None:
            raise NotCompilable(f"no direct path is known for .str.{name}")

        def method(*args: Any, **kwargs: Any) -> Column:
            try:
                one = operation.bind(name, *args, **kwargs)
            except TypeError as error:
                message = f"no direct path is known for .str.{name} with {error}"
                raise NotCompilable(message) from None
            text = self._column.value
            return Column(operation.result, lambda row: one(text(row)), self._column.reads)

        return method

    def __getitem__(self, part: slice) -> Column:
        if not isinstance(part, slice):
            raise NotCompilable("no direct path is known for one character of a text")
        return self.__getattr__("slice")(part.start, part.stop, part.step)


class TimeMethods:
    """Stands in for `Series.dt`."""

    def __init__(self, column: Column) -> None:
        self._column = column

    def __getattr__(self, name: str) -> Column:
        if self._column.kind == "time" and name in TIME_PARTS:
            return self._column.then("number", TIME_PARTS[name])
        if self._column.kind == "span" and name == "days":
            return self._column.then("number", lambda span: span.days)
        raise NotCompilable(f"no direct path is known for .dt.{name} of a {self._column.kind}")

    def total_seconds(self) -> Column:
        """Length of a span."""
        self._column.require("span", what=".dt.total_seconds")
        return self._column.then("number", dt.timedelta.total_seconds)


ACCESSORS: Mapping[str, type[TextMethods] | type[TimeMethods]] = {
    "str": TextMethods,
    "dt": TimeMethods,
}


def arithmetic(name: str, left: Any, right: Any) -> Column:
    """Compute with two columns, or a column and a constant; missing where either is."""
    one, other = as_column(left), as_column(right)
    kind = _computed_kind(name, one.kind, other.kind)
    function, first, second = ARITHMETIC[name], one.value, other.value

    def computed(row: Row) -> Any:
        a, b = first(row), second(row)
        return None if a is None or b is None else function(a, b)

    return Column(kind, computed, one.reads | other.reads)


def comparison(name: str, left: Any, right: Any) -> Column:
    """Compare two columns, or a column and a constant."""
    one, other = as_column(left), as_column(right)
    if not _are_comparable(name, one.kind, other.kind):
        raise NotCompilable(f"no direct path compares {one.kind} with {other.kind}")
    function, first, second = COMPARISONS[name], one.value, other.value
    is_nullable = bool({one.kind, other.kind} & {"nullable", "boolean"})
    missing = None if is_nullable else name == "not_equal"

    def compared(row: Row) -> bool | None:
        a, b = first(row), second(row)
        return missing if a is None or b is None else function(a, b)

    return Column("boolean" if is_nullable else "flag", compared, one.reads | other.reads)


def logic(left: Any, right: Any, *, decisive: bool) -> Column:
    """Join two truths: by "and" when a false one decides, by "or" when a true one does."""
    one, other = as_column(left), as_column(right)
    for column in (one, other):
        column.require(*LOGICAL, what="& and |")
    first, second = one.value, other.value

    def joined(row: Row) -> bool | None:
        a, b = first(row), second(row)
        if a is decisive or b is decisive:
            return decisive
        return None if a is None or b is None else not decisive

    kind: Kind = "flag" if one.kind == other.kind == "flag" else "boolean"
    return Column(kind, joined, one.reads | other.reads)


def _computed_kind(name: str, left: Kind, right: Kind) -> Kind:
    """What comes of two kinds."""
    kinds = {left, right}
    if kinds <= {"number", "nullable", "flag"} and kinds != {"flag"}:
        return "nullable" if "nullable" in kinds else "number"
    found = MIXED.get((name, left, right))
    if found is None:
        raise NotCompilable(f"no direct path is known to {name} {left} and {right}")
    return found


def _are_comparable(name: str, left: Kind, right: Kind) -> bool:
    if "boolean" in (left, right):
        return name in ("equal", "not_equal") and {left, right} <= set(LOGICAL)
    return left == right or {left, right} <= {"number", "nullable", "flag"}


MIXED: Mapping[tuple[str, Kind, Kind], Kind] = {
    ("add", "text", "text"): "text",
    ("add", "time", "span"): "time",
    ("add", "span", "time"): "time",
    ("add", "span", "span"): "span",
    ("subtract", "time", "time"): "span",
    ("subtract", "time", "span"): "time",
    ("subtract", "span", "span"): "span",
    ("divide", "span", "span"): "number",
}
"""Operation and kinds, beyond plain numbers, to the kind of the result."""


def is_missing(value: Any) -> bool:
    """Whether a constant stands for no value."""
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def constant(kind: Kind, value: Any) -> Column:
    """Return a column that is the same in every row."""
    return Column(kind, lambda row: value, frozenset())  # noqa: ARG005 - the same for every row


def as_column(value: Any) -> Column:
    """Return a column as it is, and a constant as a column that is the same in every row.

    Raises:
        NotCompilable: If it is neither.
    """
    if isinstance(value, Column):
        return value
    plain = _plain(value)
    kind = CONSTANTS.get(type(plain))
    if kind is None:
        raise NotCompilable(f"no direct path is known for a {type(value).__name__}")
    return constant(kind, plain)


def _plain(value: Any) -> Any:
    """A constant of pandas or numpy as Python has it."""
    match value:
        case pd.Timestamp() if value.tzinfo is not None and not value.nanosecond:
            return value.tz_convert("UTC").to_pydatetime()
        case pd.Timedelta() if not value.nanoseconds:
            return value.to_pytimedelta()
        case np.bool_() | np.integer() | np.floating() | np.str_():
            return value.item()
    return value
