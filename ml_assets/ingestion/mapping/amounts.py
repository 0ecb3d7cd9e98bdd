"""Numbers and what they are numbers of: distinct texts to values in the unit that is wanted.

A text that is several numbers, "3 + 1" or "30x40 ft", is one only where the mapping asks for it.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.mapping.declaration import Ranges, Rule
from ml_assets.ingestion.mapping.money import currency_of
from ml_assets.ingestion.mapping.numbers import LARGEST_WHOLE, Decimal, Quantity, quantity
from ml_assets.ingestion.mapping.units import Line, conversion

PLAIN: dict[Decimal, str] = {
    ".": r"^[+-]?[0-9]{1,17}(\.[0-9]+)?$",
    ",": r"^[+-]?[0-9]{1,17}(,[0-9]+)?$",
}
"""Numbers that Arrow reads by itself."""
SUM = re.compile(r"\d+(?:\s*\+\s*\d+)+")
SIDES = re.compile(r"(?P<one>[\d.,]+)\s*[xX\u00d7]\s*(?P<other>[\d.,]+)(?P<unit>\D*)")
UNDER = re.compile(r"(?:under|less than|up to|<)\s*(?P<bound>.+)", re.IGNORECASE)
FRACTION = re.compile(r"(?P<over>\d+)\s*/\s*(?P<under>[1-9]\d*)(?P<unit>\D*)")
DIGITS = 12
"""Significant ones of what was converted; those behind are what floats do."""
IDENTITY = Line(1.0, 0.0)


class Amounts(NamedTuple):
    """What some texts say as numbers, d of each."""

    values: np.ndarray
    """Floats, in the unit that is wanted; NaN where there is none."""
    units: list[str]
    """What the text, or the mapping, says that they are of."""
    reasons: list[str | None]
    """Why there is none."""
    is_changed: np.ndarray
    """True where the value is another one, or was written in another way."""


def amounts(words: pa.Array, rule: Rule, decimal: Decimal) -> Amounts:
    """Read distinct texts as numbers.

    Args:
        words: Trimmed texts; d, may have nulls.
        rule: Of kind number or integer.
        decimal: What stands before decimals.
    """
    plain = pc.fill_null(pc.match_substring_regex(words, PLAIN[decimal]), False)
    is_plain = plain.to_numpy(zero_copy_only=False)
    values = _plain_values(words, plain, decimal)
    units = [rule.currency or rule.unit or ""] * len(words)
    reasons: list[str | None] = [None] * len(words)
    is_odd = ~is_plain & words.is_valid().to_numpy(zero_copy_only=False)
    for i in np.flatnonzero(is_odd).tolist():
        found = _one(words[i].as_py(), rule, decimal)
        if isinstance(found, str):
            reasons[i] = found
        else:
            values[i], units[i] = found.number, found.after
    has_comma = pc.fill_null(pc.match_substring(words, ","), False)
    is_changed = is_odd | (has_comma.to_numpy(zero_copy_only=False) & is_plain)
    found_all = Amounts(values, units, reasons, is_changed)
    if rule.to and not rule.currency:
        found_all = _in_unit(found_all, words, rule.to)
    return _whole_only(found_all, words) if rule.kind == "integer" else found_all


def number_texts(values: np.ndarray, *, whole: bool) -> pa.Array:
    """Values as texts that give them back; NaN is null."""
    numbers = pa.array(values, pa.float64(), from_pandas=True)
    return numbers.cast(pa.int64() if whole else pa.float64()).cast(pa.string())


def significant(values: np.ndarray) -> np.ndarray:
    """Values without what floats add behind the last digit that counts."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = DIGITS - np.ceil(np.log10(np.abs(values)))
    scale = 10.0 ** np.clip(np.nan_to_num(digits, posinf=0, neginf=0), 0, 22)
    return np.round(values * scale) / scale


def _plain_values(words: pa.Array, plain: pa.Array, decimal: Decimal) -> np.ndarray:
    texts = pc.if_else(plain, words, pa.scalar(None, words.type))
    if decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    numbers = texts.cast(pa.float64())
    return np.array(pc.fill_null(numbers, np.nan))


def _one(text: str, rule: Rule, decimal: Decimal) -> Quantity | str:
    """The number in a text with its unit behind it, or why there is none."""
    found = _range(text, rule.ranges, decimal) or quantity(text, decimal)
    if found is None or not _is_unit(found.after):
        return f"{_shown(text)} is no number"
    around = f"{found.before} {found.after}".strip()
    if rule.currency:
        currency = currency_of(around, rule.currency)
        return (
            found._replace(after=currency)
            if currency
            else f"unknown currency {_shown(around)} in {_shown(text)}"
        )
    if found.before or (found.after and not rule.to):
        return f"{_shown(text)} is no number"
    return found._replace(after=found.after or rule.unit or "")


def _is_unit(text: str) -> bool:
    """Whether what stands behind a number may be its unit: it has no more numbers."""
    return not re.search(r"\d(?!\s*$)|[+|<>/]\s*\d", text)


def _range(text: str, ranges: Ranges, decimal: Decimal) -> Quantity | None:
    """One number for a text that has several, where the mapping says how."""
    if ranges.sum and SUM.fullmatch(text):
        return Quantity("", float(sum(map(int, text.split("+")))), "")
    if ranges.sides and (sides := SIDES.fullmatch(text)):
        one, other = (quantity(sides[name], decimal) for name in ("one", "other"))
        unit = sides["unit"].strip()
        if one and other:
            return Quantity("", one.number * other.number, f"{unit} ** 2" if unit else "")
    if ranges.under is not None and (under := UNDER.fullmatch(text)):
        bound = _fraction(under["bound"]) or quantity(under["bound"], decimal)
        return bound and bound._replace(number=bound.number * ranges.under)
    return None


def _fraction(text: str) -> Quantity | None:
    found = FRACTION.fullmatch(text.strip())
    if found is None:
        return None
    return Quantity("", int(found["over"]) / int(found["under"]), found["unit"].strip())


def _in_unit(found: Amounts, words: pa.Array, to: str) -> Amounts:
    """Convert, each unit at once."""
    values, is_changed = found.values.copy(), found.is_changed.copy()
    reasons = list(found.reasons)
    is_there = ~np.isnan(found.values)
    units = np.array(found.units, dtype=object)
    for unit in set(units[is_there].tolist()):
        rows = is_there & (units == unit)
        line = conversion(unit, to) if unit else None
        if line is None:
            values[rows] = np.nan
            for i in np.flatnonzero(rows).tolist():
                text = _shown(words[i].as_py())
                reasons[i] = (
                    f"unknown unit {unit!r} in {text}" if unit else f"{text} says no unit"
                )
        elif line != IDENTITY:
            values[rows] = significant(values[rows] * line.scale + line.offset)
            is_changed |= rows
    return Amounts(values, found.units, reasons, is_changed)


def _whole_only(found: Amounts, words: pa.Array) -> Amounts:
    is_there = ~np.isnan(found.values)
    is_whole = (found.values == np.floor(found.values)) & (
        np.abs(found.values) <= LARGEST_WHOLE
    )
    reasons = list(found.reasons)
    for i in np.flatnonzero(is_there & ~is_whole).tolist():
        reasons[i] = f"{_shown(words[i].as_py())} is no whole number"
    values = np.where(is_whole, found.values, np.nan)
    return Amounts(values, found.units, reasons, found.is_changed)


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")


LONGEST_SHOWN = 60
