"""Requests and answers in the units and the currency of whoever asks.

A client may give sizes in square feet (`area_sqft`, `land_sqft`) and say in which currency it wants
the answer (`currency`). Pure functions of one row; what the contract takes already stays as it is.
"""

from collections.abc import Mapping
from typing import Any

M2_PER_SQFT = 0.09290304

PER_USD = {"USD": 1.0, "EUR": 0.92, "CAD": 1.36, "AUD": 1.52, "GBP": 0.79}
"""How much of a currency one US dollar is worth; round, since a price on offer is, too."""

CURRENCY_OF = {
    "USA": "USD",
    "Canada": "CAD",
    "Germany": "EUR",
    "Spain": "EUR",
    "Australia": "AUD",
}
SIGNS = {"USD": "$", "EUR": "€", "CAD": "C$", "AUD": "A$", "GBP": "£"}


def in_square_metres(row: dict[str, Any]) -> dict[str, Any]:
    """The row with square metres in the place of square feet."""
    for client, contract in (("area_sqft", "area_m2"), ("land_sqft", "land_m2")):
        if row.get(client) is not None:
            row[contract] = float(row[client]) * M2_PER_SQFT
        row.pop(client, None)
    return row


def as_the_client_counts(price_usd: float, row: Mapping[str, Any]) -> dict[str, Any]:
    """The price in the currency that was asked for, or else that of the home's country."""
    asked = str(row.get("currency") or CURRENCY_OF.get(str(row.get("location")), "USD")).upper()
    currency = asked if asked in PER_USD else "USD"
    price = max(price_usd, 0.0) * PER_USD[currency]
    shown: dict[str, Any] = {
        "price": f"{SIGNS[currency]}{_rounded(price):,}",
        "currency": currency,
    }
    area = row.get("area_m2")
    if isinstance(area, int | float) and area > 0:
        shown["per_m2"] = f"{SIGNS[currency]}{round(price / area):,}"
    return shown


def _rounded(price: float) -> int:
    """To three digits, as prices of homes are said."""
    return int(float(f"{price:.3g}"))
