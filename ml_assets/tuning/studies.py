"""What was tried: studies and their trials, in the store.

A study is everything that makes its trials comparable: the rows, the code, the space, the KPI, the
seed. When one of these changes, another study begins; the old one stays. A trial is claimed by a
worker before it runs, and a worker that died leaves its trial to the next one.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from ml_assets.errors import TrainingError
from ml_assets.features import TrainingSet
from ml_assets.fingerprint import fingerprint, library_versions
from ml_assets.problem import Problem
from ml_assets.storage import Home, UTCDateTime, metadata
from ml_assets.training import training_fingerprint

State = Literal["running", "done", "pruned", "failed"]

HASH_DIGITS = 8
NOT_OF_A_STUDY = {"trials", "timeout_minutes"}
"""Of the section `tuning`: how long is searched says nothing about what is found."""

studies_table = sa.Table(
    "tuning_studies",
    metadata,
    sa.Column("study", sa.String(250), primary_key=True),
    sa.Column("problem", sa.String(200), nullable=False, index=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("training_set", sa.String(64), nullable=False),
    sa.Column("kpi", sa.String(100), nullable=False),
    sa.Column("higher_is_better", sa.Boolean, nullable=False),
)

trials_table = sa.Table(
    "tuning_trials",
    metadata,
    sa.Column("study", sa.String(250), sa.ForeignKey("tuning_studies.study"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("worker", sa.Integer, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("choice", sa.JSON, nullable=False),
    sa.Column("steps", sa.JSON, nullable=False),
    sa.Column("kpi", sa.Float, nullable=True),
    sa.Column("seconds", sa.Float, nullable=True),
    sa.Column("began_at", UTCDateTime, nullable=False),
    sa.Column("error", sa.String, nullable=True),
)


class Study(NamedTuple):
    """Trials that can be compared with each other."""

    name: str
    problem: str
    created_at: dt.datetime
    training_set: str
    kpi: str
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One choice of values, and what came of it.

    Attributes:
        study: Name of its study.
        number: Its place in it, from 0.
        state: Where it is.
        worker: Place of the process that runs it, or ran it.
        runs: How often it was begun; more than once when its worker was killed.
        choice: What was chosen.
        steps: The KPI after each fold or epoch.
        kpi: On the validation rows; None unless it is done.
        seconds: That the last run took.
        began_at: When the last run began.
        error: Why it failed, or was pruned.
    """

    study: str
    number: int
    state: State
    worker: int
    runs: int
    choice: Mapping[str, Any]
    steps: Mapping[int, float]
    kpi: float | None
    seconds: float | None
    began_at: dt.datetime
    error: str | None

    @property
    def name(self) -> str:
        """As `training.hyperparameters` may name it."""
        return f"{self.study}#{self.number}"


def present_study(
    problem: Problem, home: Home, training_set: TrainingSet, *, now: dt.datetime
) -> Study:
    """The study of the present rows, code and space; begun if it is not yet."""
    config = problem.config
    name = f"{problem.name}-{_identity(problem, training_set)[:HASH_DIGITS]}"
    study = Study(
        name=name,
        problem=problem.name,
        created_at=now,
        training_set=training_set.id,
        kpi=config.kpi.metric,
        higher_is_better=config.kpi.direction == "higher",
    )
    _prepare(home)
    with home.store.begin() as connection:
        mine = sa.select(studies_table).where(studies_table.c.study == name)
        known = connection.execute(mine).one_or_none()
        if known is not None:
            return Study(*known)
        row = {"study": name, **study._asdict()}
        del row["name"]
        connection.execute(sa.insert(studies_table).values(row))
    return study


def studies(problem: Problem, home: Home) -> list[Study]:
    """Every study of a problem, oldest first."""
    _prepare(home)
    mine = sa.select(studies_table).where(studies_table.c.problem == problem.name)
    with home.store.connect() as connection:
        found = connection.execute(mine.order_by(studies_table.c.created_at, "study"))
        return [Study(*row) for row in found]


def trials_of(home: Home, study: str) -> list[Trial]:
    """The trials of a study, by number."""
    _prepare(home)
    mine = sa.select(trials_table).where(trials_table.c.study == study)
    with home.store.connect() as connection:
        found = connection.execute(mine.order_by(trials_table.c.number)).mappings()
        return [_trial(row) for row in found]


def best_trial(study: Study, trials: list[Trial]) -> Trial | None:
    """The best of a study's trials that are done; of equals, the first."""
    sign = 1 if study.higher_is_better else -1
    done = [(sign * each.kpi, -each.number, each) for each in trials if each.kpi is not None]
    return max(done)[2] if done else None


def trial_named(problem: Problem, home: Home, name: str) -> Trial:
    """The trial called `STUDY#NUMBER`.

    Raises:
        TrainingError: If there is none that is done.
    """
    study, _, number = name.rpartition("#")
    found = [each for each in trials_of(home, study) if str(each.number) == number]
    if not found or found[0].kpi is None or not study.startswith(f"{problem.name}-"):
        known = ", ".join(each.name for each in studies(problem, home)) or "none"
        raise TrainingError(
            f"{problem.name} has no trial {name!r} that is done; its studies: {known}. "
            f"See `ml-assets tune {problem.name} --list`."
        )
    return found[0]


def claim(home: Home, trial: Trial) -> bool:
    """Begin a trial that nobody has; says whether it is ours."""
    row = {**_row(trial), "steps": {}}
    try:
        with home.store.begin() as connection:
            connection.execute(sa.insert(trials_table).values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def take_over(home: Home, trial: Trial, *, worker: int, now: dt.datetime) -> Trial | None:
    """Begin a trial again whose worker died; None when somebody else did so first."""
    again = replace(trial, worker=worker, runs=trial.runs + 1, began_at=now, steps={})
    with home.store.begin() as connection:
        taken = connection.execute(
            _one(trial)
            .where(trials_table.c.runs == trial.runs, trials_table.c.state == "running")
            .values(worker=worker, runs=again.runs, began_at=now)
        )
    return again if taken.rowcount else None


def finish(home: Home, trial: Trial) -> None:
    """Write down what came of a trial."""
    changed = {
        name: _row(trial)[name] for name in ("state", "steps", "kpi", "seconds", "error")
    }
    with home.store.begin() as connection:
        connection.execute(_one(trial).where(trials_table.c.runs == trial.runs).values(changed))


def _one(trial: Trial) -> sa.Update:
    table = trials_table
    return sa.update(table).where(table.c.study == trial.study, table.c.number == trial.number)


def _identity(problem: Problem, training_set: TrainingSet) -> str:
    """Everything that decides what a trial of some values gives, and which values are drawn."""
    config = problem.config
    declared = config.training.model_copy(update={"hyperparameters": "declared"})
    plain = replace(problem, config=config.model_copy(update={"training": declared}))
    return fingerprint(
        made_from=training_fingerprint(plain, training_set),
        tuning=config.tuning.model_dump(exclude=NOT_OF_A_STUDY),
        optuna=library_versions("optuna"),
        order=[list(config.tuning.space)],
    )


def _row(trial: Trial) -> dict[str, Any]:
    return {each.name: getattr(trial, each.name) for each in trials_table.columns}


def _trial(row: sa.RowMapping) -> Trial:
    steps = {int(step): value for step, value in row["steps"].items()}
    return Trial(**{**row, "steps": steps})


def _prepare(home: Home) -> None:
    home.store.ensure(studies_table, trials_table)
