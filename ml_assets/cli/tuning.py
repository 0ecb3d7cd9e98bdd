"""`ml-assets tune`: a search for hyperparameters, and what was tried so far."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_assets.cli.bars import shown_progress
from ml_assets.cli.clock import now
from ml_assets.cli.printing import cell, print_json, print_table, say
from ml_assets.errors import TrainingError
from ml_assets.problem import problem_named
from ml_assets.progress import note
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.tuning import Study, Trial

SHOWN = 15


class Asked(NamedTuple):
    """What was asked for; None is what `config.yaml` says."""

    trials: int | None = None
    processes: int | None = None
    timeout_minutes: float | None = None


class TrialFacts(NamedTuple):
    """One trial."""

    trial: str
    state: str
    estimator: str
    values: Mapping[str, object]
    """By name, without the estimator's."""
    kpi: float | None
    steps: Mapping[int, float]
    seconds: float | None
    began_at: dt.datetime
    runs: int
    error: str | None


class StudyFacts(NamedTuple):
    """A study, its trials best first."""

    study: str
    kpi: str
    training_set: str
    created_at: dt.datetime
    best: TrialFacts | None
    declared: Mapping[str, float | None]
    """Estimator to the KPI of the values in `config.yaml`, which are its first trials."""
    trials: tuple[TrialFacts, ...]


def run_tuning(problem_name: str, home: Home, asked: Asked, *, quiet: bool) -> StudyFacts:
    """Run the trials that are missing.

    Raises:
        TrainingError: If no trial of the study is done.
    """
    from ml_assets.features import load_training_set
    from ml_assets.registry.retraining import measure_of
    from ml_assets.tuning import Limits, tune

    problem = problem_named(problem_name)
    limits = Limits.of(problem.config.tuning, now=now(), **asked._asdict())
    training_set = load_training_set(problem, home)
    sign = 1 if problem.config.kpi.direction == "higher" else -1
    with shown_progress(wanted=not quiet):
        study = tune(
            problem,
            home,
            training_set,
            measure=measure_of(problem),
            limits=limits,
            clock=now,
            tell=_best_so_far(problem.config.kpi.metric, sign),
        )
    facts = _facts(home, study)
    if facts.best is None:
        why = next(
            (each.error for each in facts.trials if each.error), "none was begun in time"
        )
        raise TrainingError(f"No trial of {study.name} is done: {why}")
    return facts


def study_facts(problem_name: str, home: Home) -> list[StudyFacts]:
    """Every study of a problem, newest first."""
    from ml_assets.tuning import studies

    found = studies(problem_named(problem_name), home)
    return [_facts(home, study) for study in reversed(found)]


def print_tuned(facts: StudyFacts, *, as_json: bool) -> None:
    """Print a study that was searched, its best trials first."""
    if as_json:
        print_json(facts)
        return
    _print_trials(f"Study {facts.study}: {_counts(facts)}", facts, facts.trials[:SHOWN])
    best = facts.best
    if best is None:
        return
    before = ", ".join(f"{name} {cell(kpi)}" for name, kpi in facts.declared.items())
    say(f"Best: {best.trial}, {facts.kpi} {cell(best.kpi)} (config.yaml as it is: {before}).")
    say("training.hyperparameters: tuned lets it make the model;")
    say(f"training.hyperparameters: {best.trial} stays with this one.")


def print_studies(problem_name: str, found: Sequence[StudyFacts], *, as_json: bool) -> None:
    """Print studies, newest first, and the best trials of all."""
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.study,
            each.created_at,
            each.training_set[:8],
            _counts(each),
            each.best and each.best.trial.rpartition("#")[2],
            each.best and each.best.kpi,
        )
        for each in found
    ]
    columns = ["study", "begun", "training set", "trials", "best", "of it"]
    print_table(f"Studies of {problem_name}", columns, rows, empty="none yet")
    for each in found:
        _print_trials(each.study, each, each.trials[:SHOWN])


def _print_trials(title: str, facts: StudyFacts, trials: Sequence[TrialFacts]) -> None:
    rows = [
        (
            each.trial.rpartition("#")[2],
            each.estimator,
            each.kpi,
            each.state,
            each.seconds,
            each.error or _written(each.values),
        )
        for each in trials
    ]
    columns = ["trial", "estimator", facts.kpi, "state", "seconds", "values"]
    print_table(title, columns, rows, empty="no trial yet")


def _best_so_far(kpi: str, sign: int) -> "Callable[[Trial], None]":
    """Tells of each trial that is better than those before, and of each that failed."""
    best = float("-inf")

    def tell(trial: "Trial") -> None:
        nonlocal best
        if trial.state == "failed":
            note(f"trial {trial.number} failed: {trial.error}")
        if trial.kpi is not None and sign * trial.kpi > best:
            best = sign * trial.kpi
            note(f"best so far: trial {trial.number}, {kpi} {trial.kpi:.4f}: {_shown(trial)}")

    return tell


def _shown(trial: "Trial") -> str:
    fact = _trial(trial)
    return f"{fact.estimator} {_written(fact.values)}"


def _written(values: Mapping[str, object]) -> str:
    return " ".join(
        f"{name}={'none' if value is None else cell(value)}" for name, value in values.items()
    )


def _counts(facts: StudyFacts) -> str:
    """Such as `37 done, 3 pruned`."""
    states = [each.state for each in facts.trials]
    some = [
        f"{states.count(state)} {state}"
        for state in ("done", "pruned", "failed", "running")
        if state in states
    ]
    return ", ".join(some) or "none"


def _facts(home: Home, study: "Study") -> StudyFacts:
    from ml_assets.tuning import best_trial, trials_of

    found = trials_of(home, study.name)
    best = best_trial(study, found)
    sign = -1 if study.higher_is_better else 1
    ranked = sorted(found, key=lambda t: (t.kpi is None, sign * (t.kpi or 0.0), t.number))
    estimators: dict[str, float | None] = {}
    for each in found:
        estimators.setdefault(str(each.choice["estimator"]), each.kpi)
    return StudyFacts(
        study=study.name,
        kpi=study.kpi,
        training_set=study.training_set,
        created_at=study.created_at,
        best=None if best is None else _trial(best),
        declared=estimators,
        trials=tuple(_trial(each) for each in ranked),
    )


def _trial(trial: "Trial") -> TrialFacts:
    estimator = str(trial.choice["estimator"])
    prefixes = f"{estimator}.hyperparameters.", f"{estimator}.encoders."
    return TrialFacts(
        trial=trial.name,
        state=trial.state,
        estimator=estimator,
        values={
            name.removeprefix(prefixes[0]).removeprefix(prefixes[1]): value
            for name, value in trial.choice.items()
            if name != "estimator"
        },
        kpi=trial.kpi,
        steps=trial.steps,
        seconds=trial.seconds,
        began_at=trial.began_at,
        runs=trial.runs,
        error=trial.error,
    )
