"""What every endpoint shares: the versions that answer, the logs, limits, keys and counters."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
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
from ml_assets.serving.keys import Key, Role, require, require_own_host
from ml_assets.serving.reading import Limits
from ml_assets.serving.refusals import STORE_FAILED, refusal
from ml_assets.serving.shared_counts import SharedCounts
from ml_assets.serving.telemetry import Telemetry

T = TypeVar("T")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Refuse = Callable[[BaseException], Response]


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
        return self.problem_named(request.path_params["problem"])

    def problem_named(self, name: str) -> Problem:
        """The problem of a name.

        Raises:
            RequestRefused: If it is not served here.
        """
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
        path = request.path_params
        return await self.live_named(path["problem"], path.get("version"))

    async def live_named(self, problem: str, version: str | None) -> Live:
        """A version of a problem by its id or number, or the champion.

        Raises:
            RequestRefused: If the problem is not served here.
            VersionNotFound: If there is no such version, or no champion.
        """
        name = self.problem_named(problem).name
        if version is None:
            return self.deployments.champion_of(name)
        return await in_thread(self.deployments.named, name, version)

    def endpoint(
        self, route: str, role: Role | None, handler: Handler, *, refuse: Refuse = refusal
    ) -> Handler:
        """Put keys, limits, refusals and counters around a handler.

        Args:
            route: Its name, for the counters.
            role: What a key must allow; None where none is needed.
            handler: Answers a request, or raises what the platform refuses.
            refuse: Turns what was raised into an answer.
        """

        async def guarded(request: Request) -> Response:
            started = perf_counter()
            response = await self._answer(request, role, handler, refuse)
            problem = request.path_params.get("problem", "")
            taken = perf_counter() - started
            # The client need not wait for that.
            loop = asyncio.get_running_loop()
            loop.call_soon(self.count, problem, route, response.status_code, taken)
            return response

        return guarded

    def count(self, problem: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered; whatever it asked for may not be there."""
        known = problem if problem in self.deployments.problems else ""
        self.telemetry.requests.add(known, route, str(status))
        self.telemetry.seconds.observe(seconds, known, route)

    def too_late(self) -> RequestRefused:
        """What is said of a request that takes longer than it may."""
        return RequestRefused(
            503, f"There was no answer within {self.limits.seconds:g} seconds. Ask for less."
        )

    async def _answer(
        self, request: Request, role: Role | None, handler: Handler, refuse: Refuse
    ) -> Response:
        try:
            if role is not None and self.keys is not None:
                require(self.keys, request.headers.get("authorization"), role)
            if role in ("review", "admin") and self.keys is None:
                require_own_host(request.headers.get("host"))
            async with asyncio.timeout(self.limits.seconds):
                return await handler(request)
        except TimeoutError:
            return refuse(self.too_late())
        except (MLAssetsError, *STORE_FAILED) as error:
            return refuse(error)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Do something slow without keeping other requests from being answered."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)
