"""What every endpoint shares: the versions that answer, the logs, limits, keys and counters."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import MLAssetsError, RequestRefused
from ml_assets.feedback import GroupCommit
from ml_assets.problem import Problem
from ml_assets.serving.deployments import Deployments, Live
from ml_assets.serving.keys import Key, Role, require
from ml_assets.serving.reading import Limits
from ml_assets.serving.refusals import STORE_FAILED, refusal
from ml_assets.serving.shared_counts import SharedCounts
from ml_assets.serving.telemetry import Telemetry

T = TypeVar("T")

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(kw_only=True)
class Service:
    """One process of the prediction service.

    Attributes:
        deployments: The versions that answer.
        answers: Commits the prediction log.
        said: Commits feedback, and waits for the disk: a label that is lost is lost for good.
        clock: Says what time it is.
        keys: Known keys by hash; None where none is needed.
        limits: Of one request.
        telemetry: What is counted.
        shared: The same, of all processes of the service.
    """

    deployments: Deployments
    answers: GroupCommit
    said: GroupCommit
    clock: Callable[[], datetime]
    limits: Limits
    telemetry: Telemetry
    shared: SharedCounts
    keys: Mapping[str, Key] | None = None

    def problem_of(self, request: Request) -> Problem:
        """The problem that a path names.

        Raises:
            RequestRefused: If it is not served here.
        """
        name = request.path_params["problem"]
        found = self.deployments.problems.get(name)
        if found is None:
            served = ", ".join(self.deployments.problems)
            raise RequestRefused(
                404, f"There is no problem {name!r} here; served are {served}."
            )
        return found

    async def live(self, request: Request) -> Live:
        """The version that a path names, or the champion.

        Raises:
            VersionNotFound: If there is no such version, or no champion.
        """
        problem = self.problem_of(request).name
        version = request.path_params.get("version")
        if version is None:
            return self.deployments.champion_of(problem)
        return await in_thread(self.deployments.named, problem, version)

    def endpoint(self, route: str, role: Role | None, handler: Handler) -> Handler:
        """Put keys, limits, refusals and counters around a handler.

        Args:
            route: Its name, for the counters.
            role: What a key must allow; None where none is needed.
            handler: Answers a request, or raises what the platform refuses.
        """

        async def guarded(request: Request) -> Response:
            started = perf_counter()
            response = await self._answer(request, role, handler)
            problem = request.path_params.get("problem", "")
            known = problem if problem in self.deployments.problems else ""
            self.telemetry.requests.add(known, route, str(response.status_code))
            self.telemetry.seconds.observe(perf_counter() - started, known, route)
            return response

        return guarded

    async def _answer(self, request: Request, role: Role | None, handler: Handler) -> Response:
        try:
            if role is not None:
                require(self.keys, request.headers.get("authorization"), role)
            async with asyncio.timeout(self.limits.seconds):
                return await handler(request)
        except TimeoutError:
            late = f"There was no answer within {self.limits.seconds:g} seconds. Ask for less."
            return refusal(RequestRefused(503, late))
        except (MLAssetsError, *STORE_FAILED) as error:
            return refusal(error)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Do something slow without keeping other requests from being answered."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)
