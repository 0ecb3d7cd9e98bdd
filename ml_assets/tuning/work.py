"""Running the trials of a study: in this process, or in several, each with a place of its own.

A worker holds the lock of its place for as long as it lives, however it dies. So whoever looks
knows which trials nobody works on any more, and begins them again with the values that they have.
"""

import datetime as dt
import multiprocessing as mp
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from ml_assets.errors import MLAssetsError, Pruned, TrainingError, WriteConflict
from ml_assets.features import TrainingSet
from ml_assets.problem import Problem
from ml_assets.problem.config import Tuning
from ml_assets.progress import note, track
from ml_assets.storage import Home
from ml_assets.storage.home import Address
from ml_assets.storage.turns import if_free
from ml_assets.training import Measure
from ml_assets.tuning.draws import Judge, values_of
from ml_assets.tuning.objective import Objective
from ml_assets.tuning.space import require_known, searched
from ml_assets.tuning.studies import (
    Study,
    Trial,
    claim,
    finish,
    present_study,
    take_over,
    trials_of,
)

PLACES = 256
MOST_RUNS = 3
"""A trial that killed its worker so often, by the memory that it takes, is given up."""

LOOK_SECONDS = 0.1

Clock = Callable[[], dt.datetime]


class Limits(NamedTuple):
    """How long one call searches."""

    trials: int
    """How many the study has in the end."""
    processes: int = 1
    until: dt.datetime | None = None
    """No trial begins later."""

    @classmethod
    def of(
        cls,
        tuning: Tuning,
        *,
        now: dt.datetime,
        trials: int | None = None,
        processes: int | None = None,
        timeout_minutes: float | None = None,
    ) -> "Limits":
        """Those of `config.yaml`, where nothing else is asked for."""
        minutes = timeout_minutes or tuning.timeout_minutes
        return cls(
            trials=trials or tuning.trials,
            processes=processes or tuning.processes,
            until=now + dt.timedelta(minutes=minutes) if minutes else None,
        )


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a worker is given; it may be in another process."""

    problem: Problem
    address: Address
    training_set: TrainingSet
    measure: Measure
    study: Study
    limits: Limits
    clock: Clock
    parent: int
    """Process that started it; when that is gone, so is whoever wants more trials."""


def tune(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    *,
    measure: Measure,
    limits: Limits,
    clock: Clock,
    tell: Callable[[Trial], None] = lambda _: None,
) -> Study:
    """Run trials until the study has as many as it should; those that it has are not run again.

    Args:
        problem: Its section `tuning` says what is searched.
        home: Where the rows are, and the trials go.
        training_set: Which rows; those of its test split are never read.
        measure: Computes the metrics; has to go to another process.
        limits: How many trials, and in how many processes.
        clock: Says what time it is.
        tell: Is told of every trial that is over, as it is.

    Raises:
        TrainingError: If there is no space to search, or a worker cannot go on.
    """
    problem = _with_space(problem)
    study = present_study(problem, home, training_set, now=clock())
    work = _Work(
        problem=replace(problem),  # without what it has computed, which does not travel
        address=home.address,
        training_set=training_set,
        measure=measure,
        study=study,
        limits=limits,
        clock=clock,
        parent=os.getpid(),
    )
    left = limits.trials - len([t for t in trials_of(home, study.name) if t.state != "running"])
    if left <= 0:
        return study
    done = _worked(work) if limits.processes == 1 else _worked_elsewhere(work, home)
    for trial in track(done, "trials", total=left):
        tell(trial)
    return study


def _with_space(problem: Problem) -> Problem:
    """The problem with the space that is searched: of estimators that may make the model."""
    if not problem.config.tuning.space:
        raise TrainingError(
            f"{problem.name}: config.yaml says nothing of what may be tuned. Add, for example, "
            "tuning: {space: {logistic: {hyperparameters: {C: {low: 0.01, high: 10, log: true}}}}}."
        )
    require_known(problem.config.training, problem.config.tuning.space)
    space, others = searched(problem)
    if not space:
        reasons = "; ".join(f"{name} {why}" for name, why in others.items())
        raise TrainingError(f"{problem.name}: nothing is left to tune: {reasons}.")
    for name, why in others.items():
        note(f"{name} {why}")
    tuning = problem.config.tuning.model_copy(update={"space": space})
    return replace(problem, config=problem.config.model_copy(update={"tuning": tuning}))


def _worked_elsewhere(work: _Work, home: Home) -> Iterator[Trial]:
    """Start the processes, and give each trial that is over."""
    context = mp.get_context("spawn")
    started: list[BaseProcess] = [
        context.Process(target=_work, args=[work], daemon=True)
        for _ in range(work.limits.processes)
    ]
    known = {each.number for each in trials_of(home, work.study.name) if _is_over(each)}
    for process in started:
        process.start()
    try:
        while True:
            is_last = not any(process.is_alive() for process in started)
            for trial in trials_of(home, work.study.name):
                if _is_over(trial) and trial.number not in known:
                    known.add(trial.number)
                    yield trial
            if is_last:
                break
            time.sleep(LOOK_SECONDS)
    finally:
        for process in started:
            process.terminate()
            process.join()
    if failed := [process.exitcode for process in started if process.exitcode]:
        raise TrainingError(
            f"{len(failed)} of {len(started)} workers ended with code {failed[0]}; what they said "
            "is above. Trials that are over are kept: run it again to go on."
        )


def _work(work: _Work) -> None:
    """Be a worker process."""
    with suppress(KeyboardInterrupt):
        for _ in _worked(work):
            pass


def _worked(work: _Work) -> Iterator[Trial]:
    """Take a place, and run trials until there are enough."""
    home = work.address.open()
    with ExitStack() as held:
        place = _place(work.study, home, held)
        own = home.path / "tuning" / work.study.name / f"worker-{place}"
        held.callback(shutil.rmtree, own, ignore_errors=True)
        objective = Objective(
            work.problem, home, work.training_set, measure=work.measure, folder=own
        )
        while (found := _next(work, home, place)) is not None:
            if found == "wait":
                time.sleep(LOOK_SECONDS)
                continue
            yield _run(work, home, objective, *found)


def _run(
    work: _Work, home: Home, objective: Objective, trial: Trial, history: Sequence[Trial]
) -> Trial:
    """Measure one trial, and write down what came of it."""
    folder = home.path / "tuning" / work.study.name / str(trial.number)
    judge = Judge(work.problem, trial, history)
    started = time.perf_counter()
    try:
        over = replace(trial, state="done", kpi=objective.kpi(trial, judge, folder=folder))
    except Pruned as why:
        over = replace(trial, state="pruned", error=str(why))
    except (MLAssetsError, ValueError, ArithmeticError, MemoryError) as error:
        over = replace(trial, state="failed", error=f"{type(error).__name__}: {error}")
    over = replace(over, steps=judge.steps, seconds=time.perf_counter() - started)
    finish(home, over)
    shutil.rmtree(folder, ignore_errors=True)
    return over


Found = tuple[Trial, list[Trial]]


def _next(work: _Work, home: Home, place: int) -> Found | str | None:
    """A trial to run, with those that it knows of; "wait", or None when there is no more."""
    trials = trials_of(home, work.study.name)
    running = [each for each in trials if each.state == "running"]
    for each in running:
        if (again := _abandoned(work, home, each, place)) is not None:
            return again, _history(work, trials, again.number)
    if len(trials) >= work.limits.trials or _is_too_late(work):
        return "wait" if running else None
    number = len(trials)
    history = _history(work, trials, number)
    if not all(_is_over(each) for each in history):
        return "wait"
    trial = Trial(
        study=work.study.name,
        number=number,
        state="running",
        worker=place,
        runs=1,
        choice=values_of(work.problem, number, history),
        steps={},
        kpi=None,
        seconds=None,
        began_at=work.clock(),
        error=None,
    )
    return (trial, history) if claim(home, trial) else "wait"


def _history(work: _Work, trials: Sequence[Trial], number: int) -> list[Trial]:
    """The trials that are some places before; those between may still be running."""
    apart = work.problem.config.tuning.processes
    return [each for each in trials if each.number <= number - apart]


def _abandoned(work: _Work, home: Home, trial: Trial, place: int) -> Trial | None:
    """The trial as ours, if nobody works on it any more."""
    if trial.worker != place and not _is_empty(work.study, home, trial.worker):
        return None
    if trial.runs >= MOST_RUNS:
        why = f"Its worker was killed {trial.runs} times, perhaps for the memory it takes."
        finish(home, replace(trial, state="failed", error=why))
        return None
    return take_over(home, trial, worker=place, now=work.clock())


def _place(study: Study, home: Home, held: ExitStack) -> int:
    """Take the first place that is free, for as long as `held` is open."""
    for place in range(PLACES):
        if held.enter_context(if_free(home, _lock(study, place))):
            return place
    raise WriteConflict(f"{study.name} has {PLACES} workers already. Wait for them.")


def _is_empty(study: Study, home: Home, place: int) -> bool:
    with if_free(home, _lock(study, place)) as is_held:
        return is_held


def _lock(study: Study, place: int) -> str:
    return f"tune-{study.name}-{place}"


def _is_over(trial: Trial) -> bool:
    return trial.state != "running"


def _is_too_late(work: _Work) -> bool:
    is_orphan = os.getpid() != work.parent and os.getppid() != work.parent
    until = work.limits.until
    return is_orphan or (until is not None and work.clock() >= until)
