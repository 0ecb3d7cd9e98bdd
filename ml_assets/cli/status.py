"""Where everything stands: tables, stale and refused partitions, champion, for every problem."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ml_assets.cli.printing import counted, print_json, print_table, say
from ml_assets.problem import Problem, problems
from ml_assets.storage import Home, PartitionState


class TableStatus(NamedTuple):
    """One table of the lake."""

    table: str
    partitions: int
    rows: int
    bytes: int
    newest: str
    written_at: dt.datetime


class Note(NamedTuple):
    """Something about a partition or a file that a person should know."""

    name: str
    why: str


class FeedbackStatus(NamedTuple):
    """What came back, and what it was worth."""

    batches: int
    labels: int
    labels_per_week: float
    unsealed_predictions: int
    next_ripe_at: dt.datetime | None
    """When the oldest of them will have passed its label delay."""
    cycles: int
    """Models that were compared with the champion of their time."""
    gain_per_cycle: float | None
    """Of the KPI; above 0 is better."""
    last_decision: str
    """About a retraining."""


@dataclass(frozen=True, kw_only=True)
class ProblemStatus:
    """Where one problem stands.

    Attributes:
        problem: Its name.
        sources: Files and folders that its rows come from.
        tables: Of the lake.
        waiting: Partitions that are not what sources and code would make of them.
        refused: Partitions that the gate keeps out.
        refused_files: Files that cannot be read.
        models: How many versions there are.
        champion: The version that answers.
        champion_number: Its semantic version.
        forced: Who released it against the judgement, when and why; None where nobody did.
        feedback: What came of its answers; None before it answered anything.
    """

    problem: str
    sources: tuple[str, ...]
    tables: tuple[TableStatus, ...]
    waiting: tuple[Note, ...]
    refused: tuple[Note, ...]
    refused_files: tuple[Note, ...]
    models: int
    champion: str | None
    champion_number: str | None
    forced: str | None
    feedback: FeedbackStatus | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a deployment stands."""

    home: str
    problems: tuple[ProblemStatus, ...]


def status(home: Home, *, now: dt.datetime) -> Status:
    """Read the status of every installed problem."""
    return Status(
        home=str(home.path),
        problems=tuple(_problem_status(each, home, now) for each in problems()),
    )


def print_status(found: Status, *, as_json: bool) -> None:
    """Print it, for people or for programs."""
    if as_json:
        print_json(found)
        return
    say(f"Home: {found.home}")
    for each in found.problems:
        _print_problem(each)


def _problem_status(problem: Problem, home: Home, now: dt.datetime) -> ProblemStatus:
    from ml_assets.defs.waiting import waiting
    from ml_assets.ingestion import sources
    from ml_assets.registry import champion, versions
    from ml_assets.validation import admissions

    todo, answering = waiting(problem, home), champion(problem, home)
    verdicts = admissions(problem, home).values()
    return ProblemStatus(
        problem=problem.name,
        sources=tuple(str(path) for path in sources(problem, home)),
        tables=tuple(_tables(problem, home)),
        waiting=tuple(Note(name, todo.reasons[name]) for name in todo.partitions),
        refused=tuple(
            Note(each.partition, " ".join(each.reasons))
            for each in verdicts
            if not each.admitted
        ),
        refused_files=tuple(Note(each.file, each.reason) for each in todo.refused),
        models=len(versions(problem, home)),
        champion=answering.version if answering else None,
        champion_number=answering.number if answering else None,
        forced=_forced(problem, home),
        feedback=_feedback(problem, home, now),
    )


def _forced(problem: Problem, home: Home) -> str | None:
    """How the champion was released, if a person did so against the judgement."""
    from ml_assets.registry import releases

    log = releases(problem, home)
    if not log or log[-1].kind != "forced":
        return None
    return f"by {log[-1].who} at {log[-1].at:%Y-%m-%d %H:%M}: {log[-1].why}"


def _feedback(problem: Problem, home: Home, now: dt.datetime) -> FeedbackStatus | None:
    from ml_assets.feedback import decisions, flywheel, sealed_batches, unsealed

    batches, outside = sealed_batches(problem, home), unsealed(problem, home, now=now)
    if not batches and not outside.predictions:
        return None
    wheel, decided = flywheel(problem, home), decisions(problem, home, limit=1)
    return FeedbackStatus(
        batches=len(batches),
        labels=sum(each.counts.labels for each in batches),
        labels_per_week=wheel.labels_per_week,
        unsealed_predictions=outside.predictions,
        next_ripe_at=outside.next_ripe_at,
        cycles=len(wheel.cycles),
        gain_per_cycle=wheel.gain_per_cycle,
        last_decision=decided[0].reason if decided else "none yet",
    )


def _tables(problem: Problem, home: Home) -> Iterator[TableStatus]:
    for table in home.lake.tables():
        states = home.lake.partitions(table)
        if table.startswith(f"{problem.name}/") and states:
            yield _table(table, states)


def _table(table: str, states: dict[str, PartitionState]) -> TableStatus:
    return TableStatus(
        table=table,
        partitions=len(states),
        rows=sum(state.rows for state in states.values()),
        bytes=sum(state.bytes for state in states.values()),
        newest=max(states),
        written_at=max(state.written_at for state in states.values()),
    )


def _print_problem(each: ProblemStatus) -> None:
    say()
    print_table(each.problem, TableStatus._fields, each.tables, empty="no tables yet")
    if each.champion:
        say(
            f"Champion: {each.champion_number} ({each.champion}), of {counted(each.models, 'version', 'versions')}."
        )
        if each.forced:
            say(f"FORCED against the judgement, {each.forced}")
    else:
        say("Champion: nobody answers yet.")
    if each.feedback:
        _print_feedback(each.feedback)
    print_notes("Refused by the gate", each.refused)
    print_notes("Refused files", each.refused_files)
    print_notes("Waiting for a run", each.waiting)
    if not each.sources:
        say(f"No source yet: ml-assets run {each.problem} --source FILE_OR_FOLDER")


def _print_feedback(found: FeedbackStatus) -> None:
    """How the wheel turns, in a few sentences."""
    gain = (
        "" if found.gain_per_cycle is None else f", {found.gain_per_cycle:+.4f} each on average"
    )
    say(
        f"Feedback: {counted(found.labels, 'label', 'labels')} in "
        f"{counted(found.batches, 'batch', 'batches')}, {found.labels_per_week:,.0f} a week; "
        f"{counted(found.cycles, 'model', 'models')} compared with the champion{gain}. "
        f"In no batch yet: {counted(found.unsealed_predictions, 'answer', 'answers')}."
    )
    say(f"Last decision about a retraining: {found.last_decision}")


def print_notes(title: str, notes: tuple[Note, ...]) -> None:
    """Print what a person should know; nothing where there is nothing."""
    if notes:
        print_table(title, ["", "why"], notes)
