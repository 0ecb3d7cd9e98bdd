"""Feedback: what came of an answer, by its id."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import RequestRefused
from ml_assets.feedback import feedback_event, write_feedback
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import json_of, rows_of
from ml_assets.serving.service import Service

SOURCE = "api"


class GivingFeedback:
    """The endpoint `feedback`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def feedback(self, request: Request) -> Response:
        """Take one event (an object) or many (an array of objects).

        What can be taken is taken; the answer names what was not. One event that is not taken is
        refused.
        """
        body = await json_of(request, self._service.limits)
        return await self.take(request, body, source=SOURCE)

    async def take(self, request: Request, body: Any, *, source: str) -> Response:
        """Take what was read from a request, from whoever it came."""
        problem = self._service.problem_of(request)
        sent = rows_of(body, self._service.limits, what="events")
        now = self._service.clock()
        events = [feedback_event(problem, each, source=source, now=now) for each in sent]
        receipt = await self._service.said.write(write_feedback, events)
        count = self._service.telemetry.feedback.add
        for outcome in ("taken", "repeated"):
            count(problem.name, outcome, by=getattr(receipt, outcome))
        count(problem.name, "refused", by=len(receipt.refused))
        if receipt.refused and not isinstance(body, list):
            raise RequestRefused(404, f"{receipt.refused[0].reason}. Nothing was recorded.")
        refused = [refusal._asdict() for refusal in receipt.refused]
        return json_response(
            {"taken": receipt.taken, "repeated": receipt.repeated, "refused": refused}
        )
