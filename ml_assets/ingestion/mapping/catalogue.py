"""Every rule of a mapping in words, so that a report can say what each of them did."""

from typing import NamedTuple

from ml_assets.ingestion.mapping.declaration import Mapping, Rule


class RuleEntry(NamedTuple):
    """One rule."""

    id: str
    """Unique among the rules of all sources."""
    column: str
    """The contract's column that it fills."""
    says: str
    """What it does, in words."""


def rules_of(mapping: Mapping) -> tuple[RuleEntry, ...]:
    """Every rule of a mapping, in its order.

    Example:
        >>> rules = {"area_m2": {"path": "area", "kind": "number", "unit": "sqft", "to": "m2"}}
        >>> values = {"source": "ads", "origin": "", "terms": "", "columns": rules}
        >>> rules_of(Mapping.model_validate(values))[0].says
        "'area' as a number, sqft where it says no unit, to m2"
    """
    return tuple(
        RuleEntry(rule_id(mapping, column, number), column, _words(rule, mapping))
        for column, rules in mapping.columns.items()
        for number, rule in enumerate(rules)
    )


def rule_id(mapping: Mapping, column: str, number: int) -> str:
    """The id of the rule at a place; the first of a column is called as the column."""
    return f"{mapping.source}.{column}" + (f".{number + 1}" if number else "")


def _words(rule: Rule, mapping: Mapping) -> str:
    if rule.constant is not None:
        return f"{rule.constant!r} in every row"
    if rule.id_of:
        return f"an id of {mapping.source!r} and {' and '.join(map(repr, rule.id_of))}"
    first = " or else ".join(map(repr, rule.path))
    return ", ".join([first + _kind(rule, mapping), *_details(rule)])


def _kind(rule: Rule, mapping: Mapping) -> str:
    match rule.kind:
        case "date":
            formats = ", ".join([*rule.dates, *mapping.dates, "ISO 8601"])
            return f" as a date ({formats})"
        case "number":
            return " as a number"
        case "integer":
            return " as a whole number"
    return ""


def _details(rule: Rule) -> list[str]:
    ranges = rule.ranges
    pairs = {
        f"cut at {rule.cut_at!r}": rule.cut_at is not None,
        f"the {rule.part} of the address": rule.part is not None,
        f"{len(rule.codes)} codes to categories": bool(rule.codes),
        f"as exact as a {rule.precision}": rule.precision is not None,
        "what is added up is summed": ranges.sum,
        "two sides are an area": ranges.sides,
        f"{ranges.under} of the bound it is under": ranges.under is not None,
        f"{rule.unit} where it says no unit": rule.unit is not None,
        f"{rule.currency} where it says no currency": rule.currency is not None,
        f"to {rule.to}": rule.to is not None,
        f"at the rate of {rule.dated_by}": rule.dated_by is not None,
        f"{', '.join(map(repr, rule.missing))} mean no value": bool(rule.missing),
    }
    return [words for words, holds in pairs.items() if holds]
