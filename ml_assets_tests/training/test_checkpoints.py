"""A training that is killed goes on where it was, and nobody can tell afterwards."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from loans import LOANS, draw, learned_from, with_config
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import BernoulliNB

from ml_assets.evaluation import measure
from ml_assets.registry.frozen import freeze, model_hash
from ml_assets.training import train
from ml_assets.training.epochs import (
    Checkpoint,
    EpochMetric,
    Patience,
    Progress,
    fit_in_epochs,
)
from ml_assets.training.estimators import SGDValues
from ml_assets.training.matrices import Batch, InMemory

SLOW_TO_FIT = with_config(
    LOANS,
    training={
        "estimators": {
            "sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 40, "average": True}}
        }
    },
)

TRAIN = """
import sys
from functools import partial
from ml_assets.training import epochs
from test_checkpoints import SLOW_TO_FIT
from ml_assets.evaluation import measure
from ml_assets.features import load_training_set
from ml_assets.storage import Home
from ml_assets.training import train

epochs.WORTH_KEEPING_SECONDS = 0.0
home = Home.open(sys.argv[1], environment={})
measured = partial(measure, SLOW_TO_FIT.config.metrics)
train(SLOW_TO_FIT, home, load_training_set(SLOW_TO_FIT, home), measure=measured)
"""


@pytest.fixture(autouse=True)
def keep_every_epoch(monkeypatch):
    monkeypatch.setattr("ml_assets.training.epochs.WORTH_KEEPING_SECONDS", 0.0)


class KilledError(RuntimeError):
    """Stands for the power going off."""


@pytest.fixture
def batches(rng):
    X = sp.random(600, 50, density=0.2, random_state=1, format="csr")
    y = (rng.random(600) < 0.5).astype(float)
    return InMemory(Batch(X, y, np.ones(600)))


def fit(model, batches, *, checkpoint=None, die_after=None, epochs=12):
    def watch(_, epoch):
        if epoch == die_after:
            raise KilledError
        return EpochMetric(epoch, 0.1 * epoch, 0.2, 0.3, 0.4)

    return fit_in_epochs(
        model, batches, epochs=epochs, seed=3, watch=watch, checkpoint=checkpoint
    )


MODELS = {
    "sgd": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "averaged": lambda: SGDClassifier(loss="log_loss", average=True, random_state=0),
    "adaptive": lambda: SGDClassifier(
        loss="log_loss", learning_rate="adaptive", eta0=0.1, random_state=0
    ),
    "values": lambda: SGDValues(average=10, random_state=0),
    "naive_bayes": BernoulliNB,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("die_after", [1, 7, 12])
def test_a_fit_that_was_cut_short_ends_as_if_it_was_not(
    make, every, die_after, batches, tmp_path
):
    checkpoint = Checkpoint(folder=tmp_path / "fit", every=every)
    whole = fit(make(), batches)

    with pytest.raises(KilledError):
        fit(make(), batches, checkpoint=checkpoint, die_after=die_after)
    resumed = fit(make(), batches, checkpoint=checkpoint)

    assert freeze(resumed.model) == freeze(whole.model)
    assert resumed.curve == whole.curve
    assert resumed.epochs == 12


def test_an_epoch_that_is_sooner_done_again_is_not_kept(batches, tmp_path, monkeypatch):
    monkeypatch.setattr("ml_assets.training.epochs.WORTH_KEEPING_SECONDS", 60.0)
    checkpoint = Checkpoint(folder=tmp_path, every=1)

    fit(MODELS["sgd"](), batches, checkpoint=checkpoint)

    assert checkpoint.load() is None


def test_a_finished_fit_is_not_fitted_again(batches, tmp_path):
    checkpoint = Checkpoint(folder=tmp_path, every=5)
    whole = fit(MODELS["sgd"](), batches, checkpoint=checkpoint)

    again = fit(MODELS["sgd"](), batches, checkpoint=checkpoint, die_after=1)

    assert freeze(again.model) == freeze(whole.model)


def test_a_checkpoint_that_a_power_failure_cut_short_is_not_used(batches, tmp_path):
    checkpoint = Checkpoint(folder=tmp_path, every=1)
    fit(MODELS["sgd"](), batches, checkpoint=checkpoint, epochs=2)
    state = tmp_path / "state.skops"
    state.write_bytes(state.read_bytes()[:-100])

    assert checkpoint.load() is None
    assert fit(MODELS["sgd"](), batches, checkpoint=checkpoint).epochs == 12


def test_a_checkpoint_is_whole_or_the_one_before(batches, tmp_path):
    checkpoint = Checkpoint(folder=tmp_path, every=1)
    progress = fit(MODELS["sgd"](), batches, checkpoint=checkpoint, epochs=2)

    class HalfWritten:
        def __getstate__(self):
            raise KilledError

    with pytest.raises(KilledError):
        checkpoint.save(Progress(HalfWritten(), 3, ()))

    assert freeze(checkpoint.load().model) == freeze(progress.model)


def losing(*losses):
    """A watch that says these training losses, epoch after epoch."""
    return lambda _, epoch: EpochMetric(epoch, losses[epoch - 1], 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ((0.9, 0.8, 0.7, 0.6, 0.5, 0.4), 6),
        ((0.9, 0.8, 0.795, 0.79, 0.1, 0.1), 4),
        ((0.9, 0.895, 0.8, 0.795, 0.79, 0.1), 5),
    ],
)
def test_epochs_end_when_the_loss_no_longer_falls(losses, epochs, batches):
    patience = Patience(tol=0.01, epochs=2)

    done = fit_in_epochs(
        MODELS["sgd"](), batches, epochs=6, seed=3, watch=losing(*losses), patience=patience
    )

    assert done.epochs == len(done.curve) == epochs


def test_a_fit_that_lost_its_patience_is_not_gone_on_with(batches, tmp_path):
    checkpoint = Checkpoint(folder=tmp_path, every=100)
    arguments = {"epochs": 6, "seed": 3, "patience": Patience(tol=0.01, epochs=2)}
    done, again = (
        fit_in_epochs(
            MODELS["sgd"](),
            batches,
            watch=losing(*[0.5] * 6),
            checkpoint=checkpoint,
            **arguments,
        )
        for _ in range(2)
    )

    assert (done.epochs, again.epochs) == (3, 3)
    assert freeze(again.model) == freeze(done.model)


def test_patience_is_that_of_scikit_learn(batches):
    X, y, *_ = batches.load(0)
    hyperparameters = {"loss": "log_loss", "tol": 1e-3, "n_iter_no_change": 3}

    theirs = SGDClassifier(**hyperparameters, random_state=0).fit(X, y)

    assert Patience.of(theirs) == Patience(1e-3, 3)
    assert Patience.of(theirs.set_params(tol=None)) is None
    assert Patience.of(BernoulliNB()) is None


def test_the_winner_is_fitted_for_as_many_epochs_as_were_worth_it(home, rng):
    sgd = {"kind": "sgd", "hyperparameters": {"max_iter": 40, "tol": 0.1}}
    problem = with_config(LOANS, training={"estimators": {"sgd": sgd}})
    training_set = learned_from(problem, home, draw(600, rng, months=2))
    measured = partial(measure, problem.config.metrics)

    winner = train(problem, home, training_set, measure=measured).winner

    epochs = len(winner.curve)
    batches = winner.pipeline.named_steps["model"].t_ - 1
    assert epochs < 40
    assert batches == epochs * sum(training_set.rows[name] for name in ("train", "validation"))


def test_epochs_see_the_rows_in_different_orders(batches):
    one = fit(MODELS["sgd"](), batches, epochs=1).model
    two = SGDClassifier(loss="log_loss", random_state=0)
    for _ in range(2):
        fit_in_epochs(two, batches, epochs=1, seed=3)

    assert freeze(fit(MODELS["sgd"](), batches, epochs=2).model) != freeze(two)
    assert one.random_state == 0


def test_a_killed_process_is_resumed_to_the_same_model(home, rng):
    training_set = learned_from(SLOW_TO_FIT, home, draw(3_000, rng, months=2, words=40))
    measured = partial(measure, SLOW_TO_FIT.config.metrics)
    uninterrupted = train(SLOW_TO_FIT, home, training_set, measure=measured)
    folder = home.path / "checkpoints" / "loans" / uninterrupted.fingerprint
    assert not folder.exists()

    victim = _start(home)
    _wait_for(folder / "sgd_train" / "state.skops", victim)
    victim.kill()
    victim.wait()
    began = Checkpoint(folder=folder / "sgd_train", every=1).load()
    resumed = train(SLOW_TO_FIT, home, training_set, measure=measured)

    assert 1 <= began.epochs < 40
    assert model_hash(freeze(resumed.winner.pipeline)) == model_hash(
        freeze(uninterrupted.winner.pipeline)
    )
    assert resumed.competitors[0].curve == uninterrupted.competitors[0].curve
    assert not folder.exists()


def _start(home):
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent / "examples")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(home.path)], env=environment)


def _wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists():
        if process.poll() is not None:
            pytest.fail(
                f"The training ended before it could be killed: {process.stderr.read()}"
            )
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail("The training wrote no checkpoint within two minutes")
        time.sleep(0.001)
