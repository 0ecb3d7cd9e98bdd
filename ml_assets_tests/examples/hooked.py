"""Repayments whose clients may say amounts in cents, and get an answer in words."""

import re
from dataclasses import replace

from loans import REPAYMENTS, draw, with_config

CENTS = 100
LONG_NUMBER = re.compile(r"\d{8,}")
"""Of a card or an account; sampled stories have none."""


def in_dollars(row):
    """Cents become dollars; what a client should not have written is taken out of the story."""
    if "amount_cents" in row:
        row["amount_usd"] = row.pop("amount_cents") / CENTS
    if row.get("story"):
        row["story"] = LONG_NUMBER.sub("", row["story"])
    return row


def in_words(repaid_usd, row):
    """No more is repaid than was lent; a client who speaks German reads it so."""
    repaid = round(min(max(repaid_usd, 0.0), row["amount_usd"]), 2)
    word = "zurück" if row.get("language") == "de" else "repaid"
    return {"repaid_usd": repaid, "text": f"${repaid:,.2f} {word}"}


def without_language(row):
    """Cents become dollars; the language is for the answer only."""
    return {name: value for name, value in in_dollars(row).items() if name != "language"}


def as_texts(rows, rng):
    """Draw loans as a source delivers them."""
    drawn = draw(rows, rng).astype(object)
    return drawn.astype(str).where(drawn.notna(), None)


PLAIN = replace(
    with_config(REPAYMENTS, training={"estimators": {"ridge": {"kind": "ridge"}}}),
    sample=as_texts,
)
HOOKED = replace(PLAIN, request_hook=without_language, response_hook=in_words)
