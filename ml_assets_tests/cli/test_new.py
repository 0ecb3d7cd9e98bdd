"""A CSV file to a problem that answers: one command each, and no edit."""

import asyncio
import datetime as dt
import subprocess
import sys
import zipfile
from dataclasses import dataclass

import httpx
import pytest
from sheets import churn, flats, orders

from ml_assets.problem import problem_named
from ml_assets.serving.app import application
from ml_assets.storage import Home

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A file, the column to predict, and a row to ask about."""

    make: object
    target: str
    row: dict


WAYS = {
    "flat_worth": Way(
        make=flats,
        target="Price",
        row={"city": "Zug", "living_area": "85 m2", "rooms": "?", "lift": "yes"},
    ),
    "departures": Way(
        make=churn,
        target="churned",
        row={"tenure_months": 2, "contract": "monthly", "monthly_charge": 49.9},
    ),
    "delays": Way(
        make=orders,
        target="Late?",
        row={
            "ordered_on": "05/02/2024",
            "express": 0,
            "distance_km": 900,
            "note": "ring twice",
        },
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def asked(service, path, row):
    """Send a row to a service that runs in this process."""
    transport = httpx.ASGITransport(service)
    async with (
        service.router.lifespan_context(service),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        return await client.post(path, json=row)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_a_file_becomes_a_served_model_with_no_edit(call, here, name):
    way = WAYS[name]
    file = way.make(here)

    written = call("new", name, "--csv", file, "--target", way.target, "--json")
    ran = call("run", name, "--source", file, "--home", here / "home", "--json")
    analysed = call("analyse", name, "--home", here / "home", "--json")

    assert (written.exit_code, ran.exit_code, analysed.exit_code) == (0, 0, 0)
    model = ran.facts["model"]
    assert model["champion"] == model["version"]
    assert ran.facts["refused"] == ran.facts["failures"] == []
    assert sum(each["rows_valid"] for each in ran.facts["partitions"]) == written.facts["rows"]
    home = Home.open(here / "home", environment={})
    service = application(home, [problem_named(name)], clock=lambda: NOW)
    answer = asyncio.run(asked(service, f"/{name}/predict", way.row))
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"]


@pytest.mark.slow
def test_the_tests_that_are_written_pass(call, here):
    call("new", "delays", "--csv", orders(here), "--target", "Late?")

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "problems/delays"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "4 passed" in ran.stdout, ran.stdout


class TestNew:
    def test_says_what_it_guessed_and_what_comes_next(self, call, here):
        called = call("new", "departures", "--csv", churn(here), "--target", "churned")

        assert called.exit_code == 0
        assert "its name speaks of gender" in called.words
        assert "KPI: average_precision, since only" in called.words
        assert "1,500 of 1,500 rows hold the contract" in called.words
        assert f"ml-assets run departures --source {here / 'churn.csv'}" in called.out

    def test_writes_nothing_in_a_dry_run(self, call, here):
        called = call("new", "delays", "--csv", orders(here), "--target", "Late?", "--dry-run")

        assert called.exit_code == 0
        assert (
            "would be written (--dry-run: nothing is): __init__.py, contract.py" in called.words
        )
        assert not (here / "problems").exists()

    def test_writes_over_nothing(self, call, here):
        arguments = ["new", "delays", "--csv", orders(here), "--target", "Late?"]
        call(*arguments)
        edited = here / "problems" / "delays" / "config.yaml"
        edited.write_text("mine")

        again = call(*arguments)

        assert again.exit_code == 1
        assert "problems/delays is there already, and nothing is written over" in again.err
        assert edited.read_text() == "mine"

    def test_says_how_a_folder_elsewhere_is_found(self, call, here):
        called = call(
            "new", "delays", "--csv", orders(here), "--target", "Late?", "--to", "away"
        )

        assert "pip install --no-deps -e away/delays" in called.out

    def test_leaves_nothing_of_what_it_refuses(self, call, here):
        called = call("new", "delays", "--csv", orders(here), "--target", "Note")

        assert called.exit_code == 1
        assert "what can be predicted is a number, or which of two values" in called.err
        assert not (here / "problems").exists()


def test_a_folder_is_installed_as_well(here, call):
    call("new", "delays", "--csv", orders(here), "--target", "Late?", "--to", "away")
    code = "from setuptools import setup; setup()"

    built = subprocess.run(
        [sys.executable, "-c", code, "-q", "bdist_wheel", "-d", str(here / "wheels")],
        cwd=here / "away" / "delays",
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    (wheel,) = (here / "wheels").glob("delays-0.1.0-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert {"delays/contract.py", "delays/config.yaml"} <= set(packed.namelist())
