"""The rules of a contract, asked of one row.

Pandera's checks are functions of a column, or of a frame, so they can be traced like features:
`Rules` asks of a typed row what `validation.verdict` asks of a table, and names what is broken in the
same words. A check that cannot be traced raises `NotCompilable`, by its name.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pandera.backends.pandas import builtin_checks

from ml_assets.errors import NotCompilable
from ml_assets.inference.columns import NUMBERS, Kind, Row
from ml_assets.inference.remembering import Remembered
from ml_assets.inference.tracing import Traced, trace
from ml_assets.inference.transposition import Columns
from ml_assets.problem import Problem

KINDS: Mapping[str, Kind] = {
    "text": "text",
    "number": "number",
    "integer": "nullable",
    "boolean": "boolean",
    "time": "time",
}
"""What a column of a contract's kind holds once it is a pandas column."""


class Rule(NamedTuple):
    """One check of one column."""

    name: str
    holds: Callable[[Row], bool | None]
    """Asked of a row that has a value in the column. None is no objection."""
    is_constant: bool = True
    """Whether it surely says the same of the same value whenever it is asked."""


class RowRule(NamedTuple):
    """One check of the whole row."""

    name: str
    asked: Remembered
    ignores_nothing: bool
    """Whether a row of nothing but missing values holds it, whatever it says."""

    def holds(self, row: Row) -> bool | None:
        """Whether a row holds it. None is no objection."""
        found: bool | None = self.asked.one(row)
        if self.ignores_nothing:
            return found or all(value is None for value in row.values())
        return found

    def may_break(self, columns: Columns) -> bool:
        """Whether one of many rows may break it, and has to be asked alone."""
        found = self.asked.many(columns)
        return not all(found) if self.ignores_nothing else False in found


class Rules(NamedTuple):
    """What a contract asks of a row."""

    of_columns: Mapping[str, tuple[Rule, ...]]
    of_rows: tuple[RowRule, ...]


def remembered(traced: Traced, kinds: Mapping[str, Kind]) -> Remembered:
    """What was traced, remembered where the columns that it reads hold no floats."""
    comes_again = all(kinds[name] not in NUMBERS for name in traced.reads)
    return Remembered(traced.value, traced.reads, comes_again=comes_again)


def rules_of(problem: Problem) -> Rules:
    """Return the checks of a problem's contract as functions of one row.

    Raises:
        NotCompilable: If a check cannot be asked of one row; the message names it.
    """
    kinds = {name: KINDS[field.kind] for name, field in problem.fields.items()}
    columns = problem.schema.columns.items()
    return Rules(
        of_columns={
            str(name): tuple(
                _of_column(str(name), check, kinds[name]) for check in column.checks
            )
            for name, column in columns
        },
        of_rows=tuple(_of_row(check, kinds) for check in problem.schema.checks),
    )


def _of_column(column: str, check: Any, kind: Kind) -> Rule:
    name = f"{column}: {_words(check)}"
    if check.groupby is not None or not check.ignore_na:
        raise NotCompilable(f"{name}: it looks at groups, or at missing values")
    function, options = _function(check)
    if check.element_wise:
        return Rule(name, lambda row: function(row[column], **options), is_constant=False)
    asked = _traced(name, lambda rows: function(rows[column], **options), {column: kind})
    return Rule(name, asked.value)


def _of_row(check: Any, kinds: Mapping[str, Kind]) -> RowRule:
    words = _words(check)
    name = words if ": " in words else f"row: {words}"
    if check.groupby is not None or check.element_wise:
        raise NotCompilable(f"{name}: it looks at groups, or at rows as series")
    function, options = _function(check)
    traced = _traced(name, lambda rows: function(rows, **options), kinds)
    return RowRule(name, remembered(traced, kinds), ignores_nothing=bool(check.ignore_na))


def _words(check: Any) -> str:
    return str(check.error or check.name or check)


def _function(check: Any) -> tuple[Callable[..., Any], Mapping[str, Any]]:
    """The function of a check, and its arguments."""
    options = check._check_kwargs  # noqa: SLF001 - Pandera has no public way
    built_in = getattr(builtin_checks, str(check.name), None)
    if check.is_builtin_check(check.name) and inspect.isfunction(built_in):
        return built_in, options
    return check._check_fn, options  # noqa: SLF001


def _traced(name: str, function: Callable[..., Any], kinds: Mapping[str, Kind]) -> Traced:
    """Trace a check; what comes back has to be one truth per row."""
    try:
        results = trace(function, kinds)
    except NotCompilable as error:
        raise NotCompilable(f"the rule {name}: {error}") from None
    result = results.get("")
    if result is None or result.kind not in ("flag", "boolean"):
        raise NotCompilable(f"the rule {name} gives no truth for each row")
    return result
