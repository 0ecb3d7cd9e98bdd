"""In which format are some dates written? By evidence, and it is said where there is none.

"3/4/2015" is a day in March or in April. A day beyond the 12th decides; where there is none, a file
that is in order of time under one reading alone does.
"""

import datetime as dt
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ml_assets.ingestion.mapping.guessing import DATES
from ml_assets.ingestion.times import moment

DAYS = (
    *(form for form in DATES if "%d" in form and form != "%Y%m%d"),
    *("%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y"),
    "%Y.%m.%d",
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = tuple(f"{day}{clock}" for day in DAYS for clock in CLOCKS)
COARSE = ("%Y%m%d", "%Y%m", "%Y-%m", "%Y")
"""Only for a column that is said to have times: otherwise these are numbers."""
LOOKS_DATED = re.compile(r"(?=.*\d.*[-/. ].*\d)[\w:,./ +-]{6,40}", re.ASCII)
MOST_LOOKED_AT = 400
SOME = 15


class DateFormat(NamedTuple):
    """How dates are written."""

    format: str | None
    """For `strptime`; None where they are ISO 8601."""
    read: float
    """Share of the texts that it reads, in [0, 1]."""
    doubt: str | None = None
    """Why another format may be meant."""


def date_format(texts: Sequence[str], *, said: bool = False) -> DateFormat | None:
    """Find the format that some texts are written in; None where they are no dates.

    Args:
        texts: Texts that are not missing, in the order of the file.
        said: Whether somebody says that these are times, so that 2015 is a year.

    Example:
        >>> date_format(["03/14/2015", "04/02/2015"]).format
        '%m/%d/%Y'
        >>> date_format(["03/04/2015", "01/05/2015"]).doubt
        'no day is beyond the 12th, so %m/%d/%Y reads them as well'
    """
    some = _spread(texts, MOST_LOOKED_AT)
    if not some or not (said or _looks_dated(some)):
        return None
    formats: list[str | None] = [None, *FORMATS, *(COARSE if said else ())]
    first = _spread(some, SOME)
    possible = [form for form in formats if any(reads(text, form) for text in first)]
    shares = {form: sum(reads(text, form) for text in some) / len(some) for form in possible}
    if not shares:
        return None
    best = max(shares.values())
    equal = [form for form in possible if shares[form] == best]
    if len(equal) == 1:
        return DateFormat(equal[0], best)
    return _decided(texts, equal, best)


def reads(text: str, form: str | None) -> bool:
    """Whether a format reads a text; None is ISO 8601."""
    if form is None:
        return len(text) >= len("2015-01-01") and moment(text, ()) is not None
    try:
        dt.datetime.strptime(text, form)  # noqa: DTZ007 - it is only asked whether
    except ValueError:
        return False
    return True


def _decided(texts: Sequence[str], equal: list[str | None], share: float) -> DateFormat:
    """Which of several formats that read as many texts: the one under which they are in order."""
    if None in equal:
        return DateFormat(None, share)
    some = texts[:MOST_LOOKED_AT]
    ordered = [form for form in equal if form and _in_order(some, form)]
    if len(ordered) == 1:
        return DateFormat(ordered[0], share)
    chosen, other = equal[0], equal[1]
    return DateFormat(
        chosen, share, f"no day is beyond the 12th, so {other} reads them as well"
    )


def _in_order(texts: Sequence[str], form: str) -> bool:
    moments = [found for text in texts if (found := moment(text, [form]))]
    rises = all(one <= other for one, other in pairwise(moments))
    falls = all(one >= other for one, other in pairwise(moments))
    return len(set(moments)) > SOME and (rises or falls)


def _looks_dated(texts: Sequence[str]) -> bool:
    return 2 * sum(bool(LOOKS_DATED.fullmatch(text)) for text in texts) > len(texts)


def _spread(texts: Sequence[str], most: int) -> Sequence[str]:
    """Some of the texts, from everywhere."""
    return texts[:: max(1, len(texts) // most)][:most]
