"""What was asked and what came of it, in the store; both are never changed.

An experiment is declared once and may be run several times: a run that failed stays, and so does
the result of other code. Numbers are given one after the other, whoever declares at the same time.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ml_assets.errors import ExperimentError
from ml_assets.evaluation.comparison import Difference, plain
from ml_assets.experiments.arms import Arm, Axis
from ml_assets.experiments.verdicts import Expectation, Verdict
from ml_assets.problem import Problem
from ml_assets.registry.manifest import Axes
from ml_assets.registry.measuring import from_json
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

experiments_table = append_only(
    sa.Table(
        "experiments",
        metadata,
        sa.Column("problem", sa.String(200), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("hypothesis", sa.String, nullable=False),
        sa.Column("expected", sa.String, nullable=False),
        sa.Column("by", sa.Float, nullable=False),
        sa.Column("axes", sa.JSON, nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("follows", sa.Integer, nullable=True),
        sa.Column("held_out", sa.String, nullable=False),
        sa.Column("seeds", sa.Integer, nullable=False),
        sa.Column("control", sa.JSON, nullable=False),
        sa.Column("variant", sa.JSON, nullable=False),
    )
)

runs_table = append_only(
    sa.Table(
        "experiment_runs",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=True),
        sa.Column("verdict", sa.String, nullable=True),
        sa.Column("difference", sa.JSON, nullable=True),
        sa.Column("metrics", sa.JSON, nullable=True),
        sa.Column("versions", sa.JSON, nullable=True),
        sa.Column("seconds", sa.JSON, nullable=False),
        sa.Column("reused", sa.JSON, nullable=False),
        sa.Column("error", sa.String, nullable=True),
        sa.Index("experiment_runs_of", "problem", "number", "id"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A hypothesis, and what is done to see whether it holds; it has no number yet.

    Attributes:
        owner: Who declared it.
        created_at: When.
        hypothesis: In words.
        expectation: What the hypothesis says of the KPI.
        axes: On which the two sides differ.
        changes: As they were asked for.
        follows: Number of the experiment whose verdict led to this one.
        held_out: Training set whose test rows both sides answer.
        seeds: How often both sides are fitted, each time with the next seed.
        control: What there is.
        variant: What is tried.
    """

    owner: str
    created_at: dt.datetime
    hypothesis: str
    expectation: Expectation
    axes: tuple[Axis, ...]
    changes: tuple[str, ...]
    follows: int | None
    held_out: str
    seeds: int
    control: Arm
    variant: Arm


@dataclass(frozen=True, kw_only=True)
class Experiment(Declared):
    """The same as one of a problem's experiments.

    Attributes:
        problem: Name of the problem.
        number: Its place among the problem's experiments, from 1.
    """

    problem: str
    number: int

    @property
    def id(self) -> str:
        """As people name it, such as `complaints-7`."""
        return f"{self.problem}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class ExperimentRun:
    """What came of running an experiment once.

    Attributes:
        at: When.
        who: Ran it.
        state: Whether it came to an end.
        fingerprint: Of everything that both sides were made from.
        verdict: On the hypothesis; None when it failed.
        difference: The variant minus the control, in the KPI.
        metrics: Side to metric to value; NaN where undefined.
        versions: Side to its three axes of versions.
        seconds: Side and stage to how long it took.
        reused: Stages that an earlier run had made.
        error: Why it failed.
        unchanged: Read from the store: an earlier run had made the same.
    """

    at: dt.datetime
    who: str
    state: Literal["done", "failed"]
    fingerprint: str | None
    verdict: Verdict | None
    difference: Difference | None
    metrics: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, Axes]
    seconds: Mapping[str, float]
    reused: tuple[str, ...]
    error: str | None = None
    unchanged: bool = False

    def sentence(self, of: Experiment) -> str:
        """The verdict, as a person would say it."""
        measured = self.difference
        if self.verdict is None or measured is None:
            return f"{of.id} failed. {self.error}"
        return (
            f"{self.verdict.capitalize()}: {measured.metric} {plain(measured.challenger)} against "
            f"{plain(measured.incumbent)} ({measured}), expected {of.expectation}."
        )


def remember(problem: Problem, home: Home, declared: Declared) -> Experiment:
    """Give an experiment its number, and write it down."""
    _prepare(home)
    table = experiments_table
    newest = sa.select(sa.func.max(table.c.number)).where(table.c.problem == problem.name)
    # Write transactions take turns, so nobody gets the same number.
    with home.store.begin() as connection:
        number = (connection.scalar(newest) or 0) + 1
        made = Experiment(problem=problem.name, number=number, **vars(declared))
        connection.execute(sa.insert(table).values(_row(made)))
    return made


