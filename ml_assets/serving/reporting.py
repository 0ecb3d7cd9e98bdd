"""The report of a version as a page, for whoever may ask for predictions.

Only what was analysed already is shown: an analysis takes longer than a request may.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ml_assets.analysis import known_analysis
from ml_assets.errors import RequestRefused
from ml_assets.problem import Problem
from ml_assets.registry import version_named
from ml_assets.serving.service import Service, in_thread

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""The page has its style inside, and nothing that runs."""


class Reporting:
    """The endpoint `report`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def report(self, request: Request) -> Response:
        """Return the report of a version."""
        problem = self._service.problem_of(request)
        page = await in_thread(self._page, problem, request.path_params["version"])
        return HTMLResponse(page, headers=HEADERS)

    def _page(self, problem: Problem, name: str) -> str:
        from ml_assets.reporting import render, report_of

        home = self._service.deployments.home
        version = version_named(problem, home, name)
        analysis = known_analysis(problem, home, version)
        if analysis is None:
            raise RequestRefused(
                404,
                f"{problem.name} {version.number} was not analysed yet. Do it with: ml-assets report "
                f"{problem.name} --version {version.number}",
            )
        now = self._service.clock()
        return render(report_of(problem, home, version, now=now, analysis=analysis))
