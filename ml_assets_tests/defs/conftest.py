from contextlib import contextmanager

import dagster as dg
import pytest
from quick import COMPLAINTS, Deployment, definitions_on

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
