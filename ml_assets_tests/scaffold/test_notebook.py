"""The notebook in docs runs as it stands, and is small enough to be read."""

import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "experiment.ipynb"
LARGEST = 60_000


def said(notebook):
    """What the cells of a notebook printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_shows_what_came_of_it(notebook):
    assert NOTEBOOK.stat().st_size < LARGEST
    assert "95% interval" in said(notebook)
    assert tempfile.gettempdir() not in NOTEBOOK.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_runs_from_the_first_cell_to_the_last(notebook):
    executed = NotebookClient(notebook, timeout=300, kernel_name="python3").execute()

    text = said(executed)
    assert "2,000 rows hold the contract, 0 do not" in text
    assert "churn/tests/test_churn.py" in text
