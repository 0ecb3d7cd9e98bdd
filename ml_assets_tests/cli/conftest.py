from dataclasses import dataclass
from pathlib import Path

import pytest
from calling import Called, call_ml_assets
from quick import BAD, BROKEN_ROWS, GOOD, deliver


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
