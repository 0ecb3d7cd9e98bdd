"""OpenAPI 3.1, written from the contracts: what a request is, and every answer that there is."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ml_assets.feedback.events import KINDS
from ml_assets.problem import Field, Problem
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import JSON, Limits
from ml_assets.serving.refusals import MEDIA_TYPE, TITLES
from ml_assets.serving.service import Service

Schema = dict[str, Any]

ID = {"type": "string", "pattern": r"^[0-9a-f-]{36}$", "description": "Feedback goes by it."}
TIME = {"type": "string", "format": "date-time"}
ANY_JSON: Schema = {"type": "object", "additionalProperties": True}

TYPES: Mapping[str, Schema] = {
    "text": {"type": ["string", "null"]},
    "number": {"type": ["number", "string", "null"]},
    "integer": {"type": ["integer", "string", "null"]},
    "boolean": {"type": ["boolean", "string", "null"]},
    "time": {"type": ["string", "null"], "format": "date-time"},
}
"""Kinds of a contract; what is no text may also come as the text that a source writes."""

REFUSALS = {
    "every": (401, 403, 404, 405, 503),
    "body": (400, 413, 415, 422),
}


class Describing:
    """The endpoint that describes the others."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Describe the service to programs."""
        problems = self._service.deployments.problems
        return json_response(document(problems, self._service.limits))


def document(problems: Mapping[str, Problem], limits: Limits) -> Schema:
    """Return the OpenAPI document of a service for some problems."""
    paths: Schema = {
        "/": {"get": _reading("Problems that are served")},
        "/health": {"get": _reading("Whether the process is alive", open_to_all=True)},
        "/ready": {"get": _reading("Whether every problem is answered", open_to_all=True)},
        "/metrics": {"get": _metrics()},
        "/openapi.json": {"get": _reading("This document", open_to_all=True)},
    }
    schemas: Schema = {"Problem": _problem_schema(), "FeedbackEvent": _event_schema()}
    for problem in problems.values():
        schemas[_name(problem)] = row_schema(problem)
        paths |= dict(_paths(problem, limits))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prediction service",
            "version": "1",
            "description": "Predict, give feedback, and ask what answers and why.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def row_schema(problem: Problem) -> Schema:
    """What a row is: the columns of the contract that are known at the moment of prediction."""
    fields = [problem.fields[name] for name in problem.known_columns]
    required = [f.name for f in fields if not f.nullable and f.name != problem.entity_id]
    return {
        "type": "object",
        "description": f"Known at the moment {problem.config.moment_of_prediction!r}.",
        "properties": {field.name: _property(problem, field) for field in fields},
        "required": required,
        "additionalProperties": {"description": "Columns that are known later are ignored."},
    }


def _property(problem: Problem, field: Field) -> Schema:
    """One column, with those of its rules that JSON Schema can say."""
    described = {**TYPES[field.kind], "description": field.description}
    for check in problem.schema.columns[field.name].checks:
        described |= _rule(str(check.name), check.statistics or {})
    return described


def _rule(name: str, values: Mapping[str, Any]) -> Schema:
    """A check of Pandera in the words of JSON Schema; nothing where there are none."""
    match name, values:
        case "str_length", _:
            lengths = {
                "minLength": values.get("min_value"),
                "maxLength": values.get("max_value"),
            }
            return {key: value for key, value in lengths.items() if value is not None}
        case "str_matches", {"pattern": str(pattern)}:
            return {"pattern": pattern}
        case "isin", {"allowed_values": allowed}:
            return {"enum": [*sorted(allowed, key=str), None]}
        case "greater_than_or_equal_to", {"min_value": int() | float() as limit}:
            return {"minimum": limit}
        case "less_than_or_equal_to", {"max_value": int() | float() as limit}:
            return {"maximum": limit}
    return {}


