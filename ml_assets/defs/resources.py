"""What a step needs from outside: the home, and the time."""

import datetime as dt

import dagster as dg
from pydantic import PrivateAttr

from ml_assets.defs.claims import Claim
from ml_assets.storage import Home


class HomeResource(dg.ConfigurableResource[Home]):
    """One deployment's lake, store and artifacts.

    Attributes:
        path: Its folder; without one the environment decides, see `Home.open`.
    """

    path: str | None = None
    _claim: Claim | None = PrivateAttr(default=None)

    def open(self) -> Home:
        """Open the home."""
        return Home.open(self.path)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Say that this process works on the run."""
        if context.run is not None:
            self._claim = Claim(self.open().path, context.run.run_id)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Say that it is done."""
        if self._claim is not None:
            self._claim.release()


def utc_now() -> dt.datetime:
    """The time; rooms take it as an argument, so that only the edges ask the clock."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
