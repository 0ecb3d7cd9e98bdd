"""Text to a number and what stands around it, and nothing else.

A comma or a dot, whichever is not the decimal mark, a space or an apostrophe may stand between
groups of three digits, and only there: "1,200" is a number, "12,00" is none.
"""

import math
import re
from functools import cache
from typing import Literal, NamedTuple

Decimal = Literal[".", ","]

LARGEST_WHOLE = 2**53
"""Beyond it a float does not tell neighbours apart."""
SPACES = " \u00a0\u202f"


class Quantity(NamedTuple):
    """A number with the texts before and after it."""

    before: str
    number: float
    after: str


def quantity(text: str, decimal: Decimal = ".") -> Quantity | None:
    """Read a number and what stands around it; None where there is none.

    Example:
        >>> quantity("1,200 sqft")
        Quantity(before='', number=1200.0, after='sqft')
        >>> quantity("12,5 m²", ",").number
        12.5
        >>> quantity("30x40 FT").after
        'x40 FT'
        >>> quantity("about")
    """
    found = _pattern(decimal).fullmatch(text.strip())
    if found is None:
        return None
    group = "," if decimal == "." else "."
    digits = re.sub(rf"[{re.escape(group)}'{SPACES}]", "", found["number"])
    number = float(digits.replace(decimal, "."))
    if not math.isfinite(number):
        return None
    return Quantity(found["before"].strip(), number, (found["after"] or "").strip())


def number(text: str, decimal: Decimal = ".") -> float | None:
    """Read a number that stands alone; None where it does not."""
    found = quantity(text, decimal)
    return found.number if found and not (found.before or found.after) else None


def whole(value: float) -> int | None:
    """The integer that `value` is; None where it is none, or too large to be known exactly."""
    return int(value) if value.is_integer() and abs(value) <= LARGEST_WHOLE else None


@cache
def _pattern(decimal: Decimal) -> re.Pattern[str]:
    mark = re.escape(decimal)
    group = re.escape("," if decimal == "." else ".")
    grouped = rf"[0-9]{{1,3}}(?:[{group}'{SPACES}][0-9]{{3}})+(?![0-9])"
    fraction = rf"(?:{mark}[0-9]*)?(?:[eE][-+]?[0-9]+)?"
    digits = rf"[-+]?(?:(?:{grouped}|[0-9]+){fraction}|{mark}[0-9]+(?:[eE][-+]?[0-9]+)?)"
    return re.compile(
        rf"(?P<before>[^0-9.,+-]*)(?P<number>{digits})(?P<after>[^0-9.,].*)?", re.DOTALL
    )
