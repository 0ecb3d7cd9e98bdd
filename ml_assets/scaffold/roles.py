"""Which part does each column play: id, time, target, input, or kept away from the model, and why?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml_assets.governance.attributes import kind_named_by
from ml_assets.problem import Role
from ml_assets.scaffold.columns import Column, Kind, Looked, Numbers, Times, days_of, numbers_of
from ml_assets.scaffold.leakage import ALMOST_PERFECT, named_after, power
from ml_assets.scaffold.people import PLACES, is_personal
from ml_assets.scaffold.sheet import Sheet

BEFORE, AFTER = "asked", "known"
"""The two moments of a drafted problem: a prediction is asked for, the label is known."""
Moment = Literal["asked", "known"]
ID_NAMES = re.compile(r"(^|_)(id|key|uuid|guid|number|nr|no|ref|reference|code)$|^id_")
MOSTLY_OWN = 0.5
"""Share of the rows that have a text of their own, from which on it says nothing of other rows."""
MOSTLY_LATER = 0.5


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A column of the contract, and its part in the problem.

    Attributes:
        column: What was seen; None where the platform makes the values.
        why: In words, for a person to agree or not.
        is_flagged: Kept away from the model although it could be a feature.
        is_proxy: Stands for what is protected.
    """

    name: str
    kind: Kind
    role: Role
    why: str
    column: Column | None = None
    known_at: Moment = "asked"
    is_flagged: bool = False
    is_proxy: bool = False
    is_protected: bool = False


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of a sheet.

    Attributes:
        values: Numbers, of a binary problem 0 or 1; NaN where there is none; shape (n,).
    """

    column: str
    values: np.ndarray
    is_binary: bool


def roles_of(
    sheet: Sheet, looked: Looked, labels: Labels, *, time: str | None
) -> tuple[Placed, ...]:
    """Say of every column which part it plays; those that the platform makes come first."""
    time = time or _earliest(sheet, looked, labels.column)
    id_ = _id_of(looked.columns, taken={labels.column, time})
    placing = _Placing(sheet, looked, labels, time=time, entity_id=id_)
    placed = {name: placing.place(column) for name, column in looked.columns.items()}
    if any(each.is_protected for each in placed.values()):
        placed = {name: _as_proxy(each) for name, each in placed.items()}
    return (*_made(looked.columns, time=time, entity_id=id_), *placed.values())


class _Placing:
    """Decides about one column after the other."""

    def __init__(
        self,
        sheet: Sheet,
        looked: Looked,
        labels: Labels,
        *,
        time: str | None,
        entity_id: str | None,
    ) -> None:
        self._sheet = sheet
        self._spelling = looked.spelling
        self._labels = labels
        self._time = time
        self._entity_id = entity_id
        self._times = None if time is None else days_of(sheet.columns[time], looked.spelling)

    def place(self, column: Column) -> Placed:
        """The part of one column."""
        if column.name == self._labels.column:
            kind: Kind = "boolean" if self._labels.is_binary else "number"
            return _placed(column, "target", "what is predicted", kind=kind, known_at="known")
        if column.name == self._time:
            return _placed(column, "time", _time_words(column))
        if column.name == self._entity_id:
            return _placed(
                column, "id", "every row has one, and no two rows the same", kind="text"
            )
        return (
            self._protected(column)
            or self._useless(column)
            or self._personal(column)
            or self._knows_the_label(column)
            or self._known_later(column)
            or _placed(column, "input", _input_words(column))
        )

    def _protected(self, column: Column) -> Placed | None:
        kind = kind_named_by(column.name)
        if kind is None:
            return None
        why = f"its name speaks of {kind}: kept for the audit, never a feature"
        return _placed(column, "sensitive", why, is_flagged=True, is_protected=True)

    def _useless(self, column: Column) -> Placed | None:
        there = self._sheet.rows - column.missing
        if column.distinct == 0:
            return _placed(column, "ignored", "empty in every row")
        if column.distinct == 1:
            return _placed(column, "ignored", "says the same in every row")
        if column.is_unique and isinstance(column.seen, Numbers):
            if column.kind == "integer" and ID_NAMES.search(column.name):
                return _placed(column, "ignored", "numbers the rows a second time")
            if _numbers_rows(column.seen, there):
                return _placed(column, "ignored", "numbers the rows")
        is_name = column.kind == "text" and not column.is_prose
        return self._own(column, there) if is_name else None

    def _own(self, column: Column, there: int) -> Placed | None:
        """Names that most rows have one of their own of say nothing of other rows."""
        if column.distinct <= MOSTLY_OWN * there:
            return None
        why = f"{column.distinct:,} values in {there:,} rows: what one says tells nothing of others"
        if self._is_personal(column):
            return _placed(column, "sensitive", f"{why}; says who somebody is, so not logged")
        return _placed(column, "ignored", why)

    def _personal(self, column: Column) -> Placed | None:
        if not self._is_personal(column):
            return None
        why = "says who somebody is: no feature, not logged"
        return _placed(column, "sensitive", why, is_flagged=True)

    def _is_personal(self, column: Column) -> bool:
        return is_personal(column.name, self._sheet.columns[column.name].texts)

    def _knows_the_label(self, column: Column) -> Placed | None:
        found = power(
            self._values(column), self._labels.values, is_binary=self._labels.is_binary
        )
        strength = max(found, 1 - found) if self._labels.is_binary else found
        if strength >= ALMOST_PERFECT:
            measure = "ROC AUC" if self._labels.is_binary else "R2 of ranks"
            why = f"alone predicts the target almost perfectly ({measure} {strength:.3f})"
            return _placed(column, "ignored", why, known_at="known", is_flagged=True)
        if why_named := named_after(column.name, self._labels.column):
            return _placed(column, "ignored", why_named, known_at="known", is_flagged=True)
        return None

    def _known_later(self, column: Column) -> Placed | None:
        if column.kind != "time" or self._times is None:
            return None
        days = days_of(self._sheet.columns[column.name], self._spelling)
        both = ~np.isnan(days) & ~np.isnan(self._times)
        later = float(np.mean(days[both] > self._times[both])) if both.any() else 0.0
        if later <= MOSTLY_LATER:
            return None
        why = f"after {self._time} in {later:.0%} of the rows, so perhaps not known when asked"
        return _placed(column, "ignored", why, known_at="known", is_flagged=True)

    def _values(self, column: Column) -> np.ndarray:
        texts = self._sheet.columns[column.name]
        match column.kind:
            case "number" | "integer":
                return numbers_of(texts, self._spelling)
            case "time":
                return days_of(texts, self._spelling)
        gone = np.array([text in self._spelling.missing for text in texts.texts])
        return np.where(gone[texts.codes], np.nan, texts.codes.astype(float))


def _placed(
    column: Column,
    role: Role,
    why: str,
    *,
    kind: Kind | None = None,
    known_at: Moment = "asked",
    is_flagged: bool = False,
    is_protected: bool = False,
) -> Placed:
    return Placed(
        name=column.name,
        kind=kind or column.kind,
        role=role,
        why=why,
        column=column,
        known_at=known_at,
        is_flagged=is_flagged,
        is_protected=is_protected,
    )


def _as_proxy(placed: Placed) -> Placed:
    """Where rows are about people, what stands for ethnicity and income is no feature either."""
    if placed.role != "input" or not PLACES.search(placed.name):
        return placed
    return Placed(
        name=placed.name,
        kind=placed.kind,
        role="sensitive",
        why="stands for ethnicity and income where rows are about people: no feature",
        column=placed.column,
        is_flagged=True,
        is_proxy=True,
    )


def _made(
    columns: Mapping[str, Column], *, time: str | None, entity_id: str | None
) -> Iterator[Placed]:
    """What no column says: an id, and a time."""
    if entity_id is None:
        why = "no column tells every row from the others, so one is made of file and row"
        yield Placed(name=_free("row_id", columns), kind="text", role="id", why=why)
    if time is None:
        why = "no column says when: all rows are one partition, the day of the file"
        yield Placed(name=_free("recorded_at", columns), kind="time", role="time", why=why)


def _free(name: str, columns: Mapping[str, Column]) -> str:
    while name in columns:
        name = f"{name}_made"
    return name


def _id_of(columns: Mapping[str, Column], *, taken: set[str | None]) -> str | None:
    """The first column with a value of its own in every row that is called, or looks, like an id."""
    unique = [
        column
        for name, column in columns.items()
        if column.is_unique and name not in taken and not column.is_prose
    ]
    named = [c for c in unique if ID_NAMES.search(c.name) and c.kind in ("text", "integer")]
    counted = [c for c in unique if isinstance(c.seen, Numbers) and _counts_things(c.seen)]
    return next((column.name for column in (*named, *counted)), None)


def _counts_things(seen: Numbers) -> bool:
    """Whether unique numbers are whole and do not begin at one: then they would number the rows."""
    return seen.decimals == 0 and seen.low > 1


def _numbers_rows(seen: Numbers, rows: int) -> bool:
    return seen.decimals == 0 and seen.low <= 1 and seen.high - seen.low == rows - 1


def _earliest(sheet: Sheet, looked: Looked, target: str) -> str | None:
    """The event time, where nobody says it: of the dates that every row has, the earliest."""
    complete = [
        column
        for column in looked.columns.values()
        if isinstance(column.seen, Times)
        and column.name != target
        and column.missing == 0
        and kind_named_by(column.name) is None
        and named_after(column.name, target) is None
    ]
    means = {
        column.name: float(np.nanmean(days_of(sheet.columns[column.name], looked.spelling)))
        for column in complete
    }
    return min(means, key=lambda name: means[name]) if means else None


def _time_words(column: Column) -> str:
    seen = column.seen
    if not isinstance(seen, Times):
        return "when it happened"
    written = f"written as {seen.format}" if seen.format else "written as ISO 8601"
    doubt = f"; UNDECIDABLE: {seen.doubt}" if seen.doubt else ""
    return f"when it happened, {seen.first:%Y-%m-%d} to {seen.last:%Y-%m-%d}, {written}{doubt}"


def _input_words(column: Column) -> str:
    match column.kind:
        case "time":
            return f"a date that is known by then{_doubt(column)}"
        case "boolean":
            return f"yes or no: {', '.join((*column.yes, *column.no))}"
        case "text" if column.is_prose:
            return "prose: its words are features"
        case "text":
            return f"{column.distinct:,} names"
    seen = column.seen
    low, high = getattr(seen, "low", 0.0), getattr(seen, "high", 0.0)
    skew = ", skewed, so its logarithm" if getattr(seen, "is_skewed", False) else ""
    return f"{_shown(low)} to {_shown(high)}{skew}"


def _shown(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"  # noqa: PLR2004


def _doubt(column: Column) -> str:
    doubt = column.seen.doubt if isinstance(column.seen, Times) else None
    return f"; UNDECIDABLE: {doubt}" if doubt else ""
