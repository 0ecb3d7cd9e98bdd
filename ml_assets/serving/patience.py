"""Waiting for work no longer than is allowed, at no cost where there is nothing to wait for."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do some work; a timer is set only once it has to wait for something.

    Raises:
        TimeoutError: If it takes longer than `seconds` from then on.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(seconds):
        return await _Resumed(work, waits_for)


class _Resumed(Generator[Any, Any, T]):
    """A coroutine that was begun already: says again what it waits for, and then goes on."""

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work = work
        self._first = [waits_for]

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._first.pop() if self._first else self._work.send(value)

    def throw(self, error: Any, value: Any = None, trace: Any = None) -> Any:
        """Go on with an error, such as a cancellation."""
        raised = error if value is None else value
        return self._work.throw(raised.with_traceback(trace) if trace else raised)
