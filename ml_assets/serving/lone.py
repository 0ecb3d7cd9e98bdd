"""Lone requests for one prediction, answered before the event loop does anything else.

A client that asks for one row after the other, and is alone, waits for every step of the way: a task
and its turn, the router, the middleware, and objects for the request and the answer take a third of
the time. Where no other request is under way there is nobody to share the loop with, nor a commit. So
such a request is answered by the same functions as soon as it is whole, one in each turn of the loop.
Whatever else it turns out to be, from a refusal to a store that is occupied, goes the way of all
requests from its beginning.
"""

from collections.abc import Callable
from typing import NamedTuple

from ml_assets.serving.reading import Headers

MOST_BYTES = 1 << 16
"""Of a body; a larger one is no row that is answered in a moment."""

Answering = Callable[[str, Headers, bytes], bytes | None]
"""From problem, headers and body to the body of the answer; None where it cannot be given at once."""


class Request(NamedTuple):
    """A request that may be answered at once."""

    problem: str
    headers: Headers
    body: bytearray


class Lone:
    """Which requests are answered at once: those that nobody else's came between.

    Args:
        answering: Answers them.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._last: object = None

    def came_between(self, asking: object) -> bool:
        """Whether the request before this one was somebody else's; this one is the last now."""
        last, self._last = self._last, asking
        return last is not asking

    def answer(self, request: Request) -> bytes | None:
        """Answer it, or leave it as it is."""
        return self._answering(request.problem, request.headers, bytes(request.body))


def problem_asked(method: bytes, url: bytes) -> str | None:
    """The problem whose champion is asked for predictions, and nothing else; None otherwise."""
    match url.split(b"/"):
        case [b"", problem, b"predict"] if problem and method == b"POST":
            return problem.decode("latin-1")
    return None
