"""A date as a source wrote it, in ISO 8601 and only as exact as it is known.

"1990 May" is `1990-05`: no day is made up, unless a mapping asks for one; then it is the first.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import NamedTuple

from ml_assets.ingestion.mapping.declaration import PRECISIONS, Precision

WRITTEN: dict[Precision, str] = {
    "year": "%Y",
    "month": "%Y-%m",
    "day": "%Y-%m-%d",
    "time": "%Y-%m-%dT%H:%M:%SZ",
}
DIRECTIVES: dict[Precision, re.Pattern[str]] = {
    "time": re.compile(r"%[HIcX]"),
    "day": re.compile(r"%[djxD]"),
    "month": re.compile(r"%[mbB]"),
}
"""What a format must hold to say so much, the most exact first."""
ISO: tuple[tuple[re.Pattern[str], Precision], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII), "time"),
    (re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), "day"),
    (re.compile(r"\d{4}-\d\d", re.ASCII), "month"),
    (re.compile(r"\d{4}", re.ASCII), "year"),
)


class When(NamedTuple):
    """A moment, and how exactly it is known."""

    moment: dt.datetime
    precision: Precision


def date_text(
    text: str, formats: Sequence[str], precision: Precision | None = None
) -> str | None:
    """Write a date in ISO 8601; None where no format reads it.

    Args:
        text: The date, as the source has it.
        formats: strptime formats tried in turn, before ISO 8601.
        precision: How exact the answer is; as exact as the text by default.

    Example:
        >>> date_text("1990 May", ["%Y %B"]), date_text("1990-05", [])
        ('1990-05', '1990-05')
        >>> date_text("201812", ["%Y%m"], "day")
        '2018-12-01'
        >>> date_text("30.02.2020", ["%d.%m.%Y"])
    """
    found = when(text, formats)
    if found is None:
        return None
    # strftime does not pad years before 1000.
    return found.moment.strftime(WRITTEN[precision or found.precision]).zfill(4)


def when(text: str, formats: Sequence[str]) -> When | None:
    """When a text says, by the first format that reads it, or ISO 8601."""
    for form in formats:
        try:
            moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - no offset is UTC
        except ValueError:
            continue
        return When(_in_utc(moment), precision_of(form))
    return _iso(text)


def precision_of(form: str) -> Precision:
    """How much a strptime format says."""
    return next((p for p, pattern in DIRECTIVES.items() if pattern.search(form)), "year")


def is_as_exact(precision: Precision, as_this: Precision) -> bool:
    """Whether one precision says at least as much as another."""
    return PRECISIONS.index(precision) >= PRECISIONS.index(as_this)


def _iso(text: str) -> When | None:
    precision = next((p for pattern, p in ISO if pattern.fullmatch(text)), None)
    if precision is None:
        return None
    filled = {"year": f"{text}-01-01", "month": f"{text}-01"}.get(precision, text)
    try:
        return When(_in_utc(dt.datetime.fromisoformat(filled)), precision)
    except ValueError:
        return None


def _in_utc(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC)
