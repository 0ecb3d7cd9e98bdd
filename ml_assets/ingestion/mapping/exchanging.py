"""Amounts of money in one currency, at the rate of each row's own day."""

import datetime as dt
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.mapping.amounts import Amounts, number_texts
from ml_assets.ingestion.mapping.declaration import Rule
from ml_assets.ingestion.mapping.money import Rates
from ml_assets.ingestion.mapping.readings import NONE, Texts, given_text

CENTS = 2
DAY_CHARACTERS = 10


class _Exchange(NamedTuple):
    """How amounts of one currency on one day are converted, or why they cannot be."""

    factor: float | None
    facts: str
    """The end of the JSON object that says what was given."""
    reason: str | None
    is_foreign: bool = True


def exchanged(
    words: pa.DictionaryArray, found: Amounts, days: pa.Array, rule: Rule, rates: Rates
) -> Texts:
    """Convert amounts to the currency that a rule wants.

    Args:
        words: Trimmed texts; n rows, d distinct.
        found: What the distinct texts say; `units` are their currencies.
        days: ISO 8601; n, null where it is not known.
        rule: Says the currency that is wanted.
        rates: What currencies were worth.
    """
    currencies = pa.array(found.units, pa.string()).take(words.indices)
    on = pc.fill_null(pc.utf8_slice_codeunits(days, 0, DAY_CHARACTERS), "")
    pairs = pc.binary_join_element_wise(currencies, on, " ").dictionary_encode()
    each = [_exchange(pair, str(rule.to), rates) for pair in pairs.dictionary.to_pylist()]

    def by_row(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pairs.indices)

    amount = pa.array(found.values, from_pandas=True).take(words.indices)
    factor = by_row([one.factor for one in each], pa.float64())
    money = pc.round(pc.multiply(amount, factor), CENTS)
    unread = pa.array(found.reasons, pa.string()).take(words.indices)
    no_rate = by_row([one.reason for one in each], pa.string())
    is_changed = pc.or_(
        pa.array(found.is_changed).take(words.indices),
        by_row([one.is_foreign for one in each], pa.bool_()),
    )
    facts = by_row([one.facts for one in each], pa.string())
    return Texts(
        values=number_texts(money.to_numpy(zero_copy_only=False), whole=False),
        reasons=pc.coalesce(unread, pc.if_else(pc.is_valid(amount), no_rate, NONE)),
        given=pc.if_else(
            pc.and_(is_changed, pc.is_valid(money)),
            pc.binary_join_element_wise(_heads(words), facts, ""),
            NONE,
        ),
    )


def _heads(words: pa.DictionaryArray) -> pa.Array:
    """What was given, as JSON without its end."""
    texts = words.dictionary.to_pylist()
    heads = [None if text is None else given_text(text)[:-1] for text in texts]
    return pa.array(heads, pa.string()).take(words.indices)


def _exchange(pair: str, to: str, rates: Rates) -> _Exchange:
    currency, day = pair.split(" ", 1)
    if currency == to:
        return _Exchange(1.0, f', "currency": "{currency}"}}', None, is_foreign=False)
    try:
        on = dt.date.fromisoformat(day)
    except ValueError:
        return _Exchange(None, "}", f"no day to take the rate of {currency} from")
    rate = rates.rate(currency, to, on)
    if rate is None:
        return _Exchange(
            None, "}", f"no rate from {currency} to {to} on {day} or shortly before"
        )
    facts = f', "currency": "{currency}", "rate": {rate.value!r}, "rate_on": "{rate.on}"}}'
    return _Exchange(rate.value, facts, None)
