"""The description of the service is true: every path is in it, and schemathesis finds no lie."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.routing import Route

from ml_assets.serving.app import application
from ml_assets.serving.keys import make_key
from ml_assets.serving.openapi import document
from ml_assets.serving.reading import Limits
from ml_assets.serving.schemas import row_schema

PAGES = {"/console", "/console/", "/console/{file}"}
"""For browsers only."""

SETTINGS = """
[checks.positive_data_acceptance]
enabled = false    # a contract has rules that JSON Schema cannot say, such as one of two columns

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 415, 422]
"""


def checked(url, folder, *options):
    """What schemathesis has to say about a service."""
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    program = Path(sys.executable).with_name("schemathesis")
    return subprocess.run(
        [
            *(program, "--config-file", settings, "run", f"{url}/openapi.json", *options),
            *("--seed", "0", "--max-examples", "15", "--generation-database", "none"),
            *("--no-color", "--continue-on-failure"),
        ],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def summary(outcome):
    """The end of a report, where the failures are counted, and the beginning of each failure."""
    lines = [line[:200] for line in outcome.stdout.splitlines() if line.strip()]
    return "\n".join(lines[-120:])


@pytest.mark.slow
def test_schemathesis_finds_nothing_to_say(client, tmp_path):
    outcome = checked(client.base_url, tmp_path)

    assert outcome.returncode == 0, summary(outcome)


@pytest.mark.slow
def test_schemathesis_finds_no_way_around_a_key(own_world, tmp_path):
    key = make_key(own_world.home, "tests", ["admin"], now=own_world.clock())

    with own_world.served(with_keys=True) as client:
        header = ("--header", f"Authorization: Bearer {key}")
        outcome = checked(client.base_url, tmp_path, *header, "--phases", "coverage,fuzzing")

    assert outcome.returncode == 0, summary(outcome)


def routes_of(app):
    """What a service answers, once it has started."""

    async def started():
        async with app.router.lifespan_context(app):
            return list(app.routes)

    return asyncio.run(started())


def test_every_path_is_described(world):
    app = application(world.home, [world.problem], clock=world.clock)
    answered = {
        (route.path.replace("{problem}", "complaints"), method.lower())
        for route in routes_of(app)
        if isinstance(route, Route) and route.path not in PAGES
        for method in route.methods - {"HEAD"}
    }

    paths = document({"complaints": world.problem}, Limits())["paths"]

    assert {(path, method) for path, each in paths.items() for method in each} == answered


class TestRows:
    def test_say_what_the_contract_says(self, world):
        described = row_schema(world.problem)

        assert described["required"] == ["date_received", "issue"]
        assert described["properties"]["issue"]["maxLength"] == 300
        rules, missing = described["properties"]["state"]["anyOf"]
        assert re.fullmatch(rules["pattern"], "CA")
        assert None in missing["enum"]

    def test_say_which_columns_are_ignored(self, world):
        described = row_schema(world.problem)["properties"]

        assert "ignored" in described["consumer_disputed"]["description"]
        assert "ignored" in described["zip_code"]["description"]

    def test_of_the_example_are_taken(self, client):
        path = client.get("/openapi.json").json()["paths"]["/complaints/predict"]["post"]

        example = path["requestBody"]["content"]["application/json"]["example"]

        assert client.post("/complaints/predict", json=example).status_code == 200
