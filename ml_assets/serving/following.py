"""Following the registry: within two seconds of a release, the new champion answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ml_assets.serving.deployments import Swap
from ml_assets.serving.keys import known_keys
from ml_assets.serving.service import Service, in_thread

LOOK_SECONDS = 0.5
"""Between two looks at the registry; a look is one query."""

LOG = logging.getLogger("ml_assets.serving")


@asynccontextmanager
async def followed(service: Service) -> AsyncIterator[None]:
    """Follow champions and keys while the block runs; the first look is over when it begins."""
    await _look(service)
    task = asyncio.create_task(_keep_looking(service))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        service.shared.write()


async def _keep_looking(service: Service) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        look = asyncio.ensure_future(_look(service))
        await asyncio.wait([look])
        if (error := look.exception()) is not None:
            LOG.error(
                "The registry could not be asked; the versions at hand go on.", exc_info=error
            )


async def _look(service: Service) -> None:
    if service.keys is not None:
        service.keys = await in_thread(known_keys, service.deployments.home)
    for swap in await in_thread(service.deployments.follow):
        _tell(service, swap)
    await in_thread(service.shared.write)


def _tell(service: Service, swap: Swap) -> None:
    service.telemetry.swaps.add(swap.problem, "refused" if swap.failure else "done")
    if swap.failure is None:
        before = f"in the place of {swap.before}" if swap.before else "as the first"
        LOG.info("%s: %s answers now, %s.", swap.problem, swap.after, before)
        return
    goes_on = f"{swap.before} goes on" if swap.before else "nobody answers"
    LOG.error("%s: %s is refused, %s. %s", swap.problem, swap.after, goes_on, swap.failure)
