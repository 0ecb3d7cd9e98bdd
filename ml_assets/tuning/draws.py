"""What to try next, and what to give up: Optuna's sampler and pruner, asked without a memory.

Each trial is drawn by a sampler that is seeded with the trial's number and is told of the trials
some places before it, and of no other. So it does not matter which process draws it, or when.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml_assets.errors import Pruned
from ml_assets.problem import Problem
from ml_assets.problem.config import Tuning
from ml_assets.tuning.space import (
    ESTIMATOR,
    Values,
    as_optuna_has_them,
    declared_values,
    drawn,
)
from ml_assets.tuning.studies import Trial

if TYPE_CHECKING:
    import optuna


def values_of(problem: Problem, number: int, history: Sequence[Trial]) -> Values:
    """The values of the trial `number`.

    Args:
        problem: Its section `tuning` says what may be chosen.
        number: Of the trial; the first ones have the values of `config.yaml`.
        history: The trials that it is told of.
    """
    import optuna

    tuning = problem.config.tuning
    declared = declared_values(problem.config.training, tuning.space)
    if number < len(declared):
        return declared[number]
    seed = int(np.random.SeedSequence([tuning.seed, number]).generate_state(1)[0])
    study = _study(problem, sampler=optuna.samplers.TPESampler(seed=seed))
    study.add_trials(_told(history, tuning))
    return drawn(study.ask(), tuning.space)


class Judge:
    """Whether a trial is worth going on with, by those of the same estimator before it."""

    def __init__(self, problem: Problem, trial: Trial, history: Sequence[Trial]) -> None:
        import optuna

        tuning = problem.config.tuning
        is_median = tuning.pruner == "median"
        pruner = optuna.pruners.MedianPruner() if is_median else optuna.pruners.NopPruner()
        study = _study(problem, pruner=pruner)
        alike = [each for each in history if each.choice[ESTIMATOR] == trial.choice[ESTIMATOR]]
        study.add_trials(_told(alike, tuning))
        self._draw = study.ask()
        self.steps: dict[int, float] = {}

    def hear(self, step: int, kpi: float) -> None:
        """Be told how good the trial is after a step.

        Raises:
            Pruned: If it is not worth going on.
        """
        self.steps[step] = kpi
        self._draw.report(kpi, step)
        if self._draw.should_prune():
            raise Pruned(
                f"Given up after step {step}: {kpi:.4g} is poorer than half of the others."
            )


def _study(
    problem: Problem,
    *,
    sampler: "optuna.samplers.BaseSampler | None" = None,
    pruner: "optuna.pruners.BasePruner | None" = None,
) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    higher = problem.config.kpi.direction == "higher"
    return optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=sampler or optuna.samplers.RandomSampler(seed=0),
        pruner=pruner,
    )


def _told(trials: Sequence[Trial], tuning: Tuning) -> "list[optuna.trial.FrozenTrial]":
    """Trials that are over, as Optuna has them; those with values outside the space are not told."""
    import optuna

    states: Mapping[str, optuna.trial.TrialState] = {
        "done": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
    }
    told = []
    for trial in trials:
        params = as_optuna_has_them(trial.choice, tuning.space)
        if params is None:
            continue
        known = optuna.trial.FixedTrial(params)
        drawn(known, tuning.space)
        told.append(
            optuna.trial.create_trial(
                state=states.get(trial.state, optuna.trial.TrialState.FAIL),
                value=trial.kpi,
                params=params,
                distributions=known.distributions,
                intermediate_values=dict(trial.steps),
            )
        )
    return told
