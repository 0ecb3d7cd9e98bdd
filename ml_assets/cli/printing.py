"""Facts on the terminal: tables and sentences for people, JSON and CSV for programs."""

import csv
import datetime as dt
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 100
"""Columns when nobody looks: a log's table should not wrap every cell."""

WORD = 40
"""Longest identifier that is kept on one line."""

WITHOUT_DECIMALS = 1_000
NUMBER = re.compile(r"(-?[\d,.]+(e[-+]\d+)?%?)?")
"""As cells are written; an empty cell stands anywhere."""


def console(stream: TextIO | None = None) -> "Console":
    """Return a console on `stream`, by default standard output."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else NARROWEST
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def say(text: str = "") -> None:
    """Print a line for people, without reading markup in it."""
    console().print(text, markup=False, soft_wrap=True)


def counted(number: int, one: str, many: str) -> str:
    """Say how many there are, in the right number.

    Example:
        >>> counted(1, "batch", "batches"), counted(2_000, "batch", "batches")
        ('1 batch', '2,000 batches')
    """
    return f"{number:,} {one if number == 1 else many}"


def print_json(facts: object) -> None:
    """Print facts for a program, as one JSON value."""
    sys.stdout.write(json.dumps(plain(facts), indent=2, ensure_ascii=False) + "\n")


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as CSV with a line of column names."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if cell is None else plain(cell) for cell in row] for row in rows])


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none"
) -> None:
    """Print rows as a table; numbers stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lines = [[cell(each) for each in row] for row in rows]
    if not lines:
        say(f"{title}: {empty}")
        return
    shown = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(columns):
        numeric = all(_is_number(line[place]) for line in lines)
        one_word = all(" " not in line[place] and len(line[place]) <= WORD for line in lines)
        widest = max(len(name), *(len(line[place]) for line in lines))
        shown.add_column(
            name,
            justify="right" if numeric else "left",
            no_wrap=one_word,
            overflow="fold",
            min_width=widest if one_word else None,
        )
    for line in lines:
        shown.add_row(*(Text(text) for text in line))
    # Beyond the width a terminal wraps; cropped, an id could not be copied.
    console().print(Text(title, style="bold"), shown, sep="\n", crop=False)


@singledispatch
def cell(value: object) -> str:
    """Write one value for people."""
    return str(value)


@cell.register
def _(_value: None) -> str:
    return ""


@cell.register
def _(value: bool) -> str:
    return "yes" if value else "no"


@cell.register
def _(value: int) -> str:
    return f"{value:,}"


@cell.register
def _(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < WITHOUT_DECIMALS else f"{value:,.0f}"


@cell.register
def _(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S")


@cell.register(list)
@cell.register(tuple)
def _(value: Iterable[object]) -> str:
    return ", ".join(cell(each) for each in value)


@singledispatch
def plain(value: object) -> object:
    """Turn a fact into what JSON can say; a type of ours becomes an object of its members."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value if isinstance(value, str | int | None) else str(value)


@plain.register
def _(value: float) -> object:
    return value if math.isfinite(value) else None


@plain.register
def _(value: dt.date) -> object:
    return value.isoformat()


@plain.register(Mapping)
def _(value: Mapping[object, object]) -> object:
    return {str(key): plain(each) for key, each in value.items()}


@plain.register(list)
@plain.register(tuple)
def _(value: Iterable[object]) -> object:
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    return [plain(each) for each in value]


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None