def _paths(problem: Problem, limits: Limits) -> Iterator[tuple[str, Schema]]:
    """Every path of one problem."""
    version = [_version_parameter()]
    predict = _posting(
        f"Predict: {problem.config.objective}", _row_or_rows(problem, limits), _answer_schema()
    )
    yield f"/{problem.name}/predict", {"post": {**predict, "parameters": _options()}}
    yield (
        f"/{problem.name}/versions/{{version}}/predict",
        {"post": {**predict, "parameters": [*version, *_options()]}},
    )
    events = _one_or_many({"$ref": "#/components/schemas/FeedbackEvent"}, limits)
    receipt = _posting("Say what came of a prediction", events, _receipt_schema())
    yield f"/{problem.name}/feedback", {"post": receipt}
    yield f"/{problem.name}", {"get": _reading("The version that answers, and what made it")}
    yield f"/{problem.name}/versions", {"get": _reading("Every version")}
    yield (
        f"/{problem.name}/versions/{{version}}",
        {"get": {**_reading("One version, and what made it"), "parameters": version}},
    )


def _row_or_rows(problem: Problem, limits: Limits) -> Schema:
    return _one_or_many({"$ref": f"#/components/schemas/{_name(problem)}"}, limits)


def _one_or_many(one: Schema, limits: Limits) -> Schema:
    return {"oneOf": [one, {"type": "array", "items": one, "maxItems": limits.rows}]}


def _posting(summary: str, body: Schema, answer: Schema) -> Schema:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {
            "200": {"description": "Done", "content": {JSON: {"schema": answer}}},
            **_refusals(*REFUSALS["every"], *REFUSALS["body"]),
        },
    }


def _reading(summary: str, *, open_to_all: bool = False) -> Schema:
    described: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "Done", "content": {JSON: {"schema": ANY_JSON}}},
            **_refusals(*REFUSALS["every"]),
        },
    }
    return {**described, "security": []} if open_to_all else described


def _metrics() -> Schema:
    described = _reading("What was counted, for Prometheus")
    described["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return described


def _refusals(*statuses: int) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


def _options() -> list[Schema]:
    flag = {"type": "string", "enum": ["", "true"]}
    return [
        {
            "name": "trial",
            "in": "query",
            "description": "Nobody acts on the answer, so its silence says nothing.",
            "schema": flag,
        },
        {
            "name": "features",
            "in": "query",
            "description": "Answer with what the model read of each row.",
            "schema": flag,
        },
    ]


def _version_parameter() -> Schema:
    return {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Its id, its number, or the beginning of its id.",
        "schema": {"type": "string"},
    }


def _answer_schema() -> Schema:
    about: Schema = {"problem": {"type": "string"}, "version": {"type": "string"}, "at": TIME}
    prediction: Schema = {
        "id": ID,
        "prediction": {"type": "number"},
        "decision": {"type": ["boolean", "null"]},
        "features": ANY_JSON,
    }
    needed = ["id", "prediction", "decision"]
    item = {"type": "object", "properties": prediction, "required": needed}
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {**about, **prediction},
                "required": [*needed, *about],
            },
            {
                "type": "object",
                "properties": {**about, "predictions": {"type": "array", "items": item}},
                "required": [*about, "predictions"],
            },
        ]
    }


def _event_schema() -> Schema:
    kinds: Schema = {
        "label": {"type": ["boolean", "number", "string"], "description": "What became true."},
        "correction": {
            "type": ["boolean", "number", "string"],
            "description": "A label, corrected.",
        },
        "rating": {"type": "number", "description": "Of the answer."},
        "event": {"type": "string", "description": "What a person did."},
        "retraction": {
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "The id of an event that was sent in error.",
        },
    }
    return {
        "type": "object",
        "properties": {
            "prediction_id": ID,
            **kinds,
            "at": TIME,
            "event_id": {"type": "string", "maxLength": 100, "description": "Counts once."},
        },
        "required": ["prediction_id"],
        "oneOf": [{"required": [kind]} for kind in KINDS],
        "additionalProperties": False,
    }


def _receipt_schema() -> Schema:
    count = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "properties": {
            "taken": count,
            "repeated": count,
            "refused": {"type": "array", "items": ANY_JSON},
        },
        "required": ["taken", "repeated", "refused"],
    }


def _problem_schema() -> Schema:
    """RFC 9457."""
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": ANY_JSON},
        },
        "required": ["type", "title", "status", "detail"],
    }


def _name(problem: Problem) -> str:
    """Name of a problem's row among the schemas."""
    return re.sub(r"\W", "", problem.name.title()) + "Row"
