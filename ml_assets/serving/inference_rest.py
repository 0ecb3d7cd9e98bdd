"""The Open Inference Protocol over HTTP, under `/v2`, with tensors in JSON or in binary."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ml_assets.errors import RequestRefused
from ml_assets.serving.inference_protocol import (
    BINARY,
    NAME,
    PLATFORM,
    VERSION,
    Question,
    Slot,
    describe,
    infer,
    is_ready,
)
from ml_assets.serving.keys import Role
from ml_assets.serving.predicting import json_response
from ml_assets.serving.reading import JSON, body_of
from ml_assets.serving.refusals import HEADERS, refused
from ml_assets.serving.service import Handler, Service
from ml_assets.serving.tensors import (
    Tensor,
    datatype_named,
    from_binary,
    from_values,
    to_binary,
)

ROOT = "/v2"
"""No problem can have that name."""

JSON_LENGTH = "Inference-Header-Content-Length"
"""How many bytes of a body are JSON; binary tensors follow."""

IN_BINARY = "application/octet-stream"


class Sent(BaseModel):
    """A part of a request; null is what the client does not say."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}


class Parameters(Sent):
    """Of a request or a tensor; those of other servers are ignored."""

    binary_data: bool | None = None
    binary_data_size: int | None = None
    binary_data_output: bool = False
    trial: bool = False


class InputTensor(Sent):
    """One column of the rows that are asked about."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters = Parameters()
    data: Any = None


class OutputTensor(Sent):
    """One column that the client wants back."""

    name: str
    parameters: Parameters = Parameters()


class InferRequest(Sent):
    """A request to infer, without its binary part."""

    id: str | None = None
    parameters: Parameters = Parameters()
    inputs: list[InputTensor]
    outputs: list[OutputTensor] = []

    def is_binary(self, output: str) -> bool:
        """Whether the client wants an output in binary."""
        named = [each.parameters.binary_data for each in self.outputs if each.name == output]
        said = named[0] if named else None
        return self.parameters.binary_data_output if said is None else said


class InferenceREST:
    """The endpoints of the protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def server(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say what this server is."""
        return json_response({"name": NAME, "version": VERSION, "extensions": [BINARY]})

    async def live(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say that the process is alive."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say whether every problem has a version that answers."""
        found = is_ready(self._service)
        return Response(
            orjson.dumps({"ready": found}),
            status_code=200 if found else 503,
            media_type=JSON,
            headers=None if found else HEADERS[503],
        )

    async def model(self, request: Request) -> Response:
        """Say what a model reads and answers."""
        if "version" in request.path_params:
            await self._service.live(request)
        found = await describe(self._service, self._service.problem_of(request))
        about = {"name": found.name, "versions": found.versions, "platform": PLATFORM}
        inputs, outputs = map(_slots, (found.inputs, found.outputs))
        return json_response({**about, "inputs": inputs, "outputs": outputs})

    async def model_ready(self, request: Request) -> Response:
        """Say that a version can answer, or why none can."""
        live = await self._service.live(request)
        return json_response({"name": live.predictor.problem.name, "ready": True})

    async def infer(self, request: Request) -> Response:
        """Answer rows."""
        live = await self._service.live(request)
        asked, binary = _read(request, await body_of(request, self._service.limits))
        question = Question(
            inputs=_inputs(asked.inputs, binary),
            outputs=[each.name for each in asked.outputs],
            is_trial=asked.parameters.trial,
        )
        outputs = await infer(self._service, live, question)
        named = {
            "model_name": live.predictor.problem.name,
            "model_version": live.predictor.version,
        }
        return _answer(asked, named, outputs)


def error_json(error: BaseException, *, headers: Mapping[str, str] | None = None) -> Response:
    """Say what was refused, in the protocol's form."""
    status, detail = refused(error)
    return Response(
        orjson.dumps({"error": detail}),
        status_code=status,
        media_type=JSON,
        headers=headers or HEADERS.get(status),
    )


def inference_routes(service: Service) -> list[Route]:
    """Every path of the protocol."""
    rest = InferenceREST(service)
    model = "/models/{problem}"

    def route(path: str, name: str, role: Role | None, handler: Handler, method: str) -> Route:
        guarded = service.endpoint(name, role, handler, refuse=error_json)
        return Route(ROOT + path, guarded, methods=[method])

    of_model = [
        route(f"{path}{end}", f"v2_{name}", "predict", handler, method)
        for path in (model, model + "/versions/{version}")
        for end, name, handler, method in (
            ("/infer", "infer", rest.infer, "POST"),
            ("", "model", rest.model, "GET"),
            ("/ready", "model_ready", rest.model_ready, "GET"),
        )
    ]
    return [
        *of_model,
        route("", "v2_server", None, rest.server, "GET"),
        route("/health/live", "v2_live", None, rest.live, "GET"),
        route("/health/ready", "v2_ready", None, rest.ready, "GET"),
    ]


def _read(request: Request, body: bytes) -> tuple[InferRequest, bytes]:
    """The JSON of a request, and the bytes behind it."""
    if encoding := request.headers.get("content-encoding"):
        raise RequestRefused(415, f"The body is in {encoding}; send it as it is.")
    length = request.headers.get(JSON_LENGTH, str(len(body)))
    if not length.isdecimal() or int(length) > len(body):
        raise RequestRefused(
            400, f"{JSON_LENGTH} is {length!r}, and the body has {len(body):,} bytes."
        )
    try:
        asked = InferRequest.model_validate(orjson.loads(body[: int(length)]))
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, f"The body is not JSON: {error}.") from None
    except ValidationError as error:
        raise RequestRefused(400, f"The request cannot be read: {_first(error)}.") from None
    return asked, body[int(length) :]


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _inputs(tensors: Sequence[InputTensor], binary: bytes) -> list[Tensor]:
    sizes = [each.parameters.binary_data_size for each in tensors]
    if any(size is not None and size < 0 for size in sizes):
        raise RequestRefused(400, "A binary_data_size is below 0.")
    if (expected := sum(size or 0 for size in sizes)) != len(binary):
        raise RequestRefused(
            400,
            f"The inputs say {expected:,} bytes of binary data, and {len(binary):,} follow the JSON.",
        )
    return list(_each_input(tensors, binary))


