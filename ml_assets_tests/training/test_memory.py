"""Training sets that do not fit into memory are fitted in batches."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from loans import LOANS, draw, learned_from, with_config

from ml_assets.errors import TrainingError
from ml_assets.evaluation import measure
from ml_assets.features import training_frame
from ml_assets.registry.frozen import freeze
from ml_assets.training import train
from ml_assets.training.rows import estimated_mb

ESTIMATORS = {
    "logistic": {"kind": "logistic"},
    "sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 3, "average": True}},
}
LARGE_MEMORY = with_config(LOANS, training={"estimators": ESTIMATORS})
SMALL_MEMORY = with_config(LARGE_MEMORY, training={"memory_limit_mb": 64, "batch_rows": 1000})

LEARN = """
import re
import sys
from functools import partial
from loans import LOANS, with_config
from ml_assets.evaluation import measure
from ml_assets.features import load_training_set
from ml_assets.storage import Home
from ml_assets.training import train

problem = with_config(LOANS, training={"memory_limit_mb": 64, "batch_rows": 1000})
home = Home.open(sys.argv[1], environment={})


def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])


before = peak()
found = train(problem, home, load_training_set(problem, home),
              measure=partial(measure, problem.config.metrics))
assert found.on_disk
print((peak() - before) / 1024)
"""


@pytest.fixture
def large(rng):
    """Rows that would take more than 64 MB to fit."""
    return draw(4_000, rng, months=2, words=300)


@pytest.fixture
def measured():
    return partial(measure, LOANS.config.metrics)


class TestOnDisk:
    def test_is_used_when_the_rows_would_not_fit(self, home, large, measured):
        training_set = learned_from(SMALL_MEMORY, home, large)

        on_disk = train(SMALL_MEMORY, home, training_set, measure=measured)
        in_memory = train(LARGE_MEMORY, home, training_set, measure=measured)

        assert estimated_mb(LOANS, home, training_set) > 64
        assert (on_disk.on_disk, in_memory.on_disk) == (True, False)

    def test_names_the_estimators_that_cannot_take_part(self, home, large, measured):
        found = train(
            SMALL_MEMORY, home, learned_from(SMALL_MEMORY, home, large), measure=measured
        )

        assert [each.name for each in found.competitors] == ["sgd"]
        assert found.skipped == {
            "logistic": "learns from all rows at once, which take more than 64 MB"
        }

    def test_says_what_to_do_when_none_can(self, home, large, measured):
        lonely = with_config(
            SMALL_MEMORY, training={"estimators": {"it": {"kind": "logistic"}}}
        )

        with pytest.raises(
            TrainingError, match=r"Raise training.memory_limit_mb, or add an est"
        ):
            train(lonely, home, learned_from(lonely, home, large), measure=measured)

    def test_learns_as_well_as_in_memory(self, home, large, measured):
        training_set = learned_from(SMALL_MEMORY, home, large)

        on_disk, in_memory = (
            train(problem, home, training_set, measure=measured)
            for problem in (SMALL_MEMORY, LARGE_MEMORY)
        )

        kpi = {each.name: each.kpi for each in in_memory.competitors}
        assert on_disk.competitors[0].kpi == pytest.approx(kpi["sgd"], abs=0.03)
        assert len(on_disk.competitors[0].curve) == 3

    def test_gives_the_same_model_again_and_leaves_nothing_behind(self, home, large, measured):
        training_set = learned_from(SMALL_MEMORY, home, large)

        one, again = (
            train(SMALL_MEMORY, home, training_set, measure=measured) for _ in range(2)
        )

        assert freeze(one.winner.pipeline) == freeze(again.winner.pipeline)
        assert not list((home.path / "checkpoints").rglob("*.npz"))

    def test_balances_classes_too(self, home, large, measured):
        rows = pd.concat([large, large.assign(loan_id="again " + large["loan_id"])])
        skewed = rows[rows["repaid"].to_numpy(bool) | (np.arange(len(rows)) % 4 == 0)]
        fewer = with_config(SMALL_MEMORY, training={"imbalance": "undersample"})
        training_set = learned_from(fewer, home, skewed)

        found = train(fewer, home, training_set, measure=measured)

        model = found.winner.pipeline.named_steps["model"]
        fitted = training_frame(fewer, home, training_set, splits=["train", "validation"])
        assert model.t_ == 1 + 3 * (fitted["weight"] > 0).sum()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_ten_times_the_rows_do_not_need_ten_times_the_memory(tmp_path):
    peaks = {rows: _peak_mb(tmp_path / str(rows), rows) for rows in (4_000, 40_000)}

    assert peaks[40_000] < 2 * peaks[4_000]


def _peak_mb(path, rows):
    """Memory that training took on top of what its process had before, in MB."""
    from ml_assets.storage import Home

    path.mkdir()
    problem = with_config(LOANS, training={"memory_limit_mb": 64, "batch_rows": 1000})
    parts = [
        draw(
            2_000,
            np.random.default_rng(part),
            start=f"{2001 + part}-01-01",
            months=1,
            words=400,
        )
        for part in range(rows // 2_000)
    ]
    learned_from(problem, Home.open(path, environment={}), pd.concat(parts, ignore_index=True))
    examples = str(Path(__file__).parent.parent / "examples")
    done = subprocess.run(
        [sys.executable, "-c", LEARN, str(path)],
        env={**os.environ, "PYTHONPATH": examples},
        check=False,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return float(done.stdout)
