"""A small problem to ingest for, and files as sources deliver them."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.typing import Series

from ml_assets.ingestion import ingest, register_source
from ml_assets.ingestion.reading import Reading
from ml_assets.problem import Config, Problem

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class Visit(pa.DataFrameModel):
    """One row per visit."""

    visit_id: Series[str] = pa.Field(unique=True, metadata={"role": "id"})
    visited_at: Series[UTC_TIME] = pa.Field(metadata={"role": "time"})
    state: Series[str] = pa.Field(metadata={"role": "input"})
    note: Series[str] = pa.Field(nullable=True, metadata={"role": "input"})
    was_happy: Series[pd.BooleanDtype] = pa.Field(nullable=True, metadata={"role": "target"})


VALUES = {
    "objective": "Please visitors.",
    "owner": "tests",
    "moments": ["visited"],
    "moment_of_prediction": "visited",
    "source": {
        "origin": "tests",
        "terms": "none",
        "aliases": {"note": ["comment"], "visit_id": ["id"]},
        "optional": ["note", "was_happy"],
        "date_formats": ["%m/%d/%Y"],
    },
    "partitions": {"grain": "monthly", "start": "2015-01-01"},
    "label": {"positive": "was happy", "delay_days": 0},
    "kpi": {"metric": "roc_auc", "formula": "", "floor": 0.5, "owner": "tests"},
    "metrics": ["roc_auc"],
    "training": {"estimators": {}, "encoders": {}},
}


@pytest.fixture
def visits():
    return Problem(
        name="visits",
        folder=Path(__file__).parent,
        contract=Visit,
        features=lambda rows: rows,
        sample=lambda n, rng: pd.DataFrame(),  # noqa: ARG005
        config=Config.from_values(VALUES, where="tests"),
    )


@pytest.fixture
def reading(visits):
    return Reading.of(visits)


@pytest.fixture
def revised(visits):
    """The same problem with other values of its config's source."""

    def revise(**source):
        values = {**VALUES, "source": {**VALUES["source"], **source}}
        return replace(visits, config=Config.from_values(values, where="tests"))

    return revise


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def deliver(inbox):
    """Put a file into the inbox; each is younger than the one before, or `age` seconds old."""
    clock = iter(range(1_000_000_000, 2_000_000_000))

    def put(name, content, *, written=None):
        path = inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        moment = next(clock) if written is None else written
        os.utime(path, (moment, moment))
        return path

    return put


@pytest.fixture
def as_csv():
    """Rows of visits as a CSV: id, day, state and what else is given."""

    def write(*rows, header=("visit_id", "visited_at", "state", "note")):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        return text.getvalue()

    return write


@pytest.fixture
def take_in(visits, home, inbox, now):
    """Ingest the inbox."""

    def run(partitions=None, *, problem=visits, run_id="r", into=home):
        register_source(problem, into, inbox)
        return ingest(problem, into, partitions, run_id=run_id, now=now)

    return run


@pytest.fixture
def raw(home):
    """Rows of raw, with the columns named, sorted."""

    def read(*columns, partition=None):
        table = home.lake.read("visits/raw", partitions=partition and [partition])
        rows = [tuple(row.values()) for row in table.select(list(columns)).to_pylist()]
        return sorted(rows, key=lambda row: [(cell is not None, cell) for cell in row])

    return read
