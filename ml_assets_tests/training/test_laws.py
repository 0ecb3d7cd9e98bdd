"""Laws of training that every problem obeys, those of other packages too."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from loans import LOANS, draw, learned_from

from ml_assets.evaluation import measure
from ml_assets.features import (
    assign_split,
    build_training_set,
    materialize_partitions,
    training_frame,
)
from ml_assets.features.view import contract_frame
from ml_assets.problem import problems
from ml_assets.registry.frozen import freeze, model_hash
from ml_assets.storage import Commit
from ml_assets.training import train
from ml_assets.validation import hold_to_contract

ROWS = 1_500
LATER = datetime(2100, 1, 1, tzinfo=UTC)

TRAIN = """
import sys
from functools import partial
from loans import LOANS
from ml_assets.evaluation import measure
from ml_assets.features import load_training_set
from ml_assets.registry.frozen import freeze, model_hash
from ml_assets.storage import Home
from ml_assets.training import train

home = Home.open(sys.argv[1], environment={})
found = train(LOANS, home, load_training_set(LOANS, home),
              measure=partial(measure, LOANS.config.metrics))
print(found.fingerprint, model_hash(freeze(found.winner.pipeline)))
"""


@pytest.fixture(params=problems(), ids=lambda problem: problem.name)
def problem(request):
    return request.param


@pytest.fixture
def valid(problem):
    """Sampled rows that hold the contract."""
    sample = problem.sample(ROWS, np.random.default_rng(0))
    columns = {n: pa.array(sample[n], pa.string(), from_pandas=True) for n in problem.fields}
    return hold_to_contract(problem, pa.table(columns)).valid


@pytest.fixture
def training_set(problem, home, valid):
    moments = contract_frame(problem, valid)[problem.event_time]
    keys = np.array([problem.partition_of(moment) for moment in moments])
    commit = Commit(run_id="gate", code_hash="gate", fingerprint="gate")
    for key in sorted(set(keys)):
        part = valid.filter(pa.array(keys == key))
        home.lake.write(f"{problem.name}/validated", key, part, commit=commit)
    list(materialize_partitions(problem, home, sorted(set(keys)), run_id="r"))
    return build_training_set(problem, home, now=LATER, run_id="r")


def test_the_same_training_gives_the_same_model(problem, home, training_set):
    measured = partial(measure, [problem.config.kpi.metric])

    one, again = (train(problem, home, training_set, measure=measured) for _ in range(2))

    assert freeze(one.winner.pipeline) == freeze(again.winner.pipeline)
    assert one.winner.pipeline.named_steps.keys() == {"encode", "model"}


def test_no_entity_is_on_both_sides_of_the_split(problem, home, training_set):
    frame = training_frame(problem, home, training_set, columns=[])

    assert frame.groupby(problem.entity_id)["split"].nunique().max() == 1


def test_the_stored_split_is_that_of_the_rule(problem, home, training_set, valid):
    frame = training_frame(problem, home, training_set, columns=[])
    compared = contract_frame(problem, valid).set_index(problem.entity_id)
    frame = frame.join(
        compared[compared.columns.difference(frame.columns)], on=problem.entity_id
    )

    assert assign_split(problem, frame).tolist() == frame["split"].tolist()


@pytest.mark.slow
def test_every_process_makes_the_same_model(home, rng):
    learned_from(LOANS, home, draw(800, rng, months=2))

    answers = {_trained_in_a_process(home, seed=seed) for seed in ("1", "2")}
    here = train(
        LOANS,
        home,
        build_training_set(LOANS, home, now=LATER, run_id="r"),
        measure=partial(measure, LOANS.config.metrics),
    )

    assert answers == {f"{here.fingerprint} {model_hash(freeze(here.winner.pipeline))}"}


def _trained_in_a_process(home, *, seed):
    """Fingerprint and hash of a model made where texts hash differently."""
    examples = str(Path(__file__).parent.parent / "examples")
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(home.path)],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": examples},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
