"""OpenAPI 3.1, written from the contracts: what a request is, and every answer that there is."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ml_assets.problem import Problem
from ml_assets.serving.openapi_console import console_paths, reviewed_event_schema
from ml_assets.serving.openapi_v2 import model_paths, server_paths
from ml_assets.serving.operations import (
    ANY_JSON,
    Schema,
    done,
    one_or_many,
    parameter,
    posting,
    reading,
)
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import Limits
from ml_assets.serving.schemas import (
    OPTIONAL_TEXT,
    TEXT,
    TIME,
    answer_schema,
    array_of,
    event_schema,
    example_row,
    receipt_schema,
    refusal_schema,
    row_schema,
)
from ml_assets.serving.service import Service, in_thread

DOCS = Path(__file__).with_name("docs.html")

DOCS_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
"""The page is one file with its script in it, and asks nobody but this service."""

FLAG: Schema = {"type": "string", "enum": ["", "true", "false"]}
EXAMPLE_ID = "01a1f640-bc00-7000-8000-000000000000"


class Describing:
    """The endpoints that describe the others."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._document: Schema | None = None

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Describe the service to programs."""
        if self._document is None:
            self._document = await in_thread(self._described)
        return json_response(self._document)

    async def docs(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Describe the service to people: a page that reads the other description."""
        return HTMLResponse(DOCS.read_bytes(), headers=DOCS_HEADERS)

    def _described(self) -> Schema:
        service = self._service
        return document(
            service.deployments.problems, service.limits, with_keys=service.keys is not None
        )


def document(
    problems: Mapping[str, Problem], limits: Limits, *, with_keys: bool = False
) -> Schema:
    """Return the OpenAPI document of a service for some problems."""
    schemas = {_name(problem): row_schema(problem) for problem in problems.values()}
    schemas |= {
        "Problem": refusal_schema(),
        "FeedbackEvent": event_schema(),
        "ReviewedEvent": reviewed_event_schema(),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prediction service",
            "version": "1",
            "description": "Predict, give feedback, and ask what answers and why.",
        },
        "paths": _merged(_every_path(problems.values(), limits)),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}] if with_keys else [],
    }


def _every_path(problems: Collection[Problem], limits: Limits) -> Iterator[tuple[str, Schema]]:
    yield from _paths_of_the_service()
    for problem in problems:
        yield from _paths(problem, limits)
        yield from console_paths(problem, limits)
    yield from server_paths()
    for problem in problems:
        yield from model_paths(problem)


def _merged(paths: Iterable[tuple[str, Schema]]) -> Schema:
    """Put the methods of a path together, wherever they were described."""
    merged: Schema = {}
    for path, methods in paths:
        merged[path] = {**merged.get(path, {}), **methods}
    return merged


def _paths_of_the_service() -> Iterator[tuple[str, Schema]]:
    """Every path that is about no problem in particular."""
    status: Schema = {
        "type": "object",
        "properties": {"status": TEXT, "failures": ANY_JSON, "alerts": ANY_JSON},
        "required": ["status"],
    }
    yield "/", {"get": _index()}
    yield "/health", {"get": reading("Whether the process is alive", status, guarded=False)}
    yield (
        "/ready",
        {
            "get": reading(
                "Whether a version answers wherever one should", status, guarded=False
            )
        },
    )
    counted = reading("What was counted, for Prometheus")
    counted["responses"]["200"] = done(TEXT, "text/plain")
    yield "/metrics", {"get": counted}
    yield "/openapi.json", {"get": reading("This description, for programs", guarded=False)}
    docs = reading("This description, for people", guarded=False)
    docs["responses"]["200"] = done(TEXT, "text/html")
    yield "/docs", {"get": docs}


def _index() -> Schema:
    served: Schema = {
        "name": TEXT,
        "objective": TEXT,
        "version": OPTIONAL_TEXT,
        "failure": OPTIONAL_TEXT,
    }
    described = reading("Problems that are served", array_of("problems", served), guarded=False)
    described["responses"]["307"] = {"description": "A browser is led to the console"}
    return described


def _paths(problem: Problem, limits: Limits) -> Iterator[tuple[str, Schema]]:
    """Every path of one problem."""
    name, tag = f"/{problem.name}", problem.name
    version = [
        parameter(
            "version",
            "path",
            {"type": "string"},
            "Its id, its number, or the beginning of its id.",
        )
    ]
    row = {"$ref": f"#/components/schemas/{_name(problem)}"}
    predict = posting(
        f"Predict: {problem.config.objective}",
        one_or_many(row, limits.rows),
        answer_schema(problem),
        tag=tag,
        example=example_row(problem),
    )
    yield f"{name}/predict", {"post": {**predict, "parameters": _options()}}
    feedback = posting(
        "Say what came of a prediction",
        one_or_many({"$ref": "#/components/schemas/FeedbackEvent"}, limits.rows),
        receipt_schema(),
        tag=tag,
        example={"prediction_id": EXAMPLE_ID, "label": 1},
    )
    yield f"{name}/feedback", {"post": feedback}
    yield name, {"get": reading("The version that answers", _version(), tag=tag, named=True)}
    every = array_of("versions", _brief())
    yield f"{name}/versions", {"get": reading("Every version", every, tag=tag)}
    one = reading("One version, and what made it", _version(), tag=tag, named=True)
    yield f"{name}/versions/{{version}}", {"get": {**one, "parameters": version}}
    named = {**predict, "summary": "Predict with one version"}
    yield (
        f"{name}/versions/{{version}}/predict",
        {"post": {**named, "parameters": [*version, *_options()]}},
    )


def _brief() -> Schema:
    return {
        "problem": TEXT,
        "version": TEXT,
        "number": TEXT,
        "number_reason": TEXT,
        "created_at": TIME,
        "trigger": TEXT,
        "previous": OPTIONAL_TEXT,
        "training_set": TEXT,
    }


def _version() -> Schema:
    about: Schema = {
        **_brief(),
        "objective": TEXT,
        "moment_of_prediction": TEXT,
        "ways": ANY_JSON,
        "warnings": {"type": "array", "items": TEXT},
        "releases": {"type": "array", "items": ANY_JSON},
        "metrics": {"type": ["object", "null"]},
        "manifest": ANY_JSON,
    }
    return {"type": "object", "properties": about, "required": list(about)}


def _options() -> list[Schema]:
    return [
        parameter("trial", "query", FLAG, "Nobody acts on it, so its silence says nothing."),
        parameter("features", "query", FLAG, "Answer with what the model read of each row."),
    ]


def _name(problem: Problem) -> str:
    """Name of a problem's row among the schemas."""
    return re.sub(r"\W", "", problem.name.title()) + "Row"
