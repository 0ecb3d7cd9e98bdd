"""`ml-assets new`: a CSV file to a problem's folder, and what was guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ml_assets.cli.printing import counted, print_json, print_table, say
from ml_assets.problem.folders import PROBLEMS
from ml_assets.scaffold import (
    Asked,
    Draft,
    draft,
    files_of,
    hold_file,
    require_free,
    write_folder,
)

MOST_BROKEN = 5


class ColumnFacts(NamedTuple):
    """What was guessed of a column."""

    column: str
    role: str
    type: str
    why: str


class KPIFacts(NamedTuple):
    """Which metric chooses the winner."""

    metric: str
    direction: str
    floor: float
    why: str


@dataclass(frozen=True, kw_only=True)
class NewProblem:
    """What came of a file.

    Attributes:
        files: Of the folder, by their paths in it.
        written: False where they were only named.
        rows_valid: Rows of the file that hold the contract; None where nothing was written.
        broken: Rules that the others broke, and how many rows did.
        next: The commands that come next.
    """

    problem: str
    folder: str
    files: tuple[str, ...]
    written: bool
    kind: str
    rows: int
    rows_labelled: int
    mean_label: float
    kpi: KPIFacts
    partitions: str
    columns: tuple[ColumnFacts, ...]
    notes: tuple[str, ...]
    rows_valid: int | None
    broken: dict[str, int]
    next: tuple[str, ...]


def new_problem(asked: Asked, to: Path, *, dry_run: bool) -> NewProblem:
    """Draft a problem from a file, and write its folder unless it is a dry run."""
    from ml_assets.cli.clock import now

    require_free(asked.name, to)
    drafted = draft(asked, today=now().date())
    files, folder = files_of(drafted), to / asked.name
    if dry_run:
        return _facts(drafted, folder, files, None, {}, written=False)
    to.mkdir(parents=True, exist_ok=True)
    write_folder(files, folder)
    held = hold_file(folder, asked.file)
    return _facts(drafted, folder, files, held.valid, dict(held.broken), written=True)


def print_new(found: NewProblem, *, as_json: bool) -> None:
    """Print what was guessed, and what to do next."""
    if as_json:
        print_json(found)
        return
    print_table(
        f"{found.problem}: what was guessed, and why", ColumnFacts._fields, found.columns
    )
    is_binary = found.kind == "binary"
    labels = (
        f"{found.mean_label:.1%} positive" if is_binary else f"mean {found.mean_label:,.6g}"
    )
    say(
        f"kind: {found.kind}, {found.rows_labelled:,} of {found.rows:,} rows labelled, {labels}"
    )
    say(f"KPI: {found.kpi.metric}, since {found.kpi.why}")
    say(f"partitions: {found.partitions}")
    for note in found.notes:
        say(f"NOTE: {note}")
    if found.rows_valid is not None:
        say(_valid_words(found))
    say()
    did = "written" if found.written else "would be written (--dry-run: nothing is)"
    say(f"{found.folder}/ {did}: {', '.join(found.files)}")
    if found.written:
        say("Next:")
        for command in found.next:
            say(f"  {command}")


def _valid_words(found: NewProblem) -> str:
    words = f"{found.rows_valid:,} of {counted(found.rows, 'row', 'rows')} hold the contract"
    worst = sorted(found.broken.items(), key=lambda each: -each[1])[:MOST_BROKEN]
    return words + "".join(f"; {rule}: {rows:,}" for rule, rows in worst)


def _facts(
    drafted: Draft,
    folder: Path,
    files: Sequence[str] | dict[str, str],
    rows_valid: int | None,
    broken: dict[str, int],
    *,
    written: bool,
) -> NewProblem:
    kpi = drafted.kpi
    return NewProblem(
        problem=drafted.asked.name,
        folder=str(folder),
        files=tuple(files),
        written=written,
        kind=drafted.kind,
        rows=drafted.rows,
        rows_labelled=drafted.labelled,
        mean_label=drafted.mean_label,
        kpi=KPIFacts(kpi.metric, kpi.direction, kpi.floor, kpi.why),
        partitions=drafted.cutting.why,
        columns=tuple(
            ColumnFacts(each.name, each.role, each.kind, each.why) for each in drafted.columns
        ),
        notes=drafted.notes,
        rows_valid=rows_valid,
        broken=broken,
        next=tuple(_next(drafted.asked, folder)),
    )


def _next(asked: Asked, folder: Path) -> list[str]:
    is_found = folder.resolve().parent == (Path.cwd() / PROBLEMS).resolve()
    install = [] if is_found else [f"pip install --no-deps -e {folder}"]
    return [
        *install,
        f"ml-assets run {asked.name} --source {asked.file}",
        f"ml-assets analyse {asked.name}",
        f"ml-assets serve {asked.name}",
    ]
