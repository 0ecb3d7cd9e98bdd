"""The end of a command leaves nothing undone."""

import subprocess
import sys

import pytest

LEAVE = "from ml_assets.cli.leaving import leave; "


def run(script):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("code", "status"), [("0", 0), ("None", 0), ("3", 3), ("'no'", 1)])
def test_ends_with_the_code_it_was_given(code, status):
    assert run(f"{LEAVE}leave({code})").returncode == status


def test_says_why_when_it_was_given_words():
    assert run(f"{LEAVE}leave('There is no file.')").stderr == "There is no file.\n"


def test_prints_everything_and_does_what_was_left_for_the_end():
    done = run(
        f"{LEAVE}import atexit; atexit.register(print, 'swept'); print('x' * 200_000); leave(3)"
    )

    assert done.stdout == "x" * 200_000 + "\nswept\n"


def test_waits_for_a_thread_that_still_works():
    late = "import threading, time; work = lambda: (time.sleep(0.3), print('done')); "

    done = run(f"{LEAVE}{late}threading.Thread(target=work).start(); leave(0)")

    assert (done.stdout, done.returncode) == ("done\n", 0)


def test_ends_when_its_reader_went_away():
    script = f"{LEAVE}print('x' * 1_000_000, flush=False); leave(0)"

    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        begun = command.stdout.read(10)
        command.stdout.close()

        assert begun == b"x" * 10
        assert command.wait(timeout=30) == 1
