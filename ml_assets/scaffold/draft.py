"""A problem, drafted from a CSV file: what was guessed, and why.

Everything that is written follows from a `Draft`; what cannot be guessed is refused with what to do.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml_assets.errors import ProblemError
from ml_assets.ingestion.mapping.names import nearest
from ml_assets.ingestion.reading import snake_case
from ml_assets.scaffold.columns import Looked, Spelling, Times, look_at
from ml_assets.scaffold.cutting import Cutting, cutting_of
from ml_assets.scaffold.metric import Suggestion, is_skewed, suggested
from ml_assets.scaffold.readings import missing_texts
from ml_assets.scaffold.roles import Labels, Placed, roles_of
from ml_assets.scaffold.sheet import Sheet, read_sheet
from ml_assets.scaffold.target import Asked, labels_of

FEW_VALUES = 12
"""Different numbers of a target, up to which they may be classes."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything that was guessed.

    Attributes:
        yes: Texts of all columns that mean yes; `no` likewise.
        is_log: Whether a regression is fitted on the logarithm of its labels.
        labelled: Rows that have a label.
        mean_label: Share of the positive class, or the mean.
        notes: What a person must know or decide.
    """

    asked: Asked
    rows: int
    kind: Literal["binary", "regression"]
    columns: tuple[Placed, ...]
    spelling: Spelling
    yes: tuple[str, ...]
    no: tuple[str, ...]
    positive: str
    kpi: Suggestion
    is_log: bool
    cutting: Cutting
    labelled: int
    mean_label: float
    notes: tuple[str, ...]

    def having(self, *roles: str) -> list[Placed]:
        """The columns that have one of some roles."""
        return [placed for placed in self.columns if placed.role in roles]

    @property
    def event_time(self) -> Placed:
        """The column that says when."""
        return self.having("time")[0]

    @property
    def target(self) -> Placed:
        """The column that is predicted."""
        return self.having("target")[0]


def draft(asked: Asked, *, today: dt.date) -> Draft:
    """Guess a problem from a file.

    Raises:
        SourceError: If the file cannot be read.
        ProblemError: If a column that is named is not there, or the target cannot be predicted.
        InsufficientData: If there are too few rows, labels, or rows of a class.
    """
    sheet = read_sheet(asked.file)
    target = _named(sheet, asked.target, "--target")
    time = _named(sheet, asked.time, "--time") if asked.time else None
    texts = {name: column.texts for name, column in sheet.columns.items()}
    missing = missing_texts(texts, target=target)
    looked = look_at(
        sheet, missing=missing, target=target, time=time, date_style=asked.date_style
    )
    _require_times(looked, time)
    labels, looked = labels_of(sheet, looked, asked, target)
    columns = roles_of(sheet, looked, labels, time=time)
    known = labels.values[~np.isnan(labels.values)]
    yes, no = _words(looked)
    cutting = cutting_of(sheet, looked, labels, columns, undated=min(sheet.written_on, today))
    return Draft(
        asked=asked,
        rows=sheet.rows,
        kind="binary" if labels.is_binary else "regression",
        columns=columns,
        spelling=looked.spelling,
        yes=yes,
        no=no,
        positive=" or ".join(looked.columns[target].yes),
        kpi=suggested(known, is_binary=labels.is_binary),
        is_log=not labels.is_binary and bool(known.min() > 0) and is_skewed(known),
        cutting=cutting,
        labelled=len(known),
        mean_label=float(known.mean()),
        notes=tuple(_notes(sheet, looked, columns, labels, today=today)),
    )


def _named(sheet: Sheet, given: str, option: str) -> str:
    """The column that somebody names, as the contract or as the file spells it."""
    for name, column in sheet.columns.items():
        if given in (name, column.heading) or snake_case(given) in (
            name,
            snake_case(column.heading),
        ):
            return name
    near = nearest(given, [column.heading for column in sheet.columns.values()])
    hint = f" Did you mean {near!r}?" if near else ""
    seen = ", ".join(repr(column.heading) for column in sheet.columns.values())
    raise ProblemError(
        f"{option} {given!r} is no column of {sheet.file}.{hint} It has: {seen}."
    )


def _require_times(looked: Looked, time: str | None) -> None:
    column = looked.columns.get(time or "")
    if column is not None and not isinstance(column.seen, Times):
        raise ProblemError(
            f"--time {column.heading!r} has no times that can be read. Known are ISO 8601 and the usual "
            'ways to write a day; say how it is written, such as --dates "%d/%m/%Y", or leave --time '
            "out: then all rows are one partition."
        )


def _words(looked: Looked) -> tuple[tuple[str, ...], tuple[str, ...]]:
    yes = {text for column in looked.columns.values() for text in column.yes}
    no = {text for column in looked.columns.values() for text in column.no}
    return tuple(sorted(yes)), tuple(sorted(no))


def _notes(
    sheet: Sheet,
    looked: Looked,
    columns: tuple[Placed, ...],
    labels: Labels,
    *,
    today: dt.date,
) -> list[str]:
    """What a person must know or decide."""
    notes = []
    if not sheet.is_whole:
        notes.append(f"Only the first {sheet.rows:,} rows were looked at.")
    for placed in columns:
        seen = placed.column.seen if placed.column else None
        if isinstance(seen, Times) and seen.doubt and placed.role in ("time", "input"):
            notes.append(
                f"{placed.name}: whether the day or the month comes first cannot be decided; "
                f'{seen.format} was taken. If that is wrong: --dates "FORMAT".'
            )
        if isinstance(seen, Times) and placed.role == "time" and seen.last.date() > today:
            notes.append(
                f"{placed.name}: the last time is {seen.last:%Y-%m-%d}, which is to come; such "
                "rows are refused."
            )
        if placed.role == "time" and placed.column and placed.column.missing:
            notes.append(
                f"{placed.name} is missing in {placed.column.missing:,} rows, which cannot be placed."
            )
    if not any(placed.role == "input" for placed in columns):
        raise ProblemError(
            f"{sheet.file} has no column left that could be a feature: "
            + "; ".join(f"{placed.name} {placed.why}" for placed in columns if placed.column)
            + ". Bring more columns."
        )
    _note_numbers(looked, labels, notes)
    return notes


def _note_numbers(looked: Looked, labels: Labels, notes: list[str]) -> None:
    column = looked.columns[labels.column]
    if not labels.is_binary and column.distinct <= FEW_VALUES:
        notes.append(
            f"{column.name} has {column.distinct} different numbers and is predicted as a value. If they "
            "are classes, ask for one of them: --positive VALUE."
        )
