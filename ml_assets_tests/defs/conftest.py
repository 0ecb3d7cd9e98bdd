import shutil
from contextlib import contextmanager

import dagster as dg
import pytest
from quick import COMPLAINTS, LOOP, Deployment, definitions_on, trained_home

from ml_assets.ingestion import register_source
from ml_assets.storage import Home


@pytest.fixture(scope="session")
def deployed(tmp_path_factory):
    """Open a new deployment for the time of a block; Dagster keeps its records in memory."""

    @contextmanager
    def opened():
        folder = tmp_path_factory.mktemp("deployment")
        home = Home.open(folder / "home", environment={})
        inbox = folder / "inbox"
        inbox.mkdir()
        register_source(COMPLAINTS.load(), home, inbox)
        with dg.DagsterInstance.ephemeral() as instance:
            yield Deployment(
                home=home, inbox=inbox, instance=instance, definitions=definitions_on(home)
            )

    return opened


@pytest.fixture
def deployment(deployed):
    with deployed() as opened:
        yield opened


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A home with a champion; tests work on copies of it."""
    return trained_home(LOOP, tmp_path_factory.mktemp("trained"))


@pytest.fixture
def copied(trained, tmp_path_factory):
    """Open another copy of the home with a champion; Dagster's own records start anew."""

    def copy():
        path = tmp_path_factory.mktemp("copy") / "home"
        shutil.copytree(trained.path, path, ignore=shutil.ignore_patterns("dagster"))
        return Home.open(path, environment={})

    return copy


@pytest.fixture
def opened(copied):
    return copied()
