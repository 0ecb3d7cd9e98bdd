"""Experiments: a hypothesis in words, one thing changed, a verdict with an interval.

`arms` says what the two sides of an experiment are and on which axes they differ, `changes` makes
the changed side from what a person asks for, `declaring` refuses what would not be an experiment,
`running` fits both sides and measures them on the same held-out rows, `stages` keeps what the
next experiment needs again, `verdicts` judges, `records` remembers all of it for ever. `mirror`
copies it to MLflow. Nothing here registers or releases a model: a supported change is put into
`config.yaml`, and goes the way of every model.
"""

from ml_assets.experiments.arms import AXES, Arm, Axis
from ml_assets.experiments.declaring import Asked, declare
from ml_assets.experiments.records import (
    Experiment,
    ExperimentRun,
    experiment_named,
    experiments,
    last_run,
    runs_of,
)
from ml_assets.experiments.running import run_experiment
from ml_assets.experiments.verdicts import Expectation, Verdict, judge, pooled

__all__ = [
    "AXES",
    "Arm",
    "Asked",
    "Axis",
    "Expectation",
    "Experiment",
    "ExperimentRun",
    "Verdict",
    "declare",
    "experiment_named",
    "experiments",
    "judge",
    "last_run",
    "pooled",
    "run_experiment",
    "runs_of",
]
