"""Explain: which versions answer, what made them, and whether the service is well."""

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from ml_assets.registry import ModelVersion, evaluations, releases, versions
from ml_assets.serving.console import wants_page
from ml_assets.serving.deployments import Live
from ml_assets.serving.predicting import json_response
from ml_assets.serving.refusals import problem_json
from ml_assets.serving.service import Service, in_thread
from ml_assets.serving.telemetry import Gauge

PROMETHEUS = "text/plain; version=0.0.4"


class Explaining:
    """The endpoints that say something about the service itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def index(self, request: Request) -> Response:
        """Say what is served; lead a browser to the console."""
        problems = [self._summary(name) for name in self._service.deployments.problems]
        answer = json_response({"problems": problems})
        if wants_page(request):
            answer = RedirectResponse("console/")
        answer.headers["Vary"] = "Accept"
        return answer

    async def problem(self, request: Request) -> Response:
        """Say which version answers, since when and why, what made it, and how good it is."""
        live = await self._service.live(request)
        return json_response(await in_thread(self._explained, live))

    async def versions(self, request: Request) -> Response:
        """List every registered version, newest first."""
        problem = self._service.problem_of(request)
        found = await in_thread(versions, problem, self._service.deployments.home)
        return json_response({"versions": [_brief(version) for version in reversed(found)]})

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say that the process is alive."""
        return json_response({"status": "alive"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say whether a version answers wherever one should, and what is wrong otherwise."""
        deployments = self._service.deployments
        if waiting := deployments.unanswered:
            return problem_json(
                503,
                f"No version answers yet for {', '.join(waiting)}.",
                headers={"Retry-After": "1"},
                failures=deployments.failures,
            )
        alerts = {
            name: [alert._asdict() for alert in watch.alerts.values()]
            for name, watch in deployments.watches.items()
        }
        return json_response(
            {
                "status": "ready",
                "without_champion": sorted(deployments.problems.keys() - deployments.current),
                "failures": deployments.failures,
                "alerts": alerts,
            }
        )

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Say what was counted, to Prometheus."""
        text = self._service.shared.total().text(
            [self._models(), self._failures(), self._alerts()]
        )
        return PlainTextResponse(text, media_type=PROMETHEUS)

    def _summary(self, name: str) -> dict[str, Any]:
        live = self._service.deployments.current.get(name)
        return {
            "name": name,
            "objective": self._service.deployments.problems[name].config.objective,
            "version": live.predictor.version if live else None,
            "failure": self._service.deployments.failures.get(name),
        }

    def _explained(self, live: Live) -> dict[str, Any]:
        predictor, home = live.predictor, self._service.deployments.home
        history = [
            release
            for release in releases(predictor.problem, home)
            if release.to_version == predictor.version
        ]
        measured = [
            evaluation
            for evaluation in evaluations(predictor.problem, home)
            if evaluation.version == predictor.version
        ]
        return {
            **_brief(live.version),
            "objective": predictor.problem.config.objective,
            "moment_of_prediction": predictor.problem.config.moment_of_prediction,
            "ways": predictor.ways._asdict(),
            "warnings": predictor.bundle.warnings,
            "releases": [release._asdict() for release in history],
            "metrics": measured[-1].metrics if measured else None,
            "manifest": live.version.manifest.model_dump(mode="json"),
        }

    def _models(self) -> Gauge:
        current = self._service.deployments.current.items()
        return Gauge(
            "ml_assets_model_is_direct",
            "1 where a version answers by direct look-ups, 0 where it goes through frames.",
            {
                (("problem", name), ("version", live.predictor.version)): float(
                    live.predictor.ways.are_direct
                )
                for name, live in current
            },
        )

    def _alerts(self) -> Gauge:
        return Gauge(
            "ml_assets_odd_values_share",
            "Share of the last rows in which a column is odd, where it is beyond its limit.",
            {
                (("problem", name), ("column", alert.column), ("kind", alert.kind)): alert.share
                for name, watch in self._service.deployments.watches.items()
                for alert in watch.alerts.values()
            },
        )

    def _failures(self) -> Gauge:
        deployments = self._service.deployments
        return Gauge(
            "ml_assets_champion_failed_to_load",
            "1 where the champion cannot be loaded, so that an older version goes on.",
            {
                (("problem", name),): float(name in deployments.failures)
                for name in deployments.problems
            },
        )


def _brief(version: ModelVersion) -> dict[str, Any]:
    return {
        "problem": version.problem,
        "version": version.version,
        "number": version.number,
        "number_reason": version.number_reason,
        "created_at": version.created_at,
        "trigger": version.trigger,
        "previous": version.previous,
        "training_set": version.training_set,
    }
