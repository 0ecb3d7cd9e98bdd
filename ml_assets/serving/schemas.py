"""What goes in and out, as JSON Schema: rows from the contracts, events, answers and refusals.

A schema is what the service takes: everything else it refuses. Where JSON Schema cannot say a rule
(one of two columns, of a date), the service refuses more than the schema does.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_assets.feedback.events import KINDS, LONGEST_ID
from ml_assets.problem import Field, Problem
from ml_assets.serving.operations import ANY_JSON, Schema

ID: Schema = {"type": "string", "description": "Feedback goes by it."}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXT: Schema = {"type": "string"}
OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}

TYPES: Mapping[str, tuple[str, ...]] = {
    "text": ("string", "number", "boolean"),
    "number": ("number", "string"),
    "integer": ("integer", "string"),
    "boolean": ("boolean", "string", "number"),
    "time": ("string", "number", "boolean"),
}
"""Of the kinds of a contract: what is no text may also come as the text that a source writes."""

IGNORED: Schema = {"description": "Not known yet, or kept from models: ignored."}


def row_schema(problem: Problem) -> Schema:
    """What a row is: the columns of the contract that are known at the moment of prediction."""
    known = problem.known_columns
    needed = [name for name in known if not _is_optional(problem, problem.fields[name])]
    described = {name: _property(problem, problem.fields[name]) for name in known}
    ignored = {name: IGNORED for name in problem.fields if name not in known}
    moment = f"Known at the moment {problem.config.moment_of_prediction!r}."
    row = {"type": "object", "description": moment, "properties": {**described, **ignored}}
    if (hook := problem.request_hook) is not None:
        # What else a hook takes, or makes up for, only its author can say.
        return {**row, "description": f"{moment} {inspect.getdoc(hook) or ''}".strip()}
    return {**row, "required": needed, "additionalProperties": False}


def _is_optional(problem: Problem, field: Field) -> bool:
    return field.nullable or field.name == problem.entity_id


def _property(problem: Problem, field: Field) -> Schema:
    """One column, with those of its rules that JSON Schema can say."""
    rules: Schema = {}
    for check in problem.schema.columns[field.name].checks:
        rules |= _rule(str(check.name), check.statistics or {})
    described = {"type": list(TYPES[field.kind]), "description": _meaning(problem, field)}
    if not _is_optional(problem, field):
        return {**described, **rules}
    missing = [*problem.config.source.missing, None]
    described["type"] = [*TYPES[field.kind], "null"]
    return {**described, "anyOf": [rules, {"enum": missing}]} if rules else described


def _meaning(problem: Problem, field: Field) -> str:
    source = problem.config.source
    match field.kind:
        case "time":
            written = f"ISO 8601, or {' or '.join(source.date_formats)}; without a zone in UTC."
        case "boolean":
            written = f"As text: {', '.join(source.true)}; {', '.join(source.false)}."
        case _:
            written = ""
    return f"{field.description} {written}".strip()


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
            return {"enum": sorted(allowed, key=str)}
        case "greater_than_or_equal_to", {"min_value": int() | float() as limit}:
            return {"minimum": limit}
        case "less_than_or_equal_to", {"max_value": int() | float() as limit}:
            return {"maximum": limit}
    return {}


def example_row(problem: Problem) -> dict[str, Any]:
    """A plausible row, such as a client sends it."""
    drawn = problem.sample(1, np.random.default_rng(0)).iloc[0]
    known = [name for name in problem.known_columns if name in drawn]
    return {name: None if (value := drawn[name]) != value else value for name in known}


INTERVAL: Schema = {
    "type": "object",
    "description": "Holds what becomes true, in the share `coverage` of all answers.",
    "properties": {
        "lower": {"type": "number"},
        "upper": {"type": "number"},
        "coverage": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    },
    "required": ["lower", "upper", "coverage"],
}


def answer_schema(problem: Problem) -> Schema:
    """What a prediction is: of one row, or of many."""
    about: Schema = {"problem": TEXT, "version": TEXT, "at": TIME}
    prediction: Schema = {
        "id": ID,
        "prediction": {"type": "number"},
        "decision": {"type": ["boolean", "null"]},
        "features": ANY_JSON,
        "shown": {
            **ANY_JSON,
            "description": "What the problem's response hook adds, if it has one.",
        },
    }
    if problem.config.training.interval is not None:
        prediction["interval"] = INTERVAL
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


def event_schema() -> Schema:
    """What an event is: about one prediction, saying one thing."""
    label = {"type": ["boolean", "number", "string", "null"]}
    optional_id = {"type": ["string", "null"], "maxLength": LONGEST_ID}
    said: Schema = {
        "label": {**label, "description": "What became true."},
        "correction": {**label, "description": "A label, corrected."},
        "rating": {**label, "description": "Of the answer, a number."},
        "event": {**OPTIONAL_TEXT, "description": "What a person did."},
        "retraction": {**optional_id, "description": "The id of an event sent in error."},
    }
    return {
        "type": "object",
        "properties": {
            "prediction_id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
            **said,
            "at": {**OPTIONAL_TEXT, "description": "When: ISO 8601; without a zone in UTC."},
            "event_id": {**optional_id, "description": "The same one counts once."},
        },
        "required": ["prediction_id"],
        "oneOf": [_says(kind) for kind in KINDS],
        "additionalProperties": False,
    }


def _says(kind: str) -> Schema:
    """An event has exactly one kind that is not empty."""
    return {"required": [kind], "properties": {kind: {"not": {"enum": [None, ""]}}}}


def receipt_schema() -> Schema:
    """What became of the events that were sent."""
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


def refusal_schema() -> Schema:
    """RFC 9457."""
    return {
        "type": "object",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "errors": {"type": "array", "items": ANY_JSON},
        },
        "required": ["type", "title", "status", "detail"],
    }


def array_of(name: str, properties: Schema) -> Schema:
    """An object with one array of objects, in which everything described is there."""
    item = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "object",
        "properties": {name: {"type": "array", "items": item}},
        "required": [name],
    }
