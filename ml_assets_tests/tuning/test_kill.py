"""A study that is killed loses no trial, and runs none twice."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loans import draw, learned_from
from programs import environment_of, killed, wait_until
from tuned import TUNED, search

from ml_assets.storage import Home
from ml_assets.tuning import studies, trials_of

PROGRAM = Path(__file__).parents[1] / "examples" / "tuned.py"
TRIALS = 40


@pytest.mark.slow
def test_forty_trials_in_two_processes_are_those_of_one_that_was_never_killed(tmp_path):
    home = Home.open(tmp_path / "home", environment={})
    learned_from(TUNED, home, draw(300, np.random.default_rng(0), months=6))
    command = [sys.executable, str(PROGRAM), str(home.path), str(TRIALS)]

    def tried():
        known = studies(TUNED, home)
        return trials_of(home, known[0].name) if known else []

    with killed(command, home) as log:
        wait_until(lambda: len(tried()) >= TRIALS // 2, 120, log)
    left = tried()
    subprocess.run(command, check=True, env=environment_of(home), cwd=home.path)

    over = {each.number: each for each in left if each.state != "running"}
    found = {each.number: each for each in tried()}
    assert 0 < len(over) < TRIALS
    assert list(found) == list(range(TRIALS))
    assert {each.state for each in found.values()} <= {"done", "pruned"}
    assert over.items() <= found.items()
    for before in left:
        if before.state == "running":
            after = found[before.number]
            assert (after.runs, after.choice) == (before.runs + 1, before.choice)
    alone = Home.open(tmp_path / "alone", environment={})
    same = learned_from(TUNED, alone, draw(300, np.random.default_rng(0), months=6))
    study = search(TUNED, alone, same, trials=TRIALS)
    assert [(each.choice, each.kpi) for each in trials_of(alone, study.name)] == [
        (each.choice, each.kpi) for each in found.values()
    ]
