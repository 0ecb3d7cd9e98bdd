"""The Open Inference Protocol over gRPC: in the event loop of the HTTP service, on a port of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import grpc

from ml_assets.errors import MLAssetsError, RequestRefused, VersionNotFound
from ml_assets.serving.deployments import Live
from ml_assets.serving.inference_messages import SERVICE, message_types
from ml_assets.serving.inference_protocol import (
    NAME,
    PLATFORM,
    VERSION,
    Question,
    Slot,
    describe,
    infer,
    is_ready,
)
from ml_assets.serving.keys import Role, require
from ml_assets.serving.refusals import STORE_FAILED, refused
from ml_assets.serving.service import Service
from ml_assets.serving.tensors import (
    Tensor,
    datatype_named,
    from_binary,
    from_texts,
    from_values,
    to_binary,
)

STOP_SECONDS = 30
"""How long calls that are under way may take when the service ends."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""Of what HTTP answers."""

LOG = logging.getLogger("ml_assets.serving")

Answering = Callable[[Any], Awaitable[Any]]
"""From a message to its answer, or an error of what the platform refuses."""


@asynccontextmanager
async def answering_grpc(service: Service, address: str) -> AsyncIterator[None]:
    """Answer at `address` (`host:port`) while the block runs.

    Raises:
        MLAssetsError: If it cannot be listened on.
    """
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", service.limits.body_bytes)]
    )
    server.add_generic_rpc_handlers((_handlers(service),))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise MLAssetsError(f"{address} cannot be listened on for gRPC: {error}.") from None
    await server.start()
    LOG.info("gRPC is answered on %s.", address)
    try:
        yield
    finally:
        await server.stop(STOP_SECONDS)


class InferenceGRPC:
    """The calls of the protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._types = message_types()

    async def server_live(self, request: Any) -> Any:  # noqa: ARG002 - as every call
        """Say that the process is alive."""
        return self._types["ServerLiveResponse"](live=True)

    async def server_ready(self, request: Any) -> Any:  # noqa: ARG002 - as every call
        """Say whether every problem has a version that answers."""
        return self._types["ServerReadyResponse"](ready=is_ready(self._service))

    async def server_metadata(self, request: Any) -> Any:  # noqa: ARG002 - as every call
        """Say what this server is."""
        return self._types["ServerMetadataResponse"](name=NAME, version=VERSION)

    async def model_ready(self, request: Any) -> Any:
        """Say whether a version can answer."""
        try:
            await self._live(request.name, request.version)
        except VersionNotFound:
            return self._types["ModelReadyResponse"](ready=False)
        return self._types["ModelReadyResponse"](ready=True)

    async def model_metadata(self, request: Any) -> Any:
        """Say what a model reads and answers."""
        problem = self._service.problem_named(request.name)
        if request.version:
            await self._live(request.name, request.version)
        found = await describe(self._service, problem)
        return self._types["ModelMetadataResponse"](
            name=found.name,
            versions=found.versions,
            platform=PLATFORM,
            inputs=_slots(found.inputs),
            outputs=_slots(found.outputs),
        )

    async def model_infer(self, request: Any) -> Any:
        """Answer rows; in binary those who asked in binary."""
        live = await self._live(request.model_name, request.model_version)
        question = Question(
            inputs=_inputs(request),
            outputs=[each.name for each in request.outputs],
            is_trial=request.parameters["trial"].bool_param,
        )
        outputs = await infer(self._service, live, question)
        is_raw = bool(request.raw_input_contents)
        return self._types["ModelInferResponse"](
            model_name=live.predictor.problem.name,
            model_version=live.predictor.version,
            id=request.id,
            outputs=[_told(each, is_raw=is_raw) for each in outputs],
            raw_output_contents=[to_binary(each) for each in outputs] if is_raw else (),
        )

    async def _live(self, name: str, version: str) -> Live:
        return await self._service.live_named(name, version or None)


def _handlers(service: Service) -> grpc.GenericRpcHandler:
    calls, types = InferenceGRPC(service), message_types()

    def handler(name: str, role: Role | None, answering: Answering) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(
            _guarded(service, f"grpc_{answering.__name__}", role, answering),
            request_deserializer=types[f"{name}Request"].FromString,
            response_serializer=types[f"{name}Response"].SerializeToString,
        )

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "ServerLive": handler("ServerLive", None, calls.server_live),
            "ServerReady": handler("ServerReady", None, calls.server_ready),
            "ServerMetadata": handler("ServerMetadata", None, calls.server_metadata),
            "ModelReady": handler("ModelReady", "predict", calls.model_ready),
            "ModelMetadata": handler("ModelMetadata", "predict", calls.model_metadata),
            "ModelInfer": handler("ModelInfer", "predict", calls.model_infer),
        },
    )


def _guarded(
    service: Service, route: str, role: Role | None, answering: Answering
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Put keys, limits, refusals and counters around a call, as `Service.endpoint` does."""

    async def guarded(request: Any, context: Any) -> Any:
        started, status, detail, answer = perf_counter(), 200, "", None
        try:
            answer = await _answer(service, role, answering, request, context)
        except (MLAssetsError, *STORE_FAILED) as error:
            status, detail = refused(error)
        problem = getattr(request, "model_name", getattr(request, "name", ""))
        service.count(problem, route, status, perf_counter() - started)
        if answer is None:
            await context.abort(CODES[status], detail)
        return answer

    return guarded


async def _answer(
    service: Service, role: Role | None, answering: Answering, request: Any, context: Any
) -> Any:
    if role is not None:
        sent = dict(context.invocation_metadata() or ())
        require(service.keys, sent.get("authorization"), role)
    try:
        async with asyncio.timeout(service.limits.seconds):
            return await answering(request)
    except TimeoutError:
        raise service.too_late() from None


def _inputs(request: Any) -> list[Tensor]:
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestRefused(
            400,
            f"There are {len(request.inputs)} inputs and {len(raw)} raw_input_contents. Send as many.",
        )
    if raw:
        return [
            from_binary(
                each.name, datatype_named(each.datatype, of=each.name), each.shape, data
            )
            for each, data in zip(request.inputs, raw, strict=True)
        ]
    return [_typed(each) for each in request.inputs]


def _typed(sent: Any) -> Tensor:
    datatype = datatype_named(sent.datatype, of=sent.name)
    values = list(getattr(sent.contents, datatype.contents))
    read = values if datatype.code else from_texts(sent.name, values)
    return from_values(sent.name, datatype, sent.shape, read)


def _told(tensor: Tensor, *, is_raw: bool) -> dict[str, Any]:
    about = {
        "name": tensor.name,
        "datatype": tensor.datatype.name,
        "shape": [len(tensor.values)],
    }
    if is_raw:
        return about
    is_text = not tensor.datatype.code
    values = [value.encode() for value in tensor.values] if is_text else tensor.values
    return {**about, "contents": {tensor.datatype.contents: values}}


def _slots(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    return [
        {"name": slot.name, "datatype": slot.datatype.name, "shape": slot.shape}
        for slot in slots
    ]
