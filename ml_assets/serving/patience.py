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


class _Resumed:
    """Goes on with a coroutine that was begun and waits for something."""

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    value = yield waits_for
                except BaseException as error:  # noqa: BLE001 - a cancellation too is the work's
                    waits_for = self._work.throw(error)
                else:
                    waits_for = self._work.send(value)
            except StopIteration as done:
                return done.value
