"""A person's yes or no to a challenger, in the console: the first of the two things people do.

What was said is in the store before its release is considered, and that takes seconds: a page that
does not wait for it finds the outcome among the versions.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import RequestRefused
from ml_assets.registry import version_named
from ml_assets.serving.keys import require
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import json_of
from ml_assets.serving.releasing import decide_by_person
from ml_assets.serving.service import Service, in_thread

RUN_ID = "console"
LONGEST_TEXT = 2_000
WAITED_SHARE = 0.8
"""Of a request's time; then the answer says that the release is still being considered."""


class Said(NamedTuple):
    """What a person says of a challenger."""

    approved: bool
    why: str
    who: str | None


class Approving:
    """The endpoint `approval`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._considered: set[asyncio.Task[Any]] = set()

    async def decide(self, request: Request) -> Response:
        """Record a yes or no to exactly this bundle; after a yes, consider its release."""
        service, home = self._service, self._service.deployments.home
        problem, limits = service.problem_of(request), service.limits
        said = _said(await json_of(request, limits))
        key = require(service.keys, request.headers.get("authorization"), "admin")
        who = key.name if key else said.who
        if not who:
            raise RequestRefused(422, "who: say who you are; no key tells.")
        named = request.path_params["version"]
        version = await in_thread(version_named, problem, home, named)
        deciding = partial(
            decide_by_person,
            problem,
            home,
            version,
            approved=said.approved,
            clock=service.clock,
            who=who,
            why=said.why,
            run_id=RUN_ID,
        )
        task = asyncio.ensure_future(in_thread(deciding))
        self._considered.add(task)
        task.add_done_callback(self._considered.discard)
        done, _ = await asyncio.wait({task}, timeout=limits.seconds * WAITED_SHARE)
        decision = task.result() if done else None
        return json_response(
            {
                "version": version.version,
                "approved": said.approved,
                "who": who,
                "considered": bool(done),
                "outcome": decision.outcome if decision else None,
                "message": decision.message if decision else None,
            }
        )


def _said(body: Any) -> Said:
    """Read what a person said.

    Raises:
        RequestRefused: If something is missing or of another kind; it names the field.
    """
    if not isinstance(body, Mapping):
        raise RequestRefused(422, "Send an object with approved and why.")
    if not isinstance(body.get("approved"), bool):
        raise RequestRefused(422, "approved: needs true or false.")
    if unknown := set(body) - set(Said._fields):
        raise RequestRefused(
            422, f"{min(unknown)}: unknown; known are {', '.join(Said._fields)}."
        )
    who = _text(body, "who") if "who" in body else None
    return Said(body["approved"], _text(body, "why"), who)


def _text(body: Mapping[str, Any], name: str) -> str:
    given = body.get(name)
    if isinstance(given, str) and given.strip() and len(given) <= LONGEST_TEXT:
        return given.strip()
    raise RequestRefused(422, f"{name}: needs a text of 1 to {LONGEST_TEXT:,} characters.")
