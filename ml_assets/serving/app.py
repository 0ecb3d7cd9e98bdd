"""The service as an ASGI application: every path, and what is behind it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from ml_assets.errors import RequestRefused
from ml_assets.feedback import GroupCommit, feedback_events, predictions
from ml_assets.problem import Problem
from ml_assets.serving.approving import Approving
from ml_assets.serving.console import Console
from ml_assets.serving.deployments import Deployments
from ml_assets.serving.explaining import Explaining
from ml_assets.serving.following import followed
from ml_assets.serving.giving_feedback import GivingFeedback
from ml_assets.serving.inference_rest import ROOT, error_json, inference_routes
from ml_assets.serving.keys import Role
from ml_assets.serving.lone import Lone
from ml_assets.serving.openapi import Describing
from ml_assets.serving.overview import Overview
from ml_assets.serving.predicting import Predicting
from ml_assets.serving.reading import Limits
from ml_assets.serving.refusals import TITLES, problem_json
from ml_assets.serving.reporting import Reporting
from ml_assets.serving.reviewing import Reviewing
from ml_assets.serving.service import Handler, Service
from ml_assets.serving.shared_counts import SharedCounts
from ml_assets.serving.telemetry import Telemetry
from ml_assets.serving.trying import Trying
from ml_assets.storage import Home, Store

METHOD_NOT_ALLOWED = 405


def application(
    home: Home,
    problems: Sequence[Problem],
    *,
    clock: Callable[[], datetime],
    with_keys: bool = False,
    durable: bool = False,
    limits: Limits | None = None,
    counts: Path | None = None,
    grpc_address: str | None = None,
    log: Store | None = None,
) -> Starlette:
    """Make the service.

    Args:
        home: The deployment that it serves.
        problems: Those that it answers for.
        clock: Says what time it is.
        with_keys: Ask for an API key.
        durable: Answer only when the disk has the prediction log, so that it outlives a power cut;
            without, it outlives the process being killed. Feedback always waits for the disk.
        limits: Of one request.
        counts: Folder where several processes share what they count.
        grpc_address: Where the Open Inference Protocol is answered over gRPC, as `host:port`.
        log: Where answers and feedback are logged; by default the store of the home.
    """
    telemetry, store = Telemetry(), log or home.store

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        store.ensure(predictions, feedback_events)
        with (
            GroupCommit(store, durable=durable) as answers,
            GroupCommit(store) as said,
        ):
            service = Service(
                deployments=Deployments(home, problems, telemetry=telemetry),
                answers=answers,
                said=said,
                clock=clock,
                keys={} if with_keys else None,
                limits=limits or Limits(),
                telemetry=telemetry,
                shared=SharedCounts(telemetry, counts),
            )
            app.router.routes.extend(routes(service))
            if answers.writes_here:
                app.state.lone = Lone(Predicting(service).predict_at_once)
            async with followed(service), _over_grpc(service, grpc_address):
                yield

    return Starlette(
        lifespan=lifespan,
        exception_handlers={HTTPException: _not_here, Exception: _failed},
    )


@asynccontextmanager
async def _over_grpc(service: Service, address: str | None) -> AsyncIterator[None]:
    """Answer over gRPC too, where that is asked for."""
    if address is None:
        yield
        return
    from ml_assets.serving.inference_grpc import answering_grpc

    async with answering_grpc(service, address):
        yield


def routes(service: Service) -> list[Route]:
    """Every path, quickest needed first."""
    predicting, feedback = Predicting(service), GivingFeedback(service)
    explaining, describing = Explaining(service), Describing(service)
    console, overview = Console(), Overview(service)
    trying, reviewing, approving = Trying(service), Reviewing(service), Approving(service)
    reporting = Reporting(service)

    def post(path: str, route: str, role: Role, handler: Handler) -> Route:
        return Route(path, service.endpoint(route, role, handler), methods=["POST"])

    def get(path: str, route: str, role: Role | None, handler: Handler) -> Route:
        return Route(path, service.endpoint(route, role, handler), methods=["GET"])

    return [
        post("/{problem}/predict", "predict", "predict", predicting.predict),
        post("/{problem}/feedback", "feedback", "feedback", feedback.feedback),
        post("/{problem}/versions/{version}/predict", "predict", "predict", predicting.predict),
        *inference_routes(service),
        get("/", "index", None, explaining.index),
        get("/health", "health", None, explaining.health),
        get("/ready", "ready", None, explaining.ready),
        get("/metrics", "metrics", "review", explaining.metrics),
        get("/openapi.json", "openapi", None, describing.openapi),
        get("/docs", "docs", None, describing.docs),
        get("/console", "console", None, console.enter),
        get("/console/", "console", None, console.file),
        get("/console/{file}", "console", None, console.file),
        get("/{problem}/overview", "overview", "predict", overview.overview),
        get("/{problem}/form", "form", "predict", trying.form),
        get("/{problem}/rows/example", "example", "predict", trying.example),
        get("/{problem}/rows/newest", "newest", "review", trying.newest),
        get("/{problem}/review", "review", "review", reviewing.queue),
        post("/{problem}/review", "review", "review", reviewing.label),
        post("/{problem}/versions/{version}/approval", "approval", "admin", approving.decide),
        get("/{problem}/feedback", "feedback_list", "review", reviewing.newest),
        get("/{problem}/flywheel", "flywheel", "review", reviewing.flywheel),
        get("/{problem}", "explain", "predict", explaining.problem),
        get("/{problem}/versions", "versions", "predict", explaining.versions),
        get("/{problem}/versions/{version}/report", "report", "predict", reporting.report),
        get("/{problem}/versions/{version}", "explain", "predict", explaining.problem),
    ]


async def _not_here(request: Request, error: Exception) -> Response:
    """Answer for a path or a method that there is not."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = _allowed(request) if status == METHOD_NOT_ALLOWED else None
    detail = f"{request.method} {request.url.path}: see /openapi.json for what there is."
    return _told(request, status if status in TITLES else 404, detail, headers=headers)


def _allowed(request: Request) -> dict[str, str]:
    """What can be done on a path, whichever of its routes does it."""
    found = {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }
    return {"Allow": ", ".join(sorted(found))}


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's
    """Answer for an error that nobody foresaw; the server logs its trace."""
    return _told(request, 500, "Something went wrong; the service's log says what.")


def _told(
    request: Request, status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Say it in the form that belongs to the path."""
    if f"{request.url.path}/".startswith(f"{ROOT}/"):
        return error_json(RequestRefused(status, detail), headers=headers)
    return problem_json(status, detail, headers=headers)
