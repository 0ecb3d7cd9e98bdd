"""Feature functions that experiments try, and experiments of several people at once."""

import sys
from pathlib import Path

import numpy as np
from loans import LOANS, features, with_config

from ml_assets.cli.clock import now
from ml_assets.experiments import Asked, Expectation, declare, experiment_named, run_experiment
from ml_assets.experiments.changes import Changes
from ml_assets.storage import Home

WITHOUT_STORY = with_config(
    LOANS,
    training={
        "encoders": {"purpose": {"kind": "one_hot"}, "amount_to_income": {"kind": "scale"}},
        "estimators": {
            "logistic": {"kind": "logistic", "hyperparameters": {"C": 1.0}},
            "sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 5, "average": True}},
        },
    },
)
STORY = "training.encoders.story={kind: tfidf, options: {min_df: 2}}"
C = "training.estimators.logistic.hyperparameters.C"


def with_noise(loans):
    """Features with a column that says nothing."""
    return features(loans).assign(noise=_draws(loans, seed=0))


def broken(loans):
    """A function with a mistake in it."""
    return features(loans)[["purpose", "no such column"]]


def _draws(loans, seed):
    """A number for each loan by its id, so that its neighbours do not matter."""
    return [
        np.random.default_rng([seed, *map(ord, each)]).normal() for each in loans["loan_id"]
    ]


def _noise(seed):
    def with_a_noise(loans):
        return features(loans).assign(noise=_draws(loans, seed))

    return with_a_noise


for number in range(40):
    setattr(sys.modules[__name__], f"noise_{number}", _noise(number))


def declared(problem, home, *sets, hypothesis="It helps.", owner="ada", **how):
    """Declare an experiment; what belongs to the changes goes there."""
    given = {name: how.pop(name) for name in Changes._fields if name in how}
    expectation = Expectation(how.pop("expect", "better"), how.pop("by", 0.0))
    asked = Asked(hypothesis, Changes(set=sets, **given), expectation, **how)
    return declare(problem, home, asked, owner=owner, now=now())


def run(problem, home, experiment, who="ada"):
    return run_experiment(problem, home, experiment, who=who, clock=now)


if __name__ == "__main__":
    _, place, owner = sys.argv
    opened = Home.open(Path(place), environment={})
    for value in (0.5, 2.0, 0.5):
        mine = declared(WITHOUT_STORY, opened, f"{C}={value}", owner=owner, hypothesis=owner)
        run(WITHOUT_STORY, opened, mine, who=owner)
    run(WITHOUT_STORY, opened, experiment_named(WITHOUT_STORY, opened, "1"), who=owner)
