"""Running an experiment: both sides on the same held-out rows, and the verdict."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from ml_assets.errors import ExperimentError
from ml_assets.evaluation import Difference, compare, measure
from ml_assets.experiments.records import (
    Experiment,
    ExperimentRun,
    last_run,
    record_run,
)
from ml_assets.experiments.stages import Answered, Side
from ml_assets.experiments.verdicts import judge, pooled
from ml_assets.fingerprint import fingerprint
from ml_assets.problem import Problem
from ml_assets.progress import track
from ml_assets.registry.measuring import metric_names, metrics_code
from ml_assets.storage import Home

SIDES = ("control", "variant")


def run_experiment(
    problem: Problem,
    home: Home,
    experiment: Experiment,
    *,
    who: str,
    clock: Callable[[], dt.datetime],
) -> ExperimentRun:
    """Fit both sides, measure them, judge; everything is recorded, a failure as well.

    Args:
        problem: Whose.
        home: Where the rows are.
        experiment: What to run.
        who: Runs it.
        clock: Says what time it is.

    Returns:
        The run; an earlier one where both sides would be made from the same.

    Raises:
        Exception: Whatever a side failed with; it is recorded as the reason.
    """
    started = perf_counter()
    try:
        run = _run(problem, home, experiment, who=who, now=clock())
    except Exception as error:
        failed = ExperimentRun(
            at=clock(),
            who=who,
            state="failed",
            fingerprint=None,
            verdict=None,
            difference=None,
            metrics={},
            versions={},
            seconds={"all": perf_counter() - started},
            reused=(),
            error=f"{type(error).__name__}: {error}",
        )
        record_run(home, experiment, failed)
        raise
    if not run.unchanged:
        record_run(home, experiment, run)
    return run


def _run(
    problem: Problem, home: Home, experiment: Experiment, *, who: str, now: dt.datetime
) -> ExperimentRun:
    started = perf_counter()
    answered = [
        _answered(problem, home, experiment, place)
        for place in track(range(experiment.seeds), experiment.id)
    ]
    made_from = fingerprint(
        sides=[[pair[name].fingerprint for name in SIDES] for pair in answered],
        metrics=metrics_code(problem),
    )
    known = last_run(home, experiment)
    if known is not None and known.fingerprint == made_from:
        return known
    difference = pooled([_compared(problem, pair) for pair in answered])
    return ExperimentRun(
        at=now,
        who=who,
        state="done",
        fingerprint=made_from,
        verdict=judge(experiment.expectation, difference),
        difference=difference,
        metrics={name: _measured(problem, [pair[name] for pair in answered]) for name in SIDES},
        versions={name: answered[0][name].versions for name in SIDES},
        seconds={**_seconds(answered), "all": perf_counter() - started},
        reused=tuple(
            dict.fromkeys(
                f"{name} {stage}"
                for pair in answered
                for name in SIDES
                for stage in pair[name].reused
            )
        ),
    )


def _answered(
    problem: Problem, home: Home, experiment: Experiment, place: int
) -> dict[str, Answered]:
    """What both sides answer when they are fitted with the seed at `place`."""
    arms = dict(zip(SIDES, (experiment.control, experiment.variant), strict=True))
    return {
        name: Side(
            problem,
            home,
            arm.model_copy(update={"seed": arm.seed + place}),
            experiment.held_out,
        ).answered()
        for name, arm in arms.items()
    }


def _compared(problem: Problem, pair: Mapping[str, Answered]) -> Difference:
    control, variant = (pair[name] for name in SIDES)
    if not np.array_equal(control.y, variant.y):
        raise ExperimentError(
            "Both sides need the same held-out rows, and the labels differ. Declare it anew."
        )
    promotion = problem.config.promotion
    return compare(
        problem.config.kpi.metric,
        control.y,
        variant.prediction,
        control.prediction,
        resamples=promotion.resamples,
        confidence=promotion.confidence,
        seed=problem.config.training.seed,
    )


def _measured(problem: Problem, repeated: Sequence[Answered]) -> dict[str, float]:
    """Every metric of one side, the mean over the seeds."""
    names = metric_names(problem)
    found = [measure(names, each.y, each.prediction) for each in repeated]
    return {name: float(np.mean([each[name] for each in found])) for name in names}


def _seconds(answered: Sequence[Mapping[str, Answered]]) -> dict[str, float]:
    """Side and stage to how long it took, over all seeds."""
    found: dict[str, float] = {}
    for pair in answered:
        for name, one in pair.items():
            for stage, seconds in one.seconds.items():
                place = f"{name} {stage}"
                found[place] = found.get(place, 0.0) + seconds
    return found
