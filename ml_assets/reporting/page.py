"""A report as one HTML file: no script, no other host, light, dark and on paper.

The text is in `report.html`, its look in `report.css`. Every value is escaped by the template
engine; only pictures, which `drawing` escapes itself, are put in as they are.
"""

import datetime as dt
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ml_assets.evaluation.comparison import plain
from ml_assets.reporting.pictures import pictures
from ml_assets.reporting.remarks import remarks
from ml_assets.reporting.report import Report

if TYPE_CHECKING:
    from jinja2 import Template

NOT_MEASURED = "not measured"
HASH_DIGITS = 12
DECIMALS = re.compile(r"-?\d+\.\d{5,}")
"""A number that was written out to its last digit."""
MOST_ROWS = 60
"""Of one table; the rest is counted, and `--json` has it."""


def render(report: Report) -> str:
    """Write the page.

    Returns:
        HTML, a few hundred kilobytes at most; the same report gives the same text.
    """
    from markupsafe import Markup

    drawn = {
        name: (picture.title, Markup(picture.svg))  # noqa: S704 - drawing escapes what it is given
        for name, picture in pictures(report.analysis, report.timeline).items()
    }
    return _template().render(
        report=report,
        card=report.card,
        analysis=report.analysis,
        remarks=remarks(report),
        pictures=drawn,
        style=Markup(_text("report.css")),  # noqa: S704 - a file of this package
        numbers={one.version: one.number for one in report.timeline},
        most=MOST_ROWS,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "share": share,
        "interval": interval,
        "value": value,
        "moment": moment,
        "digits": digits,
        "words": words,
        "axis": axis,
    }
    return environment.from_string(_text("report.html"))


def number(found: float | None) -> str:
    """A number for people; what nobody measured says so."""
    return NOT_MEASURED if found is None else plain(found)


def signed(found: float | None) -> str:
    """The same with its sign."""
    return NOT_MEASURED if found is None else plain(found, sign="+")


def share(found: float | None) -> str:
    """A share in percent."""
    return NOT_MEASURED if found is None else f"{found:.1%}"


def interval(found: tuple[float | None, float | None]) -> str:
    """Two ends."""
    low, high = found
    return NOT_MEASURED if low is None or high is None else f"{plain(low)} to {plain(high)}"


def value(found: object) -> str:
    """Whatever a row or a setting holds."""
    match found:
        case None:
            return "(none)"
        case bool():
            return "yes" if found else "no"
        case float():
            return plain(found)
        case str() if DECIMALS.fullmatch(found):
            return plain(float(found))
        case _:
            return str(found)


def moment(found: dt.datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{found:%Y-%m-%d %H:%M}"


def digits(found: str) -> str:
    """The first digits of a hash."""
    return found[:HASH_DIGITS]


def words(found: str) -> str:
    """A name as words."""
    return found.replace("_", " ")


def axis(place: str) -> str:
    """What a place in a manifest is about: the first of its names."""
    return words(place.partition(".")[0])


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
