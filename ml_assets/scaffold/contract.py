"""`contract.py` of a drafted problem, as text: what a valid row is, with some slack."""

from collections.abc import Iterator

from ml_assets.scaffold.columns import FEW, Names, Numbers, Times
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.literals import class_name, quoted
from ml_assets.scaffold.roles import Placed

TYPES = {
    "text": "str",
    "number": "float",
    "integer": "pd.Int64Dtype",
    "boolean": "pd.BooleanDtype",
    "time": "UTC_TIME",
}
LATITUDE, LONGITUDE = ("lat", "latitude", "lattitude"), ("lon", "lng", "long", "longitude")


def contract_text(draft: Draft) -> str:
    """`contract.py`: what a valid row is."""
    head = f'''\
"""What a valid row is, guessed from {draft.rows:,} rows of {draft.asked.file.name}: correct what is wrong.

A rule that a row breaks puts it into quarantine, with the rule as the reason. Ranges have some
slack: what lies beyond was not seen, and is probably a mistake. `known_at` says when a value is
known; what is known only after the moment of prediction reaches no feature.
"""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class {class_name(draft.asked.name)}(pa.DataFrameModel):
    """One row of the source."""

'''
    return head + "\n".join(_field(placed) for placed in draft.columns)


def _field(placed: Placed) -> str:
    lines = [
        *_rules(placed),
        *_metadata(placed),
        f"description={quoted(_sentence(placed.why))},",
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return f"    {placed.name}: Series[{TYPES[placed.kind]}] = pa.Field(\n{body}    )\n"


def _metadata(placed: Placed) -> list[str]:
    """The lines that say a column's part in the problem."""
    parts = [f'"role": "{placed.role}"', f'"known_at": "{placed.known_at}"']
    column = placed.column
    if column is None or placed.kind != "text" or placed.role == "id":
        return ["metadata={" + ", ".join(parts) + "},"]
    names = column.names
    if (
        column.is_prose
        or names is None
        or not 1 < column.distinct <= min(FEW, len(names.often))
    ):
        parts.append(f'"categories": "{"free" if column.is_prose else "open"}"')
        return ["metadata={" + ", ".join(parts) + "},"]
    listed = [f"        {quoted(text)}," for text, _ in sorted(names.often)]
    return [
        "metadata={",
        *(f"    {part}," for part in parts),
        '    "categories": (',
        *listed,
        "    ),",
        "},",
    ]


def _rules(placed: Placed) -> Iterator[str]:
    column = placed.column
    if placed.role == "id":
        yield "unique=True,"
        yield 'str_length={"min_value": 1, "max_value": 200},'
        return
    if placed.role == "target" or (column is not None and column.missing):
        yield "nullable=True,"
    seen = column.seen if column else None
    match seen:
        case Numbers() if placed.kind in ("number", "integer"):
            yield from _range(placed.name, seen, is_whole=placed.kind == "integer")
        case Times():
            yield f'ge=pd.Timestamp("{seen.first.year - 1}-01-01", tz="UTC"),'
            yield 'lt=pd.Timestamp("2100-01-01", tz="UTC"),'
        case Names() if column is not None and column.is_prose:
            yield 'str_length={"max_value": 100_000},'
        case Names():
            yield f'str_length={{"min_value": 1, "max_value": {max(50, 2 * seen.longest)}}},'


def _range(name: str, seen: Numbers, *, is_whole: bool) -> Iterator[str]:
    """A range with slack: as much again on either side, but not across zero."""
    if name in LATITUDE and seen.high <= 90:  # noqa: PLR2004 - degrees
        low, high = -90.0, 90.0
    elif name in LONGITUDE and seen.high <= 180:  # noqa: PLR2004 - degrees
        low, high = -180.0, 180.0
    else:
        span = (seen.high - seen.low) or abs(seen.high) or 1.0
        low = seen.low - span if seen.low < 0 else 0.0
        high = 0.0 if seen.low < 0 and seen.high <= 0 else seen.high + span
    yield f"ge={_rounded(low, is_whole=is_whole, up=False)},"
    yield f"le={_rounded(high, is_whole=is_whole, up=True)},"


def _rounded(value: float, *, is_whole: bool, up: bool) -> str:
    """A number of two digits, away from what was seen."""
    if value == 0:
        return "0"
    rough = float(f"{value:.1e}")
    step = 10.0 ** (len(f"{abs(value):.0f}") - 2) if abs(value) >= 1 else abs(value) / 10
    if up and rough < value:
        rough += step
    if not up and rough > value:
        rough -= step
    return f"{rough:_.0f}" if is_whole or float(rough).is_integer() else f"{rough:.6g}"


def _sentence(why: str) -> str:
    return f"{why[0].upper()}{why[1:]}."
