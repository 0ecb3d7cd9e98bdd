import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from quick import BAD, BROKEN_ROWS, GOOD, deliver

from ml_assets.cli import main


@dataclass(frozen=True, kw_only=True)
class Called:
    """What a command said, and how it ended."""

    exit_code: int
    out: str
    err: str

    @property
    def facts(self):
        return json.loads(self.out)

    @property
    def words(self):
        """What it printed, without the line breaks of its tables."""
        return " ".join(self.out.split())


def call_ml_assets(*arguments):
    """Call `ml-assets` as a shell does, in this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["ml-assets", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return Called(exit_code=int(ended.value.code or 0), out=out.getvalue(), err=err.getvalue())


@pytest.fixture(scope="session")
def call():
    return call_ml_assets


@dataclass(frozen=True, kw_only=True)
class Played:
    """A home that a source with three good months and a bad one was run in."""

    home: Path
    inbox: Path
    first: Called


@pytest.fixture(scope="session")
def played(tmp_path_factory, call):
    folder = tmp_path_factory.mktemp("played")
    home, inbox = folder / "home", folder / "inbox"
    inbox.mkdir()
    for month in GOOD:
        deliver(inbox, month)
    deliver(inbox, BAD, broken=BROKEN_ROWS)
    first = call("run", "complaints", "--source", inbox, "--home", home, "--json")
    return Played(home=home, inbox=inbox, first=first)
