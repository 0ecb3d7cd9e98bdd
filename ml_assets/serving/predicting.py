"""Predict: rows in, answers out, and each of them in the log before the client has it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import InvalidRows, MLAssetsError
from ml_assets.feedback import (
    About,
    LoggedPrediction,
    logged_predictions,
    prediction_ids,
    write_predictions,
)
from ml_assets.inference import Answers
from ml_assets.inference.transposition import rows_of as rows_of_columns
from ml_assets.serving.deployments import Live
from ml_assets.serving.keys import require
from ml_assets.serving.reading import (
    JSON,
    Headers,
    declared_type,
    header,
    is_told,
    json_of,
    rows_of,
)
from ml_assets.serving.service import Service, in_thread
from ml_assets.serving.watching import odd_in_answers, odd_in_refusal

AT_ONCE = 50
"""So many rows are answered between two other requests; more of them beside these, in a thread."""

Rows = Sequence[Mapping[str, Any]]


class Predicting:
    """The endpoint `predict`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def predict(self, request: Request) -> Response:
        """Answer one row (an object) or many (an array of objects)."""
        live = await self._service.live(request)
        is_asked = bool(request.scope["query_string"])
        is_trial = is_asked and is_told(request, "trial")
        with_features = is_asked and is_told(request, "features")
        body = await json_of(request, self._service.limits)
        rows = rows_of(body, self._service.limits, what="rows")
        found = await answer(self._service, live, rows, exposed=not is_trial)
        each = _each(found, with_features=with_features)
        if isinstance(body, list):
            return json_response({**_about(live, found), "predictions": each})
        return json_response({**each[0], **_about(live, found)})

    def predict_at_once(self, problem: str, headers: Headers, body: bytes) -> bytes | None:
        """Answer one row without waiting for anything.

        Args:
            problem: Whose champion is asked.
            headers: Of the request.
            body: One object, as JSON.

        Returns:
            The body of what `predict` would answer, committed; None where the request has to wait, or
            is for many rows, or may be refused. Nothing was done then.
        """
        started, service = perf_counter(), self._service
        try:
            is_small = len(body) <= service.limits.body_bytes
            if not is_small or declared_type(headers) != JSON or body.lstrip()[:1] != b"{":
                return None
            require(service.keys, header(headers, b"authorization"), "predict")
            live = service.deployments.champion_of(problem)
            row = orjson.loads(body)
            found, logged = _logged(service, live, live.predictor.answers([row]), exposed=True)
        except (MLAssetsError, orjson.JSONDecodeError):
            return None
        (each,) = _each(found, with_features=False)
        answered = _as_json({**each, **_about(live, found)})
        if not service.answers.write_here(write_predictions, logged):
            return None
        taken = perf_counter() - started
        loop = asyncio.get_running_loop()
        loop.call_soon(self._count_at_once, live, found.answers, taken)
        return answered

    def _count_at_once(self, live: Live, answers: Answers, seconds: float) -> None:
        """Count what was answered at once; the client has its answer meanwhile."""
        _watch(live, answers)
        _count(self._service, live, answers)
        self._service.count(live.predictor.problem.name, "predict", 200, seconds)


class Answered(NamedTuple):
    """Rows that were answered, and are in the prediction log."""

    answers: Answers
    ids: Sequence[str]
    at: datetime


async def answer(service: Service, live: Live, rows: Rows, *, exposed: bool) -> Answered:
    """Answer rows, many of them in a thread, and have every answer in the prediction log.

    Args:
        service: That was asked.
        live: The version that answers.
        rows: As they were sent.
        exposed: Whether somebody sees the answers.

    Raises:
        InvalidRows: If a row breaks a rule; what is odd about rows is counted in any case.
    """
    if len(rows) <= AT_ONCE:
        found, logged = _answered(service, live, rows, exposed=exposed)
        # Nobody needs to wait for what is only counted.
        asyncio.get_running_loop().call_soon(_watch, live, found.answers)
        await service.answers.write(write_predictions, logged)
    else:
        found, logged = await in_thread(
            partial(_answered, service, live, rows, exposed=exposed)
        )
        written = service.answers.write(write_predictions, logged)
        await asyncio.gather(written, in_thread(_watch, live, found.answers))
    _count(service, live, found.answers)
    return found


def _count(service: Service, live: Live, answers: Answers) -> None:
    predictor, by = live.predictor, len(answers)
    service.telemetry.predictions.add(predictor.problem.name, predictor.version, by=by)


def _answered(
    service: Service, live: Live, rows: Rows, *, exposed: bool
) -> tuple[Answered, list[LoggedPrediction]]:
    """Answers, and the same as the prediction log has them; what is odd about a refusal is counted."""
    try:
        answers = live.predictor.answers(rows)
    except InvalidRows as refusal:
        live.watch.add(len(rows), odd_in_refusal(live.known, refusal))
        raise
    return _logged(service, live, answers, exposed=exposed)


def _logged(
    service: Service, live: Live, answers: Answers, *, exposed: bool
) -> tuple[Answered, list[LoggedPrediction]]:
    """Answers with their ids, and the same as the prediction log has them."""
    at = service.clock()
    found = Answered(answers, prediction_ids(at, len(answers)), at)
    predictor = live.predictor
    about = About(predictor.problem.name, predictor.version, at, exposed)
    # What the contract read, since training and checks read the log by the contract.
    asked = answers.asked
    return found, logged_predictions(
        answers, found.ids, asked=asked, kept=live.kept, about=about
    )


def _watch(live: Live, answers: Answers) -> None:
    """Count what is odd about rows that were answered."""
    live.watch.add(len(answers), odd_in_answers(live.known, answers))


def json_response(body: object) -> Response:
    """Answer with JSON; times in UTC, to the microsecond."""
    return Response(_as_json(body), media_type=JSON)


def _as_json(body: object) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def _about(live: Live, answered: Answered) -> dict[str, Any]:
    """What is the same for all answers to a request."""
    predictor = live.predictor
    return {
        "problem": predictor.problem.name,
        "version": predictor.version,
        "at": answered.at,
    }


def _each(answered: Answered, *, with_features: bool) -> list[dict[str, Any]]:
    """What a client gets of each answer."""
    answers = answered.answers
    found: list[dict[str, Any]] = [
        {"id": id_, "prediction": each.value, "decision": each.decision}
        for id_, each in zip(answered.ids, answers.predictions, strict=True)
    ]
    for each, prediction in zip(found, answers.predictions, strict=True):
        if prediction.interval is not None:
            each["interval"] = prediction.interval._asdict()
    for each, shown in zip(found, answers.shown or (), strict=False):
        each["shown"] = shown
    if with_features:
        for each, features in zip(found, rows_of_columns(answers.features), strict=True):
            each["features"] = features
    return found
