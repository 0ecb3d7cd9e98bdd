"""Predictions of a champion go past the router, and nobody can tell."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ml_assets.serving.shortcut import Shortcut


async def routed(request):
    return PlainTextResponse(f"routed {request.path_params}")


async def short(request):
    return PlainTextResponse(f"short {request.path_params['problem']}")


@pytest.fixture
def app():
    return Starlette(
        routes=[Route("/{path:path}", routed, methods=["GET", "POST"])],
        middleware=[Middleware(Shortcut)],
    )


async def asked(app, method, path):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return (await client.request(method, path)).text


@pytest.fixture
def ask(app):
    return lambda method, path: asyncio.run(asked(app, method, path))


class TestShortcut:
    def test_answers_predictions_of_the_champion(self, app, ask):
        app.state.predict = short

        assert ask("POST", "/complaints/predict") == "short complaints"
        assert ask("POST", "/complaints/predict?trial") == "short complaints"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/complaints/predict"),
            ("POST", "/complaints/feedback"),
            ("POST", "/complaints/versions/1.0.0/predict"),
            ("POST", "/complaints/predict/"),
            ("POST", "//predict"),
            ("POST", "/predict"),
        ],
    )
    def test_leaves_everything_else_to_the_router(self, app, ask, method, path):
        app.state.predict = short

        assert ask(method, path).startswith("routed")

    def test_leaves_everything_to_the_router_before_there_is_a_handler(self, ask):
        assert ask("POST", "/complaints/predict").startswith("routed")
