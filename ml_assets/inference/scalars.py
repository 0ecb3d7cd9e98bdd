"""What pandas does to a column, done to one value: exactly the same, without the column.

A missing value is None. Text is the delicate part: pandas leaves it to Arrow, which agrees with
Python on plain ASCII and not always beyond. A `TextOperation` therefore says on which texts the
two agree, and asks pandas about a column of one for all others.
"""

import datetime as dt
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

Function = Callable[..., Any]


class TextOperation(NamedTuple):
    """One method of `Series.str`."""

    result: Literal["text", "number", "flag"]
    """Kind of the result."""
    prepare: Callable[..., Callable[[str], Any]]
    """Takes the method's arguments; raises TypeError on those that are not known here."""
    agrees: Callable[[str], bool]
    """Whether Python's result is that of pandas."""
    missing: Any = None
    """The result for a missing text."""

    def bind(self, method: str, *args: Any, **kwargs: Any) -> Callable[[str | None], Any]:
        """Return the method with its arguments, for one text."""
        quick, agrees, missing = self.prepare(*args, **kwargs), self.agrees, self.missing

        def exact(text: str) -> Any:
            column = pd.Series([text], dtype="str")
            return _plain(getattr(column.str, method)(*args, **kwargs).iloc[0])

        def operation(text: str | None) -> Any:
            if text is None:
                return missing
            return quick(text) if agrees(text) else exact(text)

        return operation


def _plain(value: Any) -> Any:
    """A pandas scalar as Python has it."""
    if isinstance(value, np.generic):
        return value.item()
    return value


def _strip(to_strip: None = None) -> Callable[[str], str]:
    if to_strip is not None:
        raise TypeError("to_strip")
    return str.strip


def _has_plain_edges(text: str) -> bool:
    """Whether only ASCII space surrounds `text`, about which there are no two opinions."""
    bare = text.strip(" \t\n\r\x0b\x0c")
    return not bare or (_is_visible(bare[0]) and _is_visible(bare[-1]))


def _is_visible(character: str) -> bool:
    return "!" <= character <= "~" or unicodedata.category(character)[0] not in "CZ"


def _method(name: str) -> Callable[[], Callable[[str], Any]]:
    return lambda: getattr(str, name)


def _with(name: str) -> Callable[..., Callable[[str], Any]]:
    """A method of `str` that takes one text, such as startswith."""

    def prepare(part: str, *, na: Literal[False] = False) -> Callable[[str], Any]:
        _require_false(na)
        if not isinstance(part, str):
            raise TypeError(name)
        return operator.methodcaller(name, part)

    return prepare


def _replace(pat: str, repl: str, *, regex: bool = False) -> Callable[[str], str]:
    if regex or not (isinstance(pat, str) and isinstance(repl, str) and pat):
        raise TypeError("a regular expression")
    return operator.methodcaller("replace", pat, repl)


def _contains(
    pat: str, *, na: Literal[False] = False, regex: bool = True
) -> Callable[[str], bool]:
    _require_false(na)
    if not regex:
        return lambda text: pat in text
    found = _pattern(pat).search
    return lambda text: found(text) is not None


def _count(pat: str) -> Callable[[str], int]:
    if _pattern(pat).match(""):
        raise TypeError("a pattern that matches nothing at all")
    matches = _pattern(pat).finditer
    return lambda text: sum(1 for _ in matches(text))


def _match(pat: str, *, na: Literal[False] = False) -> Callable[[str], bool]:
    _require_false(na)
    found = _pattern(pat).match
    return lambda text: found(text) is not None


def _require_false(na: object) -> None:
    """A missing text matches nothing; another answer would make the result no flag."""
    if na is not False:
        raise TypeError(f"na={na}")


def _pattern(pat: str) -> re.Pattern[str]:
    """A pattern that means the same to Python and to Arrow, on texts of one plain line."""
    if not isinstance(pat, str) or re.search(r"\(\?|\\[^dDwWsSbB.\\/()\[\]{}+*?|^$-]", pat):
        raise TypeError("a pattern beyond the simplest")
    return re.compile(pat)


def _slice(start: int | None = None, stop: int | None = None, step: None = None) -> Function:
    if step is not None:
        raise TypeError("a step")
    return operator.itemgetter(slice(start, stop))


def _is_plain_line(text: str) -> bool:
    """Whether `text` is printable ASCII, about which patterns cannot disagree."""
    return text.isascii() and text.isprintable()


def _always(text: str) -> bool:  # noqa: ARG001 - a predicate
    return True


TEXT_OPERATIONS: Mapping[str, TextOperation] = {
    "strip": TextOperation("text", _strip, _has_plain_edges),
    "lower": TextOperation("text", _method("lower"), str.isascii),
    "upper": TextOperation("text", _method("upper"), str.isascii),
    "len": TextOperation("number", lambda: len, _always),
    "startswith": TextOperation("flag", _with("startswith"), _always, missing=False),
    "endswith": TextOperation("flag", _with("endswith"), _always, missing=False),
    "contains": TextOperation("flag", _contains, _is_plain_line, missing=False),
    "match": TextOperation("flag", _match, _is_plain_line, missing=False),
    "count": TextOperation("number", _count, _is_plain_line),
    "replace": TextOperation("text", _replace, _always),
    "slice": TextOperation("text", _slice, _always),
}

NUMBER_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "absolute": abs,
    "ceil": lambda value: float(math.ceil(value)),
    "cos": math.cos,
    "exp": math.exp,
    "expm1": math.expm1,
    "floor": lambda value: float(math.floor(value)),
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "log2": math.log2,
    "negative": operator.neg,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "square": lambda value: value * value,
}
"""numpy's functions of one number; Python raises where numpy would say NaN or infinity."""

ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "power": math.pow,
}

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}

TIME_PARTS: Mapping[str, Callable[[dt.datetime], int]] = {
    "year": operator.attrgetter("year"),
    "month": operator.attrgetter("month"),
    "day": operator.attrgetter("day"),
    "hour": operator.attrgetter("hour"),
    "minute": operator.attrgetter("minute"),
    "day_of_week": dt.datetime.weekday,
    "weekday": dt.datetime.weekday,
    "day_of_year": lambda moment: moment.timetuple().tm_yday,
    "quarter": lambda moment: (moment.month + 2) // 3,
}
