"""What the key of a partition says: when, and where a problem is cut by location, too.

`2026-11-23` is a window of event time; `Canada|2026-11-23` is that window of one location, spelled
as Dagster spells a key of two dimensions, so that a partition has one name everywhere.
"""

import datetime as dt
import re
from typing import NamedTuple, Self

from ml_assets.problem.config import Grain

BETWEEN = "|"
LONGEST_LOCATION = 80
LOCATION = re.compile(r"(?! )[^|,\[\]/\\%\x00-\x1f]+(?<! )")
"""Keys are parts of paths, and are listed with commas between them."""


class Key(NamedTuple):
    """A partition's key, taken apart.

    Example:
        >>> Key.of("Canada|2026-11-23")
        Key(window='2026-11-23', location='Canada')
        >>> Key.of("2026-11-23").text
        '2026-11-23'
    """

    window: str
    location: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Take a key apart."""
        location, between, window = text.rpartition(BETWEEN)
        return cls(window, location if between else None)

    @property
    def text(self) -> str:
        """The key as tables and Dagster have it."""
        return (
            self.window if self.location is None else f"{self.location}{BETWEEN}{self.window}"
        )


def window_of(moment: dt.date, grain: Grain) -> str:
    """The window of event time that an event at `moment` (UTC) falls into."""
    match grain:
        case "daily":
            return moment.strftime("%Y-%m-%d")
        case "weekly":
            monday = moment - dt.timedelta(days=moment.weekday())
            return monday.strftime("%Y-%m-%d")
        case "monthly":
            return moment.strftime("%Y-%m")


def is_location(text: str) -> bool:
    """Whether a text can be the location in a key.

    Example:
        >>> [is_location(text) for text in ("New Zealand", "Congo, Republic", " ", "a|b")]
        [True, False, False, False]
    """
    return len(text) <= LONGEST_LOCATION and LOCATION.fullmatch(text) is not None
