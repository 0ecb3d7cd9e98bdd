"""The loans problem with a space to tune, and a program that tunes it and may be killed."""

import sys
import time
from functools import partial

from loans import LOANS, with_config

from ml_assets.cli.clock import now
from ml_assets.evaluation import measure
from ml_assets.features import load_training_set
from ml_assets.storage import Home
from ml_assets.tuning import Limits, tune

SPACE = {
    "logistic": {
        "hyperparameters": {"C": {"low": 0.01, "high": 10.0, "log": True}},
        "encoders": {"story": {"min_df": {"choices": [1, 2, 5]}}},
    },
    "sgd": {
        "hyperparameters": {
            "alpha": {"low": 1e-5, "high": 1e-1, "log": True},
            "max_iter": {"low": 2, "high": 8},
        }
    },
}

TUNED = with_config(LOANS, tuning={"space": SPACE, "processes": 3})


def measured_slowly(names, y, prediction):
    """The metrics, so slowly that a trial can be killed half-way."""
    time.sleep(0.01)
    return measure(names, y, prediction)


def search(problem, home, training_set, *, trials, processes=1, slowly=False, **how):
    """Run trials of a study until there are `trials`."""
    metrics = partial(measured_slowly if slowly else measure, problem.config.metrics)
    limits = Limits(trials=trials, processes=processes, until=how.pop("until", None))
    return tune(problem, home, training_set, measure=metrics, limits=limits, clock=now, **how)


if __name__ == "__main__":
    from tuned import TUNED as BY_NAME  # a class of __main__ could not travel

    opened = Home.open(sys.argv[1], environment={})
    rows = load_training_set(BY_NAME, opened)
    search(BY_NAME, opened, rows, trials=int(sys.argv[2]), processes=2, slowly=True)
