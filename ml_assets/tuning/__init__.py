"""Searching for hyperparameters, among the values that `tuning` in `config.yaml` allows.

`space` turns that section into values that Optuna draws, `studies` remembers what was tried,
`objective` is how good one trial is, `work` runs trials in processes, `chosen` lets the best one
make the model. Trials see train and validation rows only; test rows are never read here.

Which values to try next, and which trial to give up, is for Optuna's samplers and pruners. Trials
are kept in tables of our own: each is drawn from its number, the seed and the trials some places
before it, so that the same study gives the same trials in one process or in many, killed or not.
"""

from ml_assets.tuning.chosen import with_chosen
from ml_assets.tuning.studies import (
    Study,
    Trial,
    best_trial,
    present_study,
    studies,
    trial_named,
    trials_of,
)
from ml_assets.tuning.work import Limits, tune

__all__ = [
    "Limits",
    "Study",
    "Trial",
    "best_trial",
    "present_study",
    "studies",
    "trial_named",
    "trials_of",
    "tune",
    "with_chosen",
]
