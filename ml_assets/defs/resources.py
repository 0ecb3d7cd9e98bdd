"""What a step needs from outside: the home, and the time."""

import datetime as dt

import dagster as dg

from ml_assets.storage.home import Home


class HomeResource(dg.ConfigurableResource[Home]):
    """One deployment's lake, store and artifacts.

    Attributes:
        path: Its folder; without one the environment decides, see `Home.open`.
    """

    path: str | None = None

    def open(self) -> Home:
        """Open the home."""
        return Home.open(self.path)


def utc_now() -> dt.datetime:
    """The time; rooms take it as an argument, so that only the edges ask the clock."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
