"""Which rule reads the values of a sample best: a guess, for a person to correct."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ml_assets.ingestion.mapping.address import Part
from ml_assets.ingestion.mapping.dates import when
from ml_assets.ingestion.mapping.money import SHARED_SIGNS, SIGNS
from ml_assets.ingestion.mapping.numbers import Decimal, quantity
from ml_assets.ingestion.mapping.synonyms import UNITS, stem_and_unit
from ml_assets.ingestion.mapping.units import conversion
from ml_assets.problem import Field

RuleValues = dict[str, str | list[str] | dict[str, bool]]

DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%Y%m%d",
    "%Y%m",
    "%Y %B",
    "%B %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%Y/%m/%d",
    "%d.%m.%y",
)
PARTS: dict[str, Part] = {
    "street": "street",
    "city": "city",
    "region": "state",
    "state": "state",
    "postcode": "zip_code",
    "zip_code": "zip_code",
}
"""Columns of a contract that may be in one text, and as which part."""
CURRENCIES = ("usd", "eur", "cad", "aud", "gbp", "chf")


def rule_for(path: str, field: Field, values: Sequence[str], day: str) -> RuleValues:
    """A rule that fills a column from a path.

    Args:
        path: Of the source.
        field: The contract's column.
        values: Texts at the path, without missing ones.
        day: The contract's column whose day rates are of.
    """
    match field.kind:
        case "time":
            return {"path": path, "kind": "date", **_dates(values), "precision": "day"}
        case "number" | "integer":
            return {"path": path, "kind": field.kind, **_number(path, field.name, values, day)}
    if re.search(r"(_on|_date|^date)$", field.name):
        return {"path": path, "kind": "date", **_dates(values)}
    part = PARTS.get(field.name)
    if part and sum("," in value or "|" in value for value in values) > len(values) / 2:
        return {"path": path, "part": part}
    return {"path": path}


def may_be(field: Field, values: Sequence[str]) -> bool:
    """Whether at least half of some texts could be values of a column."""
    match field.kind:
        case "number" | "integer":
            reads = max(_reads(values, "."), _reads(values, ","))
        case "time":
            reads = max(
                sum(when(value, [form]) is not None for value in values) for form in DATES
            )
        case _:
            return True
    return reads * 2 >= len(values)


def _dates(values: Sequence[str]) -> RuleValues:
    """The format that reads most values; none where ISO 8601 reads as many."""
    iso = sum(when(value, ()) is not None for value in values)
    reads = {form: sum(when(value, [form]) is not None for value in values) for form in DATES}
    best = max(reads, key=lambda form: reads[form])
    return {"dates": best} if reads[best] > iso else {}


def _number(path: str, column: str, values: Sequence[str], day: str) -> RuleValues:
    marks: tuple[Decimal, Decimal] = (".", ",")
    decimal = max(marks, key=lambda mark: _reads(values, mark))
    found: RuleValues = {} if decimal == "." else {"decimal": decimal}
    if any(re.fullmatch(r"\d+(\s*\+\s*\d+)+", value) for value in values):
        found["ranges"] = {"sum": True}
    _, wanted = stem_and_unit(column)
    if wanted in CURRENCIES:
        to = wanted.upper()
        return {**found, "currency": _currency(values, to), "to": to, "dated_by": day}
    if wanted:
        in_text = any(conversion(unit, wanted) for unit in _around(values) if unit)
        named = next((u for u in UNITS if u in re.split(r"[_\W]+", path.lower())), wanted)
        unit = named if conversion(named, wanted) else wanted
        return {**found, **({} if in_text else {"unit": unit}), "to": wanted}
    return found


def _reads(values: Sequence[str], decimal: Decimal) -> int:
    return sum(quantity(value, decimal) is not None for value in values)


def _around(values: Iterable[str]) -> Counter[str]:
    """What stands at the numbers of a sample."""
    read = (quantity(value) for value in values)
    around = (f"{found.before} {found.after}".strip() for found in read if found)
    return Counter(text for text in around if text)


def _currency(values: Sequence[str], wanted: str) -> str:
    """The currency that a sample's signs say; the wanted one where they do not."""
    for sign, _ in _around(values).most_common():
        if sign in SIGNS:
            return SIGNS[sign]
        if wanted in SHARED_SIGNS.get(sign, ()):
            return wanted
        if len(sign) == len("USD") and sign.isalpha():
            return sign.upper()
    return wanted
