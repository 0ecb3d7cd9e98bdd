"""Numbers as a source writes them, to the way in which they are cast: "$1,200.50" to "1200.50".

What a source's numbers look like is declared, never guessed here: the same text is 1.2 to one source
and 1200 to another. A text that is not written as declared stays as it is, and is no number.
"""

import re
from collections.abc import Callable
from functools import cache

from ml_assets.problem.config import Source

SPACES = " \u00a0\u202f"


def plain_number(source: Source) -> Callable[[str], str] | None:
    """A function that rewrites one trimmed text; None where the source writes numbers plainly.

    Example:
        >>> source = Source(origin="", terms="", thousands=",", around_numbers=["$", "sqft"])
        >>> rewrite = plain_number(source)
        >>> rewrite("$1,200.5"), rewrite("1,200 sqft"), rewrite("12,00"), rewrite("3")
        ('1200.5', '1200', '12,00', '3')
    """
    if source.decimal == "." and not source.thousands and not source.around_numbers:
        return None
    return _rewriter(source.decimal, source.thousands, tuple(source.around_numbers))


@cache
def _rewriter(decimal: str, thousands: str, around: tuple[str, ...]) -> Callable[[str], str]:
    group = f"[{SPACES if thousands == ' ' else re.escape(thousands)}]"
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+|" if thousands else ""
    mark = "|".join(re.escape(each) for each in sorted(around, key=len, reverse=True))
    beside = rf"(?:{mark})?" if mark else ""
    digits = rf"(?:{grouped}\d+)?"
    pattern = re.compile(
        rf"(?P<sign>[+-]?)\s*{beside}\s*(?P<inner>[+-]?)(?P<digits>{digits})"
        rf"(?P<rest>(?:{re.escape(decimal)}\d*)?(?:[eE][+-]?\d{{1,3}})?)\s*{beside}",
        re.ASCII,
    )

    def rewrite(text: str) -> str:
        found = pattern.fullmatch(text)
        if found is None:
            return text
        digits = re.sub(r"\D", "", found["digits"], flags=re.ASCII)
        return found["sign"] + found["inner"] + digits + found["rest"].replace(decimal, ".")

    return rewrite
