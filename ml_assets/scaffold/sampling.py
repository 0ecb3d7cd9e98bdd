"""`source.py` of a drafted problem, as text: plausible rows, drawn from ranges and frequencies."""

from collections.abc import Iterable
from typing import NamedTuple

from ml_assets.scaffold.columns import PROBABILITIES, Column, Names, Numbers, Times
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.literals import WIDEST, quoted
from ml_assets.scaffold.roles import Placed

UNLABELLED = 0.02
"""Share of drawn rows without a label, at least: sources have rows whose label is yet to come."""


def source_text(draft: Draft) -> str:
    """`source.py`: plausible rows, drawn from ranges and frequencies."""
    drawn = [(placed, _drawn(placed, draft)) for placed in draft.columns]
    lines = "\n".join(line for placed, call in drawn for line in call.lines(placed.name))
    used = [name for name in DRAWERS if any(call.function == name for _, call in drawn)]
    body = "\n\n".join(DRAWERS[name] for name in used)
    if any(name != "_ids" for name in used):
        body += "\n\n" + GAPS
    return f'''\
"""Plausible rows, for tests and demos: drawn column by column from what was seen.

Only ranges and frequencies of {draft.asked.file.name} are here, rounded, and nothing that fewer than five rows
have; no row of it is copied. Columns are drawn alone, so there is no signal to learn.
"""

import numpy as np
import pandas as pd

PROBABILITIES = {PROBABILITIES}
"""Of the quantiles that numbers are drawn between."""


def sample(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw n rows as a source would deliver them: all text, None where there is no value."""
    return pd.DataFrame(
        {{
{lines}
        }},
        dtype="str",
    )


{body}'''


class Items(NamedTuple):
    """A tuple or a mapping in Python."""

    opening: str
    items: tuple[str, ...]
    closing: str

    def __str__(self) -> str:
        """On one line."""
        alone = "," if self.opening == "(" and len(self.items) == 1 else ""
        return f"{self.opening}{', '.join(self.items)}{alone}{self.closing}"

    def lines(self) -> list[str]:
        """An item a line."""
        return [self.opening, *(f"    {item}," for item in self.items), f"{self.closing},"]


class Call(NamedTuple):
    """The call that draws a column, for n rows by `rng`."""

    function: str
    arguments: tuple[str | Items, ...] = ()

    def lines(self, column: str) -> list[str]:
        """As an item of a mapping by column, on as few lines as it fits."""
        name = f"            {quoted(column)}: {self.function}("
        rng = [] if self.function == "_ids" else ["rng"]
        given = ["n", *rng, *self.arguments]
        inner = ", ".join(map(str, given))
        if len(name) + len(inner) + len("),") <= WIDEST:
            return [f"{name}{inner}),"]
        if len(inner) + 16 <= WIDEST:
            return [name, f"                {inner}", "            ),"]
        each = [
            line
            for one in given
            for line in (
                one.lines()
                if isinstance(one, Items) and len(str(one)) > WIDEST - 18
                else [f"{one},"]
            )
        ]
        return [name, *(f"                {line}" for line in each), "            ),"]


def _drawn(placed: Placed, draft: Draft) -> Call:
    """The call that draws a column."""
    column = placed.column
    if placed.role == "id":
        return Call("_ids")
    if column is None:
        day = quoted(draft.cutting.start.isoformat())
        return Call("_days", (day, day, '"%Y-%m-%d"', "missing=0.0"))
    missing = column.missing / draft.rows
    if placed.role == "target":
        missing = max(missing, UNLABELLED)
    gaps = f"missing={round(missing, 3)}"
    if placed.kind == "boolean":
        share = draft.mean_label if placed.role == "target" else 0.5
        return _names(((column.yes[0], share), (column.no[0], 1 - share)), gaps)
    return _drawn_as_seen(column, draft, gaps)


def _drawn_as_seen(column: Column, draft: Draft, gaps: str) -> Call:
    match column.seen:
        case Numbers() as seen:
            quantiles = Items("(", tuple(map(_plain, seen.quantiles)), ")")
            decimal = draft.spelling.marks.decimal
            mark = () if decimal == "." else (f"decimal={quoted(decimal)}",)
            return Call("_numbers", (quantiles, f"decimals={seen.decimals}", gaps, *mark))
        case Times() as seen:
            form = seen.format or ("%Y-%m-%dT%H:%M:%SZ" if seen.has_clock else "%Y-%m-%d")
            days = (seen.first.date().isoformat(), seen.last.date().isoformat(), form)
            return Call("_days", (*map(quoted, days), gaps))
        case Names() as seen if column.is_prose:
            words = Items("(", tuple(map(quoted, seen.words or ("words",))), ")")
            return Call("_prose", (words, gaps))
        case Names() as seen:
            return _names(seen.often or (("one", 0.5), ("another", 0.5)), gaps)
    return Call("_names", ("{}", "missing=1.0"))


def _plain(value: float) -> str:
    """A number as short as it can be written."""
    return repr(int(value)) if value.is_integer() else repr(value)


def _names(shares: Iterable[tuple[str, float]], gaps: str) -> Call:
    items = tuple(f"{quoted(text)}: {share:.3f}" for text, share in shares)
    return Call("_names", (Items("{", items, "}"), gaps))


DRAWERS = {
    "_ids": """\
def _ids(n: int) -> list[str]:
    return [f"drawn-{number:06d}" for number in range(n)]
""",
    "_numbers": """\
def _numbers(
    n: int,
    rng: np.random.Generator,
    quantiles: tuple[float, ...],
    *,
    decimals: int,
    missing: float,
    decimal: str = ".",
) -> list[str | None]:
    values = np.interp(rng.uniform(0.01, 0.99, n), PROBABILITIES, quantiles)
    texts = [f"{value:.{decimals}f}".replace(".", decimal) for value in values]
    return _with_gaps(texts, rng, missing)
""",
    "_days": """\
def _days(
    n: int, rng: np.random.Generator, first: str, last: str, form: str, *, missing: float
) -> list[str | None]:
    days = pd.date_range(first, last)
    texts = [days[place].strftime(form) for place in rng.integers(len(days), size=n)]
    return _with_gaps(texts, rng, missing)
""",
    "_prose": """\
def _prose(
    n: int, rng: np.random.Generator, words: tuple[str, ...], *, missing: float
) -> list[str | None]:
    texts = [" ".join(rng.choice(words, rng.integers(8, 30))) for _ in range(n)]
    return _with_gaps(texts, rng, missing)
""",
    "_names": """\
def _names(
    n: int, rng: np.random.Generator, shares: dict[str, float], *, missing: float
) -> list[str | None]:
    if not shares:
        return [None] * n
    total = sum(shares.values())
    drawn = rng.choice(list(shares), n, p=[share / total for share in shares.values()])
    return _with_gaps([str(text) for text in drawn], rng, missing)
""",
}
GAPS = """\
def _with_gaps(texts: list[str], rng: np.random.Generator, missing: float) -> list[str | None]:
    gone = rng.random(len(texts)) < missing
    return [None if is_gone else text for text, is_gone in zip(texts, gone, strict=True)]
"""
