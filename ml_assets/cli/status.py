"""Where everything stands: tables, stale and refused partitions, champion, for every problem."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ml_assets.cli.printing import print_json, print_table, say
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


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a deployment stands."""

    home: str
    problems: tuple[ProblemStatus, ...]


def status(home: Home) -> Status:
    """Read the status of every installed problem."""
    return Status(
        home=str(home.path), problems=tuple(_problem_status(each, home) for each in problems())
    )


def print_status(found: Status, *, as_json: bool) -> None:
    """Print it, for people or for programs."""
    if as_json:
        print_json(found)
        return
    say(f"Home: {found.home}")
    for each in found.problems:
        _print_problem(each)


def _problem_status(problem: Problem, home: Home) -> ProblemStatus:
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
        say(f"Champion: {each.champion_number} ({each.champion}), of {each.models:,} versions.")
    else:
        say("Champion: nobody answers yet.")
    print_notes("Refused by the gate", each.refused)
    print_notes("Refused files", each.refused_files)
    print_notes("Waiting for a run", each.waiting)
    if not each.sources:
        say(f"No source yet: ml-assets run {each.problem} --source FILE_OR_FOLDER")


def print_notes(title: str, notes: tuple[Note, ...]) -> None:
    """Print what a person should know; nothing where there is nothing."""
    if notes:
        print_table(title, ["", "why"], notes)
