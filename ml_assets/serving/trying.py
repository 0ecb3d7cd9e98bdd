"""Trying a prediction out: what to fill in, and rows to begin with."""

from functools import partial
from typing import Any

import numpy as np
import orjson
import pandas as pd
from starlette.requests import Request
from starlette.responses import Response

from ml_assets.errors import RequestRefused
from ml_assets.evaluation.thresholds import CUSTOMARY
from ml_assets.feedback import newest_predictions
from ml_assets.inference.vocabulary import known_categories
from ml_assets.problem import Field, Problem
from ml_assets.serving.deployments import Live
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import whole_number
from ml_assets.serving.service import Service, in_thread

MOST_SUGGESTIONS = 500
"""Of one field; companies come in thousands of spellings."""

DAYS = 365
"""An older request is no example of what is asked today."""


class Trying:
    """The endpoints behind the form."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def form(self, request: Request) -> Response:
        """Say which fields a row has, and what each may be."""
        problem = self._service.problem_of(request)
        live = self._service.deployments.current.get(problem.name)
        return json_response(await in_thread(_form, problem, live))

    async def example(self, request: Request) -> Response:
        """Return a plausible row; each number gives another."""
        problem = self._service.problem_of(request)
        number = whole_number(request, "number", default=0, most=2**31)
        return json_response({"row": await in_thread(_sampled, problem, number)})

    async def newest(self, request: Request) -> Response:
        """Return the row of the newest request."""
        problem, home = self._service.problem_of(request), self._service.deployments.home
        newest = partial(newest_predictions, until=self._service.clock(), days=DAYS, limit=1)
        found = await in_thread(newest, problem, home)
        if not found:
            raise RequestRefused(
                404, f"Nobody asked about {problem.name} in the last {DAYS} days."
            )
        return json_response({"row": orjson.Fragment(found[0].input)})


def _form(problem: Problem, live: Live | None) -> dict[str, Any]:
    learned = known_categories(live.predictor.bundle) if live else {}
    config = problem.config
    return {
        "problem": problem.name,
        "kind": config.kind,
        "positive": config.label.positive,
        "threshold": _threshold(live) if config.kind == "binary" else None,
        "moments": config.moments,
        "moment_of_prediction": config.moment_of_prediction,
        "fields": [
            _described(problem, problem.fields[name], learned.get(name, ()))
            for name in problem.known_columns
        ],
    }


def _threshold(live: Live | None) -> float:
    return live.predictor.threshold if live else CUSTOMARY


def _described(problem: Problem, field: Field, learned: tuple[str, ...]) -> dict[str, Any]:
    column = problem.schema.columns[field.name]
    categories = (column.metadata or {}).get("categories")
    announced = categories if isinstance(categories, tuple) else ()
    allowed = [
        value
        for check in column.checks
        for value in (check.statistics or {}).get("allowed_values", ())
    ]
    return {
        "name": field.name,
        "kind": field.kind,
        "is_required": not field.nullable and field.name != problem.entity_id,
        "is_prose": categories == "free",
        "known_at": field.known_at,
        "description": field.description,
        "suggestions": sorted({*announced, *learned, *map(str, allowed)})[:MOST_SUGGESTIONS],
    }


def _sampled(problem: Problem, number: int) -> dict[str, Any]:
    df = problem.sample(1, np.random.default_rng(number))
    return {
        name: None if pd.isna(df[name].iloc[0]) else df[name].iloc[0]
        for name in problem.known_columns
    }
