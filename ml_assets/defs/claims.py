"""Which runs have a process that works on them?

Dagster cannot tell for a run on this machine: when its process is killed the run seems to go on for
ever, holds a place in the queue, and keeps the sensor waiting. So a process holds a lock on a file
for as long as it works on a run, and whoever finds the file without the lock closes the run.
"""

import fcntl
from pathlib import Path
from typing import TextIO

import dagster as dg

from ml_assets.defs.instance import dagster_home

GONE = "The process that worked on this run is gone."


class Claim:
    """A lock that says: this process works on the run. It goes when the process goes."""

    def __init__(self, home: Path, run_id: str) -> None:
        self._path = _folder(home) / f"{run_id}.lock"
        self._file = self._path.open("w")
        self._is_held = _locked(self._file)

    def release(self) -> None:
        """The work is over."""
        if self._is_held:
            self._path.unlink(missing_ok=True)
        self._file.close()


def close_abandoned_runs(instance: dg.DagsterInstance, home: Path) -> None:
    """Mark runs as failed whose process is gone; Dagster then starts them again, if told to."""
    for path in _folder(home).glob("*.lock"):
        with path.open("w") as file:
            if not _locked(file):
                continue
            run = instance.get_run_by_id(path.stem)
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, message=GONE)
            path.unlink(missing_ok=True)


def _folder(home: Path) -> Path:
    folder = dagster_home(home) / "running"
    folder.mkdir(exist_ok=True)
    return folder


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