def _each_input(tensors: Sequence[InputTensor], binary: bytes) -> Iterator[Tensor]:
    place = 0
    for each in tensors:
        datatype, size = (
            datatype_named(each.datatype, of=each.name),
            each.parameters.binary_data_size,
        )
        if size is None:
            yield from_values(each.name, datatype, each.shape, each.data)
            continue
        yield from_binary(each.name, datatype, each.shape, binary[place : place + size])
        place += size


def _answer(asked: InferRequest, named: dict[str, str], outputs: Sequence[Tensor]) -> Response:
    parts = {each.name: to_binary(each) for each in outputs if asked.is_binary(each.name)}
    id_ = {} if asked.id is None else {"id": asked.id}
    told = [_told(each, parts.get(each.name)) for each in outputs]
    header = orjson.dumps({**named, **id_, "outputs": told})
    if not parts:
        return Response(header, media_type=JSON)
    return Response(
        b"".join([header, *parts.values()]),
        media_type=IN_BINARY,
        headers={JSON_LENGTH: str(len(header))},
    )


def _told(tensor: Tensor, binary: bytes | None) -> dict[str, Any]:
    about = {
        "name": tensor.name,
        "datatype": tensor.datatype.name,
        "shape": [len(tensor.values)],
    }
    if binary is None:
        return {**about, "data": tensor.values}
    return {**about, "parameters": {"binary_data_size": len(binary)}}


def _slots(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    return [
        {"name": slot.name, "datatype": slot.datatype.name, "shape": slot.shape}
        for slot in slots
    ]
