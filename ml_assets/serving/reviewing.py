"""Review: answers that wait for a person's label, the labels, and what feedback there is."""

import re
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import RequestRefused
from ml_assets.feedback import LoggedPrediction, decisions, flywheel, sealed_batches
from ml_assets.feedback.history import Told, events_by_week, newest_feedback
from ml_assets.feedback.review import (
    OLDEST_DAYS,
    REVIEWER,
    UNCERTAIN_WITHIN,
    Place,
    count_reviewed,
    review_queue,
    threshold_in_force,
)
from ml_assets.serving.giving_feedback import GivingFeedback
from ml_assets.serving.keys import require
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import json_of, whole_number
from ml_assets.serving.service import Service, in_thread

MOST = 200
"""Answers or events on one page."""

WEEKS = 12
PLACE = re.compile(r"([0-9.]{1,25}(?:e-[0-9]{1,3})?):([0-9a-f-]{36})")
LONGEST_NAME = 100


class Reviewing:
    """The endpoints of the people who label."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._feedback = GivingFeedback(service)

    async def queue(self, request: Request) -> Response:
        """List answers that wait for a label, the least certain first."""
        problem, home = self._service.problem_of(request), self._service.deployments.home
        limit = max(whole_number(request, "limit", default=20, most=MOST), 1)
        now, after = self._service.clock(), _place(request.query_params.get("after"))
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        page = await in_thread(
            partial(review_queue, problem, home, now=now, limit=limit, after=after)
        )
        threshold = await in_thread(threshold_in_force, problem, home)
        done = await in_thread(partial(count_reviewed, problem, home, since=today))
        is_binary = problem.config.kind == "binary"
        return json_response(
            {
                "positive": problem.config.label.positive,
                "kind": problem.config.kind,
                "threshold": threshold if is_binary else None,
                "uncertain_within": UNCERTAIN_WITHIN if is_binary else None,
                "oldest_days": OLDEST_DAYS,
                "left": page.left,
                "done_today": done,
                "after": page.after and f"{page.after.distance!r}:{page.after.id}",
                "waiting": [
                    {**_answer(each.prediction), "distance": each.distance}
                    for each in page.waiting
                ],
            }
        )

    async def label(self, request: Request) -> Response:
        """Take what a reviewer says: feedback, with the reviewer as its source."""
        body = await json_of(request, self._service.limits)
        events = body if isinstance(body, list) else [body]
        named = [each.pop("reviewer", None) for each in events if isinstance(each, dict)]
        key = require(self._service.keys, request.headers.get("authorization"), "review")
        reviewer = key.name if key else _name(next(filter(None, named), "somebody"))
        return await self._feedback.take(request, body, source=f"{REVIEWER}{reviewer}")

    async def newest(self, request: Request) -> Response:
        """List the newest feedback, with the answers that it is about."""
        problem, home = self._service.problem_of(request), self._service.deployments.home
        limit = max(whole_number(request, "limit", default=50, most=MOST), 1)
        before = whole_number(request, "before", default=0, most=2**62)
        listed = partial(newest_feedback, problem, home, limit=limit, before=before or None)
        told = await in_thread(listed)
        more = told[-1].sequence if len(told) == limit else None
        return json_response({"events": [_told(each) for each in told], "before": more})

    async def flywheel(self, request: Request) -> Response:
        """Say how much feedback comes each week, and what models gained."""
        problem, home = self._service.problem_of(request), self._service.deployments.home
        by_week = partial(events_by_week, problem, home, now=self._service.clock(), weeks=WEEKS)
        weeks = await in_thread(by_week)
        batches = await in_thread(sealed_batches, problem, home)
        decided = await in_thread(partial(decisions, problem, home, limit=1))
        wheel = await in_thread(flywheel, problem, home)
        return json_response(
            {
                "positive": problem.config.label.positive,
                "kind": problem.config.kind,
                "weeks": [week._asdict() for week in weeks],
                "batches": len(batches),
                "sealed_labels": sum(batch.counts.labels for batch in batches),
                "newest_batch": batches[-1].batch if batches else None,
                "label_delay_days": problem.config.label.delay_days,
                "min_new_labels": problem.config.retraining.min_new_labels,
                "decision": decided[0]._asdict() if decided else None,
                "kpi": problem.config.kpi.metric,
                "cycles": [cycle._asdict() for cycle in reversed(wheel.cycles)],
                "gain_per_cycle": wheel.gain_per_cycle,
            }
        )


def _name(given: object) -> str:
    """Read who a reviewer is, where no key tells."""
    if isinstance(given, str) and given.isprintable() and len(given) <= LONGEST_NAME:
        return given
    raise RequestRefused(
        422, f"reviewer: needs a text of at most {LONGEST_NAME} characters, got {given!r}."
    )


def _place(given: str | None) -> Place | None:
    """Read where a page before ended, as its answer said it."""
    if given is None:
        return None
    found = PLACE.fullmatch(given)
    if found is None:
        raise RequestRefused(422, f"after: {given!r} is nothing that a page before ended with.")
    return Place(float(found[1]), found[2])


def _answer(prediction: LoggedPrediction) -> dict[str, Any]:
    return {
        "id": prediction.id,
        "at": prediction.at,
        "version": prediction.model_version,
        "prediction": prediction.prediction,
        "decision": prediction.decision,
        "lower": prediction.lower,
        "upper": prediction.upper,
        "row": orjson.Fragment(prediction.input),
    }


def _told(told: Told) -> dict[str, Any]:
    event, about = told.event, told.about
    return {
        "sequence": told.sequence,
        "id": event.id,
        "kind": event.kind,
        "name": event.name,
        "value": event.value,
        "at": event.at,
        "received_at": event.received_at,
        "source": event.source,
        "is_taken_back": told.is_taken_back,
        "answer": about
        and {
            **_answer(about.prediction),
            "ripe_at": about.ripe_at,
            "batch": about.batch,
            "is_counted": about.is_counted,
        },
    }
