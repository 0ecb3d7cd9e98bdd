"""Progress on standard error: bars in a terminal, one line per finished piece of work elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ml_assets.progress import shown_by

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LABEL_WIDTH = 32
WORTH_SECONDS = 0.5
"""Work that is over sooner leaves no trace: there are hundreds of small pieces."""


@contextmanager
def shown_progress(*, wanted: bool = True) -> Iterator[None]:
    """Show the progress of everything inside the block, where it is `wanted`."""
    if not wanted or sys.__stderr__ is None:
        yield
        return
    # Dagster redirects standard error while a step runs; progress keeps the original.
    with os.fdopen(os.dup(sys.__stderr__.fileno()), "w") as original:
        if original.isatty():
            with _bars(original) as progress, shown_by(Bars(progress)):
                yield
        else:
            with shown_by(Lines(original)):
                yield


class Bars:
    """A bar for each piece of work, which stays when the work took a while."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[object, TaskID] = {}

    def start(self, label: str, total: int | None) -> object:
        """Add a bar."""
        handle = object()
        self._tasks[handle] = self._progress.add_task(label, total=total)
        return handle

    def advance(self, handle: object, steps: int) -> None:
        """Move a bar on."""
        self._progress.advance(self._tasks[handle], steps)

    def finish(self, handle: object) -> None:
        """Let the bar stand, or take it away."""
        number = self._tasks.pop(handle)
        task = next(each for each in self._progress.tasks if each.id == number)
        if (task.elapsed or 0.0) < WORTH_SECONDS:
            self._progress.remove_task(number)
        else:
            done = task.completed or 1
            self._progress.update(number, total=done, completed=done)

    def note(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(f"  {text}", markup=False, highlight=False)


class Work(NamedTuple):
    """A piece of work that goes on."""

    label: str
    total: int | None
    started: float


class Lines:
    """A line for each piece of work that took a while, once it is over; for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._going_on: dict[object, Work] = {}

    def start(self, label: str, total: int | None) -> object:
        """Remember when the work began."""
        handle = object()
        self._going_on[handle] = Work(label=label, total=total, started=time.monotonic())
        return handle

    def advance(self, handle: object, steps: int) -> None:
        """Say nothing: only the end makes a line."""

    def finish(self, handle: object) -> None:
        """Write the line."""
        work = self._going_on.pop(handle)
        seconds = time.monotonic() - work.started
        if seconds < WORTH_SECONDS:
            return
        self._stream.write(
            f"  {work.label:<{LABEL_WIDTH}} {work.total or '':>6} {seconds:6.1f} s\n"
        )
        self._stream.flush()

    def note(self, text: str) -> None:
        """Write the sentence."""
        self._stream.write(f"  {text}\n")
        self._stream.flush()


def _bars(stream: TextIO) -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn(f"  {{task.description:<{LABEL_WIDTH}}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=stream, force_terminal=True),
    )
