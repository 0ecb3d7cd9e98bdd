"""A time limit that costs nothing where there is nothing to wait for."""

import asyncio

import pytest

from ml_assets.serving.patience import within


async def at_once():
    return "done"


async def after(seconds, turns=1):
    for _ in range(turns):
        await asyncio.sleep(seconds)
    return "done"


async def fails(error):
    await asyncio.sleep(0)
    raise error


def test_does_at_once_what_waits_for_nothing():
    assert asyncio.run(within(0.0, at_once())) == "done"


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_goes_on_with_what_waits_however_often(turns):
    assert asyncio.run(within(5.0, after(0.0, turns))) == "done"
    assert asyncio.run(within(5.0, after(0.001, turns))) == "done"


def test_ends_what_takes_too_long_and_the_work_knows():
    ended = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        asyncio.run(within(0.01, work()))
    assert ended == [True]


def test_passes_on_what_the_work_raises():
    with pytest.raises(KeyError, match="lost"):
        asyncio.run(within(5.0, fails(KeyError("lost"))))


def test_passes_a_cancellation_on_to_the_work():
    heard = []

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append(True)
            raise

    async def cancelled():
        task = asyncio.ensure_future(within(60.0, work()))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert heard == [True]


def test_takes_what_several_wait_for_at_once():
    async def both():
        return await asyncio.gather(within(5.0, after(0.001)), within(5.0, after(0.002, 3)))

    assert asyncio.run(both()) == ["done", "done"]
