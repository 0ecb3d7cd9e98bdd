"""What makes an experiment: one thing changed, everything else fixed, a hypothesis about it."""

import datetime as dt
from typing import NamedTuple

from ml_assets.errors import ExperimentError
from ml_assets.experiments.arms import OWN_FEATURES, Arm, Axis, changed_axes
from ml_assets.experiments.changes import Changes, changed
from ml_assets.experiments.records import (
    Declared,
    Experiment,
    experiment_named,
    last_run,
    remember,
)
from ml_assets.experiments.verdicts import Expectation
from ml_assets.features import load_training_set
from ml_assets.problem import Problem
from ml_assets.registry import champion, versions
from ml_assets.storage import Home


class Asked(NamedTuple):
    """What a person wants to know."""

    hypothesis: str
    changes: Changes
    expectation: Expectation = Expectation("better")
    axes: tuple[Axis, ...] = ()
    """Those that may differ, where it is more than one."""
    follows: str | None = None
    """Id of the experiment whose verdict led to this one."""
    estimator: str | None = None
    """Of the control; default that of the champion."""
    seeds: int = 1
    """How often both sides are fitted; with several, luck in training widens the interval."""


def declare(
    problem: Problem, home: Home, asked: Asked, *, owner: str, now: dt.datetime
) -> Experiment:
    """Write an experiment down, before anything is fitted.

    The control is the problem as it is, with the estimator of its champion. Where the experiment
    follows another one, it is what that one has shown to be right: its variant if the hypothesis
    was supported, otherwise its control. Both sides answer the same held-out rows.

    Raises:
        ExperimentError: If nothing is changed, or more than was said.
        ProblemError: If a value is none that `config.yaml` may have.
        TrainingError: If there is no training set, or an estimator does not know a value.
    """
    if not asked.hypothesis.strip():
        raise ExperimentError("An experiment needs a hypothesis, in words: what, and why.")
    _require_margin(asked.expectation)
    before = asked.follows and experiment_named(problem, home, asked.follows)
    control = _shown_by(home, before) if before else _present(problem, home, asked.estimator)
    variant = changed(problem, control, asked.changes)
    for training_set in {control.training_set, variant.training_set}:
        load_training_set(problem, home, training_set)
    axes = _axes(problem, control, variant, asked)
    return remember(
        problem,
        home,
        Declared(
            owner=owner,
            created_at=now,
            hypothesis=asked.hypothesis.strip(),
            expectation=asked.expectation,
            axes=axes,
            changes=asked.changes.texts,
            follows=before.number if before else None,
            held_out=before.held_out if before else control.training_set,
            seeds=asked.seeds,
            control=control,
            variant=variant,
        ),
    )


def _axes(problem: Problem, control: Arm, variant: Arm, asked: Asked) -> tuple[Axis, ...]:
    """The axes that differ, if they are those that may."""
    declared = problem.config.training.estimators.get(variant.estimator)
    axes = changed_axes(control, variant, declared=declared.hyperparameters if declared else {})
    if not axes:
        raise ExperimentError(
            "Nothing is changed: both sides are the same. Change something by --set, --window, "
            "--training-set, --features or --algorithm."
        )
    if len(axes) > 1 and set(axes) != set(asked.axes):
        raise ExperimentError(
            f"{len(axes)} axes are changed ({', '.join(axes)}), so nobody could say which of them "
            f"made the difference. Change one, or say that you mean it: --axes {','.join(axes)}."
        )
    if asked.axes and set(axes) != set(asked.axes):
        raise ExperimentError(
            f"The change is of {', '.join(axes)}, not of {', '.join(asked.axes)}. Leave out --axes, "
            "or change what you meant."
        )
    return axes


def _present(problem: Problem, home: Home, estimator: str | None) -> Arm:
    """The problem as it is."""
    training = problem.config.training
    name = estimator or _answering(problem, home)
    if name not in training.estimators:
        raise ExperimentError(
            f"training.estimators has no {name!r}; it has: {', '.join(training.estimators)}."
        )
    return Arm(
        training_set=load_training_set(problem, home).id,
        window=None,
        features=OWN_FEATURES,
        encoders=training.encoders,
        estimator=name,
        kind=training.estimators[name].kind,
        hyperparameters=training.estimators[name].hyperparameters,
        local=training.estimators[name].local,
        seed=training.seed,
    )


def _answering(problem: Problem, home: Home) -> str:
    """The estimator of the champion, or of the newest model, or the first that is declared."""
    known = [champion(problem, home), *reversed(versions(problem, home))]
    names = [each.manifest.algorithm.estimator for each in known if each is not None]
    declared = problem.config.training.estimators
    return next((name for name in names if name in declared), next(iter(declared)))


def _shown_by(home: Home, before: Experiment) -> Arm:
    """What an experiment has shown to be right."""
    run = last_run(home, before)
    if run is None or run.verdict is None:
        raise ExperimentError(
            f"{before.id} has no verdict yet that could be followed. Run it first: "
            f"ml-assets experiment run {before.id}"
        )
    return before.variant if run.verdict == "supported" else before.control


def _require_margin(expectation: Expectation) -> None:
    if expectation.by < 0:
        raise ExperimentError(
            f"An effect has a size above 0, got {expectation.by:g}. Use --expect worse."
        )
    if expectation.expected == "same" and not expectation.by:
        raise ExperimentError(
            "That nothing changes can only be shown up to a margin: give it by --by, in units of "
            "the KPI."
        )
