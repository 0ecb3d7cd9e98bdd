"""What one currency was worth in another on a day: a table of dated rates.

A row of the table is a day, and how much of each currency was worth the same on it. Weekends and
holidays have no row, so the nearest day before counts, up to `MAX_AGE_DAYS`; an older rate would
be an invented one.
"""

import bisect
import csv
import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ml_assets.errors import ProblemError

MAX_AGE_DAYS = 31
"""A table of monthly rates is enough."""
SIGNS = {"€": "EUR", "£": "GBP", "US$": "USD", "C$": "CAD", "A$": "AUD"}
"""Signs of one currency only; "$" and "kr" are those of many, so a mapping must say which."""
SHARED_SIGNS = {"$": ("USD", "CAD", "AUD", "NZD"), "kr": ("SEK", "NOK", "DKK")}


class Rate(NamedTuple):
    """What one of a currency was worth, and since when."""

    value: float
    on: dt.date


@dataclass(frozen=True, kw_only=True)
class Rates:
    """A table of rates.

    Attributes:
        days: Days that have rates, rising.
        worth: By currency, how much of it was worth the same on each of these days.
    """

    days: tuple[dt.date, ...]
    worth: Mapping[str, tuple[float | None, ...]]

    @classmethod
    def from_file(cls, path: Path) -> "Rates":
        """Read a CSV with the column `on` and one column per currency; an empty cell is no rate.

        Raises:
            ProblemError: If a cell is no date or no positive number, or days do not rise.
        """
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        try:
            days = tuple(dt.date.fromisoformat(row["on"]) for row in rows)
            codes = [code for code in rows[0] if code != "on"] if rows else []
            worth = {code: tuple(_worth(row[code]) for row in rows) for code in codes}
        except (KeyError, ValueError, TypeError) as error:
            raise ProblemError(f"{path} is no table of rates: {error}.") from None
        if any(later <= day for day, later in itertools.pairwise(days)):
            raise ProblemError(f"{path} is no table of rates: its days do not rise.")
        return cls(days=days, worth=worth)

    def rate(self, currency: str, to: str, day: dt.date) -> Rate | None:
        """What one of `currency` was worth in `to` on a day, or shortly before it.

        Example:
            >>> rates = Rates(
            ...     days=(dt.date(2020, 7, 14),), worth={"EUR": (1.0,), "USD": (1.14,)}
            ... )
            >>> rates.rate("EUR", "USD", dt.date(2020, 7, 16))
            Rate(value=1.14, on=datetime.date(2020, 7, 14))
        """
        if currency == to:
            return Rate(1.0, day)
        here, there = self.worth.get(currency), self.worth.get(to)
        if here is None or there is None:
            return None
        first = bisect.bisect_left(self.days, day - dt.timedelta(days=MAX_AGE_DAYS))
        last = bisect.bisect_right(self.days, day) - 1
        for i in range(last, first - 1, -1):
            one, other = here[i], there[i]
            if one is not None and other is not None:
                return Rate(other / one, self.days[i])
        return None


NO_RATES = Rates(days=(), worth={})
"""A table that knows no currency but as itself."""


def currency_of(sign: str, given: str | None) -> str | None:
    """The currency that stands at an amount; None where that is unknown.

    Args:
        sign: What stands before or after the number.
        given: The currency that the mapping says.

    Example:
        >>> currency_of("$", "CAD"), currency_of("€", "CAD"), currency_of("$", "EUR")
        ('CAD', 'EUR', None)
    """
    if not sign:
        return given
    plain = sign.strip().upper()
    if given in SHARED_SIGNS.get(sign.strip().lower(), ()):
        return given
    found = SIGNS.get(plain, plain)
    return found if len(found) == len("USD") and found.isascii() and found.isalpha() else None


def _worth(cell: str) -> float | None:
    if not cell:
        return None
    value = float(cell)
    if not 0 < value < float("inf"):
        message = f"{cell} is no rate"
        raise ValueError(message)
    return value
