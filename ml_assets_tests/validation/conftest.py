import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.problem import Config, problem_named
from ml_assets.problems.complaints.source import sample
from ml_assets.storage import Commit
from ml_assets.validation import admit


@pytest.fixture
def complaints():
    return problem_named("complaints")


@pytest.fixture
def with_config(complaints):
    """Complaints with other values in some sections of their config.yaml."""

    def changed(**sections):
        config = complaints.config.model_dump(mode="json")
        for section, values in sections.items():
            config[section] |= values
        return replace(complaints, config=Config.from_values(config, where="the test"))

    return changed


def _drawn(rows, *, month="2015-03", seed=0, dispute_rate=0.5, first_id=1):
    """Complaints of one month, as an export delivers them."""
    start = dt.date.fromisoformat(f"{month}-01")
    return sample(
        rows,
        np.random.default_rng(seed),
        dispute_rate=dispute_rate,
        start=start,
        end=start + dt.timedelta(days=27),
        first_id=first_id,
    )


def _as_raw(df, names=None, *, faults=None):
    """Rows as ingestion keeps them."""
    names = names or list(df.columns)
    columns = {name: pa.array(df[name], pa.string(), from_pandas=True) for name in names}
    rows = len(df)
    columns["_file"] = pa.array(["complaints.csv"] * rows, pa.string())
    columns["_row"] = pa.array(range(1, rows + 1), pa.int64())
    columns["_sequence"] = pa.array([1] * rows, pa.int64())
    columns["_fault"] = pa.array(faults or [None] * rows, pa.string())
    return pa.table(columns)


def _with_positives(df, positives):
    """The same complaints, the first `positives` of them disputed."""
    labels = ["Yes"] * positives + ["No"] * (len(df) - positives)
    return df.assign(consumer_disputed=pd.Series(labels, dtype="str"))


class Gate:
    """Writes raw partitions and asks for them to be admitted."""

    def __init__(self, home, problem, now):
        self.home, self.problem, self.now = home, problem, now

    def ingest(self, partition, df, **others):
        raw = _as_raw(df, list(self.problem.fields), **others)
        commit = Commit(run_id="ingest", code_hash="code", fingerprint="print")
        return self.home.lake.write(f"{self.problem.name}/raw", partition, raw, commit=commit)

    def admit(self, partition, *, problem=None, run_id="run"):
        problem = problem or self.problem
        return admit(problem, self.home, partition, run_id=run_id, now=self.now)

    def both(self, partition, df, **others):
        self.ingest(partition, df)
        return self.admit(partition, **others)

    def ids(self, noun, partition):
        table = f"{self.problem.name}/{noun}"
        if partition not in self.home.lake.partitions(table):
            return []
        rows = self.home.lake.read(table, partitions=[partition])
        return rows[self.problem.entity_id].to_pylist()


@pytest.fixture
def gate(home, complaints, now):
    return Gate(home, complaints, now)


@pytest.fixture
def drawn():
    return _drawn


@pytest.fixture
def as_raw():
    return _as_raw


@pytest.fixture
def with_positives():
    return _with_positives
