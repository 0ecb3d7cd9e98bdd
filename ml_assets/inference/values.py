"""One value of a request to the type that the contract says, as `validation.casting` casts columns.

A value may come as JSON has it (a number for a number) or as text that a source would deliver
("10/17/2015", "Yes"). A missing value is None; what cannot be read is `UNREADABLE`. Where Python
and Arrow may disagree about a text, ValueError is raised, and the caller lets Arrow decide.
"""

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd

from ml_assets.ingestion.times import moment
from ml_assets.problem import Field
from ml_assets.problem.config import Source
from ml_assets.validation.casting import LONGEST_MISSING, NUMBER, WHOLE
from ml_assets.validation.numerals import plain_number

UNREADABLE: Final = object()
"""A value that is there and is not of its column's kind."""

Reader = Callable[[Any], Any]

NUMBER_TEXT = re.compile(NUMBER, re.ASCII)
WHOLE_TEXT = re.compile(WHOLE, re.ASCII)
SPACE = " \t\n\r\x0b\x0c"
LARGEST_WHOLE = 10**18
LARGEST_WHOLE_FLOAT = 1e16
"""Beyond it Python writes a float with an exponent, which is no whole number to `casting`."""

REMEMBERED_TIMES = 10_000


def reader(field: Field, source: Source) -> Reader:
    """Return the function that reads one value of a column."""
    missing = frozenset(source.missing)
    read = _READERS[field.kind](source)

    def readable(value: Any) -> Any:
        if value.__class__ is str:
            is_short = len(value) <= LONGEST_MISSING and len(value.encode()) <= LONGEST_MISSING
            return None if is_short and trimmed(value) in missing else read(value)
        if is_missing(value):
            return None
        if not is_single(value):
            return UNREADABLE
        if as_text(value, source) in missing:
            return None
        return read(value.item() if isinstance(value, np.generic) else value)

    return readable


def as_text(value: Any, source: Source) -> str | None:
    """A value as `raw` would have it, for the columns that Arrow casts; None where missing."""
    if is_missing(value):
        return None
    match value:
        case bool() | np.bool_():
            return source.true[0] if value else source.false[0]
        case dt.date():
            return value.isoformat()
    return str(value)


def is_missing(value: Any) -> bool:
    """Whether a value that is no text stands for none."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float) and math.isnan(value)


def is_single(value: Any) -> bool:
    """Whether a value is one, and not a list or an object."""
    return isinstance(value, str | int | float | bool | dt.date | np.generic) or is_missing(
        value
    )


def trimmed(text: str) -> str:
    """Text without the space around it.

    Raises:
        ValueError: If it begins or ends with a character about whose nature there are two opinions.
    """
    bare = text.strip(SPACE)
    if bare and (_is_doubtful(bare[0]) or _is_doubtful(bare[-1])):
        raise ValueError(f"{text!r} has an invisible character at an end")
    return bare


def _is_doubtful(character: str) -> bool:
    """Whether a character is a control or a space beyond the usual ones."""
    return not "!" <= character <= "~" and unicodedata.category(character)[0] in "CZ"


def _text_reader(source: Source) -> Reader:
    def read(value: Any) -> Any:
        if value.__class__ is not str:
            return as_text(value, source)
        if not value.isascii():
            value.encode()  # half a surrogate pair is no text, and raises ValueError
        return value

    return read


def _number_reader(source: Source) -> Reader:
    rewrite = plain_number(source)

    def read(value: Any) -> Any:
        if value.__class__ is str:
            words = rewrite(trimmed(value)) if rewrite else trimmed(value)
            value = float(words) if NUMBER_TEXT.fullmatch(words) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNREADABLE
        try:
            number = float(value)
        except OverflowError:
            return UNREADABLE
        return number if math.isfinite(number) else UNREADABLE

    return read


def _integer_reader(source: Source) -> Reader:
    rewrite = plain_number(source)

    def read(value: Any) -> Any:
        if value.__class__ is str:
            words = rewrite(trimmed(value)) if rewrite else trimmed(value)
            return int(words.partition(".")[0]) if WHOLE_TEXT.fullmatch(words) else UNREADABLE
        if isinstance(value, bool):
            return UNREADABLE
        if isinstance(value, float):
            is_whole = value.is_integer() and abs(value) < LARGEST_WHOLE_FLOAT
            return int(value) if is_whole else UNREADABLE
        return value if isinstance(value, int) and abs(value) < LARGEST_WHOLE else UNREADABLE

    return read


def _truth_reader(source: Source) -> Reader:
    true, false = frozenset(source.true), frozenset(source.false)

    def read(value: Any) -> Any:
        if isinstance(value, bool):
            return value
        words = trimmed(str(as_text(value, source)))
        if words in true:
            return True
        return False if words in false else UNREADABLE

    return read


def _time_reader(source: Source) -> Reader:
    formats = tuple(source.date_formats)

    @lru_cache(REMEMBERED_TIMES)
    def parsed(text: str) -> Any:
        found = moment(text, formats)
        return UNREADABLE if found is None else found

    def read(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return _in_utc(value)
        return parsed(trimmed(str(as_text(value, source))))

    return read


_READERS: Mapping[str, Callable[[Source], Reader]] = {
    "text": _text_reader,
    "number": _number_reader,
    "integer": _integer_reader,
    "boolean": _truth_reader,
    "time": _time_reader,
}


def _in_utc(value: dt.datetime) -> dt.datetime:
    """A moment in UTC to the microsecond; one without a zone is in UTC."""
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
