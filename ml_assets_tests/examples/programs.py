"""Programs that a test starts, in sessions of their own, and of which it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ml_assets.defs.instance import dagster_home

EXAMPLES = Path(__file__).parent
STOP_SECONDS = 60


def environment_of(home):
    """Variables by which a program finds the home and the examples."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home(home.path)),
        "ML_ASSETS_HOME": str(home.path),
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *filter(None, sys.path)]),
    }


@contextmanager
def started(command, home):
    """Run a program in a session of its own; afterwards nothing of it is left."""
    with _running(command, home) as (program, log):
        yield log
        program.terminate()
        wait_until(lambda: not is_alive(program), STOP_SECONDS, log)


@contextmanager
def killed(command, home):
    """Run a program in a session of its own; afterwards it is killed, with all that it started."""
    with _running(command, home) as (_, log):
        yield log


@contextmanager
def _running(command, home):
    log = home.path / "program.log"
    with log.open("a") as output:
        program = subprocess.Popen(
            command,
            cwd=home.path,
            env=environment_of(home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield program, log
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def is_alive(program):
    """Whether anything of the session that was started for a program is still there."""
    program.poll()
    try:
        os.killpg(program.pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(has_come, seconds, log):
    """Wait for something to come true; when it does not, show what the program said."""
    deadline = time.monotonic() + seconds
    while not (found := has_come()):
        if time.monotonic() > deadline:
            pytest.fail(
                f"It did not come within {seconds} seconds:\n{log.read_text()[-4_000:]}"
            )
        time.sleep(0.5)
    return found