def experiments(problem: Problem, home: Home) -> list[Experiment]:
    """Every experiment of a problem, oldest first."""
    _prepare(home)
    table = experiments_table
    mine = sa.select(table).where(table.c.problem == problem.name).order_by(table.c.number)
    with home.store.connect() as connection:
        return [_experiment(row) for row in connection.execute(mine).mappings()]


def experiment_named(problem: Problem, home: Home, name: str) -> Experiment:
    """The experiment with the id `complaints-7`, or the number `7`.

    Raises:
        ExperimentError: If there is none; the message lists the newest ones.
    """
    known = experiments(problem, home)
    for each in known:
        if name in (each.id, str(each.number)):
            return each
    newest = ", ".join(each.id for each in known[-5:]) or "none"
    raise ExperimentError(
        f"{problem.name} has no experiment {name!r}. The newest: {newest}. "
        "Declare one by `ml-assets experiment new`."
    )


def record_run(home: Home, experiment: Experiment, run: ExperimentRun) -> None:
    """Write down what came of a run."""
    row = {
        "problem": experiment.problem,
        "number": experiment.number,
        "at": run.at,
        "who": run.who,
        "state": run.state,
        "fingerprint": run.fingerprint,
        "verdict": run.verdict,
        "difference": run.difference and _as_json(run.difference._asdict()),
        "metrics": {side: _as_json(values) for side, values in run.metrics.items()},
        "versions": {side: axes._asdict() for side, axes in run.versions.items()},
        "seconds": dict(run.seconds),
        "reused": list(run.reused),
        "error": run.error,
    }
    _prepare(home)
    with home.store.begin() as connection:
        connection.execute(sa.insert(runs_table).values(row))


def runs_of(home: Home, experiment: Experiment) -> list[ExperimentRun]:
    """Every run of an experiment, oldest first."""
    _prepare(home)
    table = runs_table
    mine = (
        sa.select(table)
        .where(table.c.problem == experiment.problem, table.c.number == experiment.number)
        .order_by(table.c.id)
    )
    with home.store.connect() as connection:
        return [_run(row) for row in connection.execute(mine).mappings()]


def last_run(home: Home, experiment: Experiment) -> ExperimentRun | None:
    """The newest run that came to an end; without one, the newest that failed."""
    runs = runs_of(home, experiment)
    runs = [each for each in runs if each.state == "done"] or runs
    return runs[-1] if runs else None


def count_verdicts(problem: Problem, home: Home, held_out: str) -> int:
    """How many experiments had a verdict on the same held-out rows."""
    _prepare(home)
    table, runs = experiments_table, runs_table
    query = sa.select(sa.func.count(sa.distinct(table.c.number))).where(
        table.c.problem == problem.name,
        table.c.held_out == held_out,
        runs.c.problem == table.c.problem,
        runs.c.number == table.c.number,
        runs.c.state == "done",
    )
    with home.store.connect() as connection:
        return int(connection.scalar(query) or 0)


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as JSON can hold them: None for what is undefined."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _row(made: Experiment) -> dict[str, Any]:
    return {
        "problem": made.problem,
        "number": made.number,
        "owner": made.owner,
        "created_at": made.created_at,
        "hypothesis": made.hypothesis,
        "expected": made.expectation.expected,
        "by": made.expectation.by,
        "axes": list(made.axes),
        "changes": list(made.changes),
        "follows": made.follows,
        "held_out": made.held_out,
        "seeds": made.seeds,
        "control": made.control.model_dump(mode="json"),
        "variant": made.variant.model_dump(mode="json"),
    }


def _experiment(row: sa.RowMapping) -> Experiment:
    values = dict(row)
    expectation = Expectation(values.pop("expected"), values.pop("by"))
    return Experiment(
        **{
            **values,
            "expectation": expectation,
            "axes": tuple(row["axes"]),
            "changes": tuple(row["changes"]),
            "control": Arm.model_validate(row["control"]),
            "variant": Arm.model_validate(row["variant"]),
        }
    )


def _run(row: sa.RowMapping) -> ExperimentRun:
    difference = row["difference"]
    return ExperimentRun(
        at=row["at"],
        who=row["who"],
        state=row["state"],
        fingerprint=row["fingerprint"],
        verdict=row["verdict"],
        difference=Difference(**from_json(difference)) if difference else None,
        metrics={side: from_json(values) for side, values in row["metrics"].items()},
        versions={side: Axes(**values) for side, values in row["versions"].items()},
        seconds=row["seconds"],
        reused=tuple(row["reused"]),
        error=row["error"],
        unchanged=True,
    )


def _prepare(home: Home) -> None:
    home.store.ensure(experiments_table, runs_table)
