"""How long work says how far it is, without knowing who is looking.

A long loop is wrapped in `track`; whoever wants to show it (the CLI, with bars) installs a
`Display` for the time of a `with shown_by(...)` block. Nobody installed: nothing is shown.
"""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Display(Protocol):
    """Something that can show progress, such as bars in a terminal."""

    def start(self, label: str, total: int | None) -> object:
        """Begin a piece of work of `total` steps (None where unknown); returns its handle."""

    def advance(self, handle: object, steps: int) -> None:
        """Say that `steps` more are done."""

    def finish(self, handle: object) -> None:
        """Say that the piece of work is over."""

    def note(self, text: str) -> None:
        """Say a sentence about work that goes on."""


_display: ContextVar[Display | None] = ContextVar("progress_display", default=None)


@contextmanager
def shown_by(display: Display) -> Iterator[None]:
    """Show the progress of everything inside the block on `display`."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def track(items: Iterable[T], label: str, *, total: int | None = None) -> Iterator[T]:
    """Yield `items`, telling the installed display about each one that is done.

    Args:
        items: What is worked through.
        label: What a person reads beside the bar, such as "validated 2015-03".
        total: How many items there are, where `items` does not know it by itself.
    """
    display = _display.get()
    if display is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    handle = display.start(label, total)
    try:
        for item in items:
            yield item
            display.advance(handle, 1)
    finally:
        display.finish(handle)


def note(text: str) -> None:
    """Say a sentence about work that goes on, such as the best that was found so far."""
    display = _display.get()
    if display is not None:
        display.note(text)
