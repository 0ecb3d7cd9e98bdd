"""The README tells the truth of today."""

import re
from pathlib import Path

import pytest
import typer.main

from ml_assets.cli.app import app
from ml_assets.problem import Config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Text of one section of the README."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """Code in the first cell of every row of a section's tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [found for row in rows for found in re.findall(r"`([^`]+)`", row)]


def test_lists_every_command_there_is():
    named = {cell.split()[1] for cell in first_cells(section("Your own file"))}

    assert named == set(typer.main.get_command(app).commands)


def test_lists_every_section_of_config_yaml():
    assert set(first_cells(section("A problem of your own"))) == set(Config.model_fields)


def test_lists_every_environment_variable():
    code = "".join(path.read_text() for path in (ROOT / "ml_assets").rglob("*.py"))

    named = set(first_cells(section("What is kept where")))

    assert named == set(re.findall(r"ML_ASSETS_[A-Z_]+", code))


@pytest.mark.parametrize("path", re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README))
def test_shows_pictures_that_are_there(path):
    assert (ROOT / path).stat().st_size > 10_000


def test_names_make_targets_that_are_there():
    makefile = (ROOT / "Makefile").read_text()

    for target in set(re.findall(r"`?make ([a-z]+)", README)) - {"commands"}:
        assert f"\n{target}:" in makefile
