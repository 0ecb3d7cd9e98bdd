"""What a rule makes of the distinct texts of one column; texts recur, so each is read once.

Numbers are for `amounts`, and what depends on the row beside the text is for `applying`.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.mapping.address import address_of
from ml_assets.ingestion.mapping.amounts import Amounts, number_texts
from ml_assets.ingestion.mapping.dates import date_text, is_as_exact, when
from ml_assets.ingestion.mapping.declaration import Rule

NONE = pa.nulls(1, pa.string())[0]  # pa.scalar would import pandas


class Texts(NamedTuple):
    """A column, or the distinct texts of one; n of each."""

    values: pa.Array
    """As the contract has them; null where there is none."""
    reasons: pa.Array
    """Why a text has none; null where it has, or where there is no text."""
    given: pa.Array
    """`{"text": …}` as JSON, what the source has, where that is something else; null elsewhere."""

    def take(self, indices: pa.Array) -> "Texts":
        """The texts at some places."""
        return Texts(*(each.take(indices) for each in self))


def read(words: pa.Array, rule: Rule, formats: list[str]) -> Texts:
    """What a rule of kind text or date makes of distinct texts.

    Args:
        words: Trimmed texts; d, may have nulls.
        rule: The rule.
        formats: Of dates.
    """
    if rule.kind == "date":
        return _each(words, lambda text: _date(text, rule, formats))
    if rule.codes:
        return _each(words, lambda text: _code(text, rule.codes))
    if rule.part:
        part = rule.part
        return _each(words, lambda text: (getattr(address_of(text), part), None))
    return unchanged(words)


def unchanged(words: pa.Array) -> Texts:
    """Texts that the contract has as the source has them."""
    nothing = pa.nulls(len(words), pa.string())
    return Texts(words, nothing, nothing)


def numbers(words: pa.Array, found: Amounts, rule: Rule) -> Texts:
    """Numbers that were read from distinct texts, as texts again."""
    values = number_texts(found.values, whole=rule.kind == "integer")
    changed = np.flatnonzero(found.is_changed & ~np.isnan(found.values)).tolist()
    given: list[str | None] = [None] * len(words)
    for i in changed:
        given[i] = given_text(words[i].as_py(), unit=found.units[i])
    return Texts(values, pa.array(found.reasons, pa.string()), pa.array(given, pa.string()))


def given_text(text: str, **more: str) -> str:
    """What the source has, as JSON; empty facts are left out."""
    facts = {"text": text, **{name: value for name, value in more.items() if value}}
    return json.dumps(facts, ensure_ascii=False)


def _each(words: pa.Array, one: Callable[[str], tuple[str | None, str | None]]) -> Texts:
    """Read texts one by one, each to a value or to a reason why it has none."""
    texts = words.to_pylist()
    pairs = [(None, None) if text is None else one(text) for text in texts]
    given = [
        given_text(text) if value is not None and value != text else None
        for text, (value, _) in zip(texts, pairs, strict=True)
    ]
    values, reasons = [value for value, _ in pairs], [reason for _, reason in pairs]
    return Texts(*(pa.array(each, pa.string()) for each in (values, reasons, given)))


def _date(text: str, rule: Rule, formats: list[str]) -> tuple[str | None, str | None]:
    found = when(text, formats)
    if found is None:
        return None, f"{text!r} is no date of {', '.join([*formats, 'ISO 8601'])}"
    if rule.precision == "time" and not is_as_exact(found.precision, "day"):
        return None, f"{text!r} says no day"
    return date_text(text, formats, rule.precision), None


def _code(text: str, codes: dict[str, str]) -> tuple[str | None, str | None]:
    value = codes.get(text)
    return (value, None) if value is not None else (None, f"unknown code {text!r}")
