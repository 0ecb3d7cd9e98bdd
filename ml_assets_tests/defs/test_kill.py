"""A run that is killed and run again: nothing is lost, doubled or half-written."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick import IN_EPOCHS, definitions_on, deliver

from ml_assets.defs.runs import instance_of, run_here
from ml_assets.ingestion import register_source
from ml_assets.registry import releases, versions
from ml_assets.storage import Home

RUN = """
import sys
from quick import IN_EPOCHS, definitions_on
from ml_assets.defs.runs import run_here
from ml_assets.storage import Home
from ml_assets.training import epochs

epochs.WORTH_KEEPING_SECONDS = 0  # so that a checkpoint is there to be seen after each epoch
home = Home.open(sys.argv[1], environment={})
run_here(definitions_on(home, IN_EPOCHS), "complaints_refresh", home=home, partitions=sys.argv[2:])
"""

MONTHS = ("2015-01", "2015-02", "2015-03", "2015-04")
PATIENCE_SECONDS = 120
BROKEN_ROWS = 3
"""Of each month: few enough to be admitted, so that both halves of it are written."""


def commits(home, noun):
    return len(list((home / "lake" / "complaints" / noun / "_delta_log").glob("*.json")))


# In the order in which they come, so that one run after the other can be killed a little later.
MOMENTS = {
    "while files are read": lambda home: any((home / "scratch").glob("ingest-*/*")),
    "between two months of raw": lambda home: commits(home, "raw") >= 2,
    "between the halves of a month": lambda home: (
        commits(home, "quarantined") > commits(home, "validated")
    ),
    "between two months of validated": lambda home: commits(home, "validated") >= 2,
    "between two months of features": lambda home: commits(home, "features") >= 2,
    "while a model is fitted": lambda home: any((home / "checkpoints").rglob("state.skops")),
    "when a model is stored": lambda home: any((home / "artifacts").iterdir()),
}


@pytest.fixture
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox")
    for month in MONTHS:
        deliver(folder, month, broken=BROKEN_ROWS)
    return folder


@pytest.fixture
def opened(tmp_path_factory, inbox):
    """A new home that knows the folder."""

    def home():
        made = Home.open(tmp_path_factory.mktemp("home"), environment={})
        register_source(IN_EPOCHS.load(), made, inbox)
        return made

    return home


@pytest.fixture
def undisturbed(opened):
    home = opened()
    assert run_again(home).succeeded
    return home


def run_again(home):
    definitions = definitions_on(home, IN_EPOCHS)
    return run_here(definitions, "complaints_refresh", home=home, partitions=MONTHS)


def killed_once(has_come, home):
    """Run in another process and kill it as soon as the moment has come."""
    path = [str(Path(__file__).parents[1] / "examples"), *sys.path]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(home.path), *MONTHS],
        env={"PYTHONPATH": ":".join(path)},
        cwd=home.path,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if has_come(home.path):
                break
            time.sleep(0.001)
        process.kill()
        return process.wait() == -signal.SIGKILL


def contents(home):
    """Every partition of every table by its content."""
    return {
        (table, partition): (state.content_hash, state.rows)
        for table in home.lake.tables()
        for partition, state in home.lake.partitions(table).items()
    }


def models(home):
    problem = IN_EPOCHS.load()
    return [each.manifest.model_hash for each in versions(problem, home)]


@pytest.mark.slow
def test_a_run_killed_at_moment_after_moment_ends_as_if_nothing_had_happened(
    opened, undisturbed
):
    home, expected = opened(), contents(undisturbed)

    for moment, has_come in MOMENTS.items():
        assert not has_come(home.path), moment
        assert killed_once(has_come, home), moment
        assert contents(home).items() <= expected.items(), moment
    again = run_again(home)

    assert again.succeeded
    assert contents(home) == expected
    assert models(home) == models(undisturbed)
    assert len(releases(IN_EPOCHS.load(), home)) == 1
    assert not any((home.path / "checkpoints").rglob("*.skops"))
    assert statuses(home) == ["SUCCESS", *["FAILURE"] * len(MOMENTS)]


def statuses(home):
    """How Dagster says that the runs ended, newest first."""
    with instance_of(home.path) as instance:
        return [run.status.value for run in instance.get_runs()]
