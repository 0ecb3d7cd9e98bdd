"""OpenAPI of the Open Inference Protocol over REST, whose refusals are plain JSON."""

from collections.abc import Iterator

from ml_assets.problem import Problem
from ml_assets.serving.inference_protocol import inputs_of, outputs_of
from ml_assets.serving.inference_rest import IN_BINARY, ROOT
from ml_assets.serving.operations import BODY, EVERY, GUARDED, NAMED, Schema, done, parameter
from ml_assets.serving.reading import JSON
from ml_assets.serving.refusals import TITLES
from ml_assets.serving.schemas import OPTIONAL_TEXT, TEXT, example_row
from ml_assets.serving.tensors import DATATYPES

TAG = "Open Inference Protocol"

READY: Schema = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
}
REFUSAL: Schema = {"type": "object", "properties": {"error": TEXT}, "required": ["error"]}

SETTINGS: Schema = {
    "type": "object",
    "description": "binary_data_output and trial (of a request), binary_data (of an output), "
    "binary_data_size (of an input whose values follow the JSON).",
}


def server_paths() -> Iterator[tuple[str, Schema]]:
    """Paths that are about no model in particular."""
    about = _object(name=TEXT, version=TEXT, extensions={"type": "array", "items": TEXT})
    yield ROOT, {"get": _reading("What this server is", about)}
    live = _object(live={"type": "boolean"})
    yield f"{ROOT}/health/live", {"get": _reading("Whether the process is alive", live)}
    ready = _reading("Whether a model answers wherever one should", READY)
    either = {"oneOf": [READY, REFUSAL]}
    ready["responses"]["503"] = {**done(either), "description": TITLES[503]}
    yield f"{ROOT}/health/ready", {"get": ready}


def model_paths(problem: Problem) -> Iterator[tuple[str, Schema]]:
    """Paths of one model: of its champion, and of a version that is named."""
    named = [
        parameter("version", "path", TEXT, "Its id, its number, or a beginning of its id.")
    ]
    name = f"{ROOT}/models/{problem.name}"
    for path, parameters in ((name, []), (f"{name}/versions/{{version}}", named)):
        given = {"parameters": parameters} if parameters else {}
        model = _guarded("What the model reads and answers", _model_schema())
        ready = _guarded("Whether the model can answer", READY)
        yield path, {"get": {**model, **given}}
        yield f"{path}/ready", {"get": {**ready, **given}}
        yield f"{path}/infer", {"post": {**_infer(problem), **given}}


def _reading(summary: str, answer: Schema) -> Schema:
    return {
        "tags": [TAG],
        "summary": summary,
        "security": [],
        "responses": {"200": done(answer), **_refusals(*EVERY)},
    }


def _guarded(summary: str, answer: Schema) -> Schema:
    responses = {"200": done(answer), **_refusals(*EVERY, *GUARDED, *NAMED)}
    return {"tags": [TAG], "summary": summary, "responses": responses}


def _infer(problem: Problem) -> Schema:
    described = _guarded("Answer rows, sent as columns", _answer_schema())
    binary = {"type": "string", "format": "binary"}
    described["responses"]["200"]["content"][IN_BINARY] = {"schema": binary}
    described["responses"] |= _refusals(*BODY)
    asked = {"schema": _request_schema(problem), "example": _example(problem)}
    return {**described, "requestBody": {"required": True, "content": {JSON: asked}}}


def _refusals(*statuses: int) -> Schema:
    return {
        str(status): {**done(REFUSAL), "description": TITLES[status]}
        for status in sorted(statuses)
    }


def _request_schema(problem: Problem) -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": TEXT,
            "datatype": {"type": "string", "enum": list(DATATYPES)},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "parameters": SETTINGS,
            "data": {"description": "An array with one value for each row."},
        },
        "required": ["name", "datatype", "shape"],
    }
    outputs = [slot.name for slot in outputs_of(problem)]
    output = {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": outputs}, "parameters": SETTINGS},
        "required": ["name"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {**OPTIONAL_TEXT, "description": "Comes back with the answer."},
            "parameters": SETTINGS,
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": "array", "items": output},
        },
        "required": ["inputs"],
    }


def _answer_schema() -> Schema:
    tensor = {**_tensor(), "properties": {**_tensor()["properties"], "data": {"type": "array"}}}
    about = _object(model_name=TEXT, model_version=TEXT, outputs=_array(tensor))
    return {**about, "properties": {**about["properties"], "id": TEXT}}


def _model_schema() -> Schema:
    texts = _array(TEXT)
    tensors = _array(_tensor())
    return _object(name=TEXT, versions=texts, platform=TEXT, inputs=tensors, outputs=tensors)


def _tensor() -> Schema:
    return _object(name=TEXT, datatype=TEXT, shape=_array({"type": "integer"}))


def _example(problem: Problem) -> Schema:
    """A plausible row, column by column."""
    row = example_row(problem)
    return {
        "inputs": [
            {"name": name, "datatype": kind.name, "shape": [1], "data": [row[name]]}
            for name, kind in inputs_of(problem)
            if row.get(name) is not None
        ]
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}
