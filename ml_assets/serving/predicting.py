"""Predict: rows in, answers out, and each of them in the log before the client has it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import InvalidRows
from ml_assets.feedback import (
    LoggedPrediction,
    features_hash,
    input_text,
    prediction_ids,
    write_predictions,
)
from ml_assets.inference import Answer
from ml_assets.serving.deployments import Live
from ml_assets.serving.reading import JSON, is_told, json_of, rows_of
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
        answers = await answers_of(live, rows)
        at = self._service.clock()
        ids = await log(self._service, live, rows, answers, at=at, exposed=not is_trial)
        found = [
            _answer(id_, each, with_features=with_features)
            for id_, each in zip(ids, answers, strict=True)
        ]
        about = {
            "problem": live.predictor.problem.name,
            "version": live.predictor.version,
            "at": at,
        }
        if isinstance(body, list):
            return json_response({**about, "predictions": found})
        return json_response({**found[0], **about})


async def answers_of(live: Live, rows: Rows) -> list[Answer]:
    """Answer rows, many of them in a thread; what is odd about them is counted."""
    if len(rows) <= AT_ONCE:
        return _watched(live, rows)
    return await in_thread(_watched, live, rows)


def _watched(live: Live, rows: Rows) -> list[Answer]:
    try:
        answers = live.predictor.answers(rows)
    except InvalidRows as refusal:
        live.watch.add(len(rows), odd_in_refusal(live.known, refusal))
        raise
    live.watch.add(len(rows), odd_in_answers(live.known, rows, answers))
    return answers


async def log(
    service: Service,
    live: Live,
    rows: Rows,
    answers: Sequence[Answer],
    *,
    at: datetime,
    exposed: bool,
) -> list[str]:
    """Write answers to the prediction log; returns their ids once they are in the store."""
    ids = prediction_ids(at, len(rows))
    made = partial(_logged, live, rows, answers, ids, at=at, exposed=exposed)
    logged = made() if len(rows) <= AT_ONCE else await in_thread(made)
    await service.answers.write(write_predictions, logged)
    predictor = live.predictor
    service.telemetry.predictions.add(predictor.problem.name, predictor.version, by=len(rows))
    return ids


def _logged(
    live: Live,
    rows: Rows,
    answers: Sequence[Answer],
    ids: Sequence[str],
    *,
    at: datetime,
    exposed: bool,
) -> list[LoggedPrediction]:
    """Answers as the prediction log has them."""
    problem, version = live.predictor.problem.name, live.predictor.version
    return [
        LoggedPrediction(
            id=id_,
            problem=problem,
            model_version=version,
            at=at,
            # What the contract read, since training and checks read the log by the contract.
            input=input_text(row if answer.asked is None else answer.asked, live.kept),
            features_hash=features_hash(answer.features.values()),
            prediction=answer.prediction.value,
            decision=answer.prediction.decision,
            exposed=exposed,
            lower=None if (interval := answer.prediction.interval) is None else interval.lower,
            upper=None if interval is None else interval.upper,
        )
        for id_, row, answer in zip(ids, rows, answers, strict=True)
    ]


def json_response(body: object) -> Response:
    """Answer with JSON; times in UTC, to the microsecond."""
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type=JSON)


def _answer(id_: str, answer: Answer, *, with_features: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": id_,
        "prediction": answer.prediction.value,
        "decision": answer.prediction.decision,
    }
    if answer.prediction.interval is not None:
        found["interval"] = answer.prediction.interval._asdict()
    if answer.shown is not None:
        found["shown"] = answer.shown
    return {**found, "features": answer.features} if with_features else found
