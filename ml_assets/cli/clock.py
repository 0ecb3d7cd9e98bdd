"""What only the edge of a program may ask: the time, and who is at the keyboard."""

import datetime as dt
import getpass


def now() -> dt.datetime:
    """The time in UTC."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge


def who() -> str:
    """The user; containers may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
