"""`ml-assets serve` as a program of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

START_SECONDS = 60
PROGRAM = [sys.executable, "-c", "from ml_assets.cli import main; main()"]
ANSWERS = re.compile(r"(\d+) INFO complaints: (\S+) answers now", re.MULTILINE)


class ServiceProgram:
    """A service that runs, and what it says."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    @property
    def said(self):
        return self.log.read_text()

    @property
    def url(self):
        return self.wait_for(r"(http://[\d.]+:\d+);")[1]

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def client(self, **options):
        return httpx.Client(base_url=self.url, timeout=30, **options)

    def answering(self):
        """Process to the version that it said it answers with, last one last."""
        return dict(ANSWERS.findall(self.said))

    def wait_for(self, pattern, seconds=START_SECONDS):
        """Wait until it says something."""
        return wait_until(lambda: re.search(pattern, self.said), seconds, self.log)

    def wait_until_workers(self, count, version=None):
        """Wait until so many living processes answer; returns their ids."""

        def living():
            found = self.answering().items()
            alive = [int(p) for p, v in found if version in (None, v) and is_alive(int(p))]
            return alive if len(alive) >= count else None

        return wait_until(living, START_SECONDS, self.log)

    def stop(self, number=signal.SIGTERM, seconds=START_SECONDS):
        """Tell it to end; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def served(folder, *options):
    """Run `ml-assets serve` on a home; afterwards nothing of it is left."""
    log = folder / f"service-{time.monotonic_ns()}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", "--home", str(folder), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        try:
            yield ServiceProgram(process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_alive(process_id):
    """Whether a process is there and not a zombie."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until(has_come, seconds, log=None):
    """Wait for something to come true; when it does not, show what the program said."""
    deadline = time.monotonic() + seconds
    while not (found := has_come()):
        words = log.read_text()[-4_000:] if log else ""
        assert time.monotonic() < deadline, f"It did not come within {seconds} s:\n{words}"
        time.sleep(0.05)
    return found
