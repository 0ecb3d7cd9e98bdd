"""Approving a challenger by launching a job."""

import dagster as dg
import numpy as np
import pytest
from loans import LOANS, NOW, draw, learned_from, with_config

from ml_assets.defs.wiring import definitions_of
from ml_assets.problem import Declared
from ml_assets.registry import champion, ensure_model, last_word

CAREFUL = with_config(LOANS, promotion={"approval": "needs_approval"})


@pytest.fixture
def launched(home, monkeypatch):
    """Launch the job with a person's answer."""
    monkeypatch.setenv("ML_ASSETS_HOME", str(home.path))
    job = definitions_of(Declared.of(CAREFUL)).resolve_job_def("loans_approve")

    def launch(**config):
        return job.execute_in_process(
            run_config={"ops": {"loans__approve": {"config": config}}},
            instance=dg.DagsterInstance.ephemeral(),
            raise_on_error=False,
        )

    return launch


def test_records_who_and_why_and_moves_the_champion(launched, home):
    learned_from(CAREFUL, home, draw(1_500, np.random.default_rng(0)))
    version = ensure_model(CAREFUL, home, now=NOW, run_id="r")

    rejected = launched(who="Robin", why="not on a Friday", approved=False)
    refused = champion(CAREFUL, home)
    approved = launched(who="Grace", why="looked at the slices", version=version.version)

    said = last_word(CAREFUL, home, version)
    assert (rejected.success, refused, approved.success) == (True, None, True)
    assert (said.who, said.why) == ("Grace", "looked at the slices")
    assert champion(CAREFUL, home).version == version.version
