"""Dagster's real daemon is killed in mid-tick and in mid-run: each batch is learned from once."""

import datetime as dt
import subprocess
import sys
import time

import pytest
from answering import log_answers, say
from looping import EAGER
from programs import environment_of, killed, started, wait_until

from ml_assets.defs.resources import utc_now
from ml_assets.defs.runs import instance_of
from ml_assets.features import load_training_set, training_frame
from ml_assets.feedback import sealed_batches
from ml_assets.registry import versions

SENSOR = "complaints_feedback"
DAEMON = [sys.executable, "-W", "ignore", "-m", "dagster._daemon", "run", "-m", "looping"]
TURN_ON = [sys.executable, "-W", "ignore", "-m", "dagster", "sensor", "start", SENSOR]
WORK_SECONDS = 400
ROWS = 40

pytestmark = pytest.mark.slow


def label_some(home, seed):
    problem, now = EAGER.load(), utc_now()
    at = now - dt.timedelta(minutes=5)
    say(problem, home, log_answers(problem, home, ROWS, at=at, seed=seed), at=now)


def turn_on(home):
    subprocess.run(
        [*TURN_ON, "-m", "looping"],
        env=environment_of(home),
        cwd=home.path,
        check=True,
        capture_output=True,
    )


def wait_closely(has_come, log):
    """Wait for a moment that is soon over."""
    deadline = time.monotonic() + WORK_SECONDS
    while not has_come():
        assert time.monotonic() < deadline, log.read_text()[-4_000:]
        time.sleep(0.02)


def live(home):
    return home.lake.partitions("complaints/feedback")


def trained(home):
    return len(versions(EAGER.load(), home))


def test_each_batch_is_learned_from_exactly_once(opened):
    problem, home = EAGER.load(), opened
    known = trained(home)
    turn_on(home)

    label_some(home, seed=1)
    with killed(DAEMON, home) as log:
        wait_closely(lambda: sealed_batches(problem, home), log)
    after_tick = (len(live(home)), trained(home))
    with killed(DAEMON, home) as log:
        wait_until(lambda: trained(home) == known + 1, WORK_SECONDS, log)
        wait_until_finished(home, log)
        label_some(home, seed=2)
        wait_closely(lambda: len(live(home)) == 2, log)
    after_run = trained(home)
    with started(DAEMON, home) as log:
        wait_until(lambda: trained(home) == known + 2, WORK_SECONDS, log)
        wait_until_finished(home, log)

    assert after_tick == (0, known)
    assert after_run == known + 1
    assert learned(home) == {name: state.content_hash for name, state in live(home).items()}
    assert [each.counts.labels for each in sealed_batches(problem, home)] == [ROWS, ROWS]
    assert rows_of_feedback(home) == 2 * ROWS
    assert writes(home) == dict.fromkeys(live(home), 1)
    assert successes(home) == dict.fromkeys(live(home), 1)


def learned(home):
    """Batches that the newest model learned from, with their content."""
    return versions(EAGER.load(), home)[-1].manifest.data.feedback


def rows_of_feedback(home):
    problem = EAGER.load()
    frame = training_frame(problem, home, load_training_set(problem, home))
    mine = frame[frame["partition"].str.startswith("feedback/")]
    assert mine["complaint_id"].is_unique
    return len(mine)


def writes(home):
    """How often each partition was written."""
    commits = home.lake.history("complaints/feedback")
    names = [name for commit in commits for name in commit.partitions]
    return {name: names.count(name) for name in set(names)}


def runs(home):
    with instance_of(home.path) as instance:
        return instance.get_runs()


def wait_until_finished(home, log):
    with instance_of(home.path) as instance:
        wait_until(
            lambda: all(run.is_finished for run in instance.get_runs()), WORK_SECONDS, log
        )


def successes(home):
    """How many runs of each batch ended well."""
    ended = [run.tags.get("dagster/partition") for run in runs(home) if run.is_success]
    return {name: ended.count(name) for name in set(ended)}
