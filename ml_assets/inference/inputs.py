"""Rows that a prediction is asked for, held to the part of the contract that is known by then.

The label and what becomes known later are not asked for; the entity id may be missing (and the event
time, where sources may lack it), and the same one may come twice. Each row is read and judged on its own, directly; where a value or a rule
has no direct path, the row goes through `validation` as a table of one, which says the same.
"""

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from ml_assets.errors import BrokenField, InvalidRows, NotCompilable
from ml_assets.features.view import contract_frame
from ml_assets.inference.columns import Row
from ml_assets.inference.remembering import UNSEEN, Memory, is_long
from ml_assets.inference.rules import RowRule, Rule, rules_of
from ml_assets.inference.transposition import Columns, columns_of, rows_of, values_of
from ml_assets.inference.values import UNREADABLE, Reader, as_text, is_single, reader
from ml_assets.problem import Problem
from ml_assets.validation import hold_to_contract
from ml_assets.validation.casting import WORDS
from ml_assets.validation.verdict import MISSING

MOST_BROKEN = 100
"""Broken rules that are listed; beyond them a caller learns nothing new."""

LONGEST_SHOWN = 60
SAMPLED_ROWS = 20
NOT_TEXT = "is not one text"

TEXT_OR_NOTHING = frozenset({str, type(None)})


class InputColumn(NamedTuple):
    """One column of the input part: how a value is read, and what is asked of it."""

    name: str
    read: Reader
    is_required: bool
    rules: tuple[Rule, ...]
    remembers: bool
    """Whether its texts come again, unlike ids, and its rules always say the same of them."""
    known: Memory
    """Texts that broke no rule, to what they are read as; also that nothing breaks none."""

    def remember(self, text: Any, value: Any) -> None:
        """Remember a text, or nothing, that broke no rule."""
        if self.remembers and text.__class__ in TEXT_OR_NOTHING and not is_long(text):
            self.known.keep(text, value)

    def read_all(self, values: Sequence[Any]) -> list[Any]:
        """Read the values of many rows, texts that are the same only once.

        Raises:
            ValueError: If one of them is broken, or may be.
        """
        with suppress(KeyError, TypeError):  # one that was not seen yet, or is no single value
            return list(map(self.known.__getitem__, values))
        if not self.remembers or not TEXT_OR_NOTHING.issuperset(map(type, values)):
            return self._flawless(values)
        if sum(map(is_long, values)) > len(values) // 2:
            # Prose: to look for what is the same would take longer.
            return self._flawless(values)
        found = {value: self.known.get(value, UNSEEN) for value in set(values)}
        news = [value for value, read in found.items() if read is UNSEEN]
        for value, read in zip(news, self._flawless(news), strict=True):
            found[value] = read
            self.remember(value, read)
        return list(map(found.__getitem__, values))

    def _flawless(self, values: Sequence[Any]) -> list[Any]:
        found = list(map(self.read, values))
        there = [value for value in found if value is not None]
        if UNREADABLE in there or (self.is_required and len(there) < len(found)):
            raise ValueError(self.name)
        cell: dict[str, Any] = {}
        for _, holds, _ in self.rules:
            for cell[self.name] in there:
                if holds(cell) is False:
                    raise ValueError(self.name)
        return found


class Held(NamedTuple):
    """One row in the types of the contract, and the rules that it broke."""

    row: Row
    broken: tuple[str, ...]


class InputContract:
    """A contract with only the columns that are known at the moment of prediction."""

    def __init__(self, problem: Problem) -> None:
        known = problem.known_columns
        every = problem.schema
        schema = every.remove_columns([name for name in every.columns if name not in known])
        if problem.entity_id in known:
            optional = {"nullable": True, "unique": False}
            schema = schema.update_columns({problem.entity_id: optional})
        if problem.event_time in known and problem.config.source.undated:
            schema = schema.update_columns({problem.event_time: {"nullable": True}})
        schema.unique = None
        schema.checks = _checks_of_known_columns(problem)
        self._schema = schema

    def to_schema(self) -> pandera.DataFrameSchema:
        """Return the contract as Pandera's schema object."""
        return self._schema


class Inputs:
    """The input part of a problem's contract, asked of rows.

    Attributes:
        columns: Names of its columns.
        not_direct: Why rows have no direct path; None where they have.
    """

    def __init__(self, problem: Problem) -> None:
        self._every = frozenset(problem.fields)
        self._problem = replace(problem, contract=InputContract(problem))  # type: ignore[arg-type]
        self.columns = tuple(self._problem.fields)
        self.not_direct: str | None = None
        self._readers: tuple[InputColumn, ...] = ()
        self._row_rules: tuple[RowRule, ...] = ()
        try:
            self._prepare()
        except NotCompilable as error:
            self.not_direct = str(error)

    def hold(self, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Read rows into the types of the contract; see `hold_together`."""
        return rows_of(self.hold_together(rows))

    def hold_together(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Read rows into the types of the contract.

        Args:
            rows: n mappings from column to value; what a row lacks is missing, and columns of the
                contract that are not known yet are ignored.

        Returns:
            n rows of every column of the input part; a missing value is None.

        Raises:
            InvalidRows: If a row breaks a rule, or has a column that the contract lacks.
        """
        flawless = self._flawless(rows)
        if flawless is not None:
            return flawless
        held = [self.hold_one(row) for row in rows]
        if any(each.broken for each in held):
            raise _refusal(rows, held)
        return columns_of([each.row for each in held], self.columns)

    def require(self, row: Mapping[str, Any]) -> Row:
        """Read one row into the types of the contract; see `hold_together`."""
        held = self.hold_one(row)
        if held.broken:
            raise _refusal([row], [held])
        return held.row

    def hold_one(self, row: Mapping[str, Any]) -> Held:
        """Read one row, and say which rules it breaks."""
        found = self._directly(row)
        if self._every.issuperset(row):
            return found
        unknown = map(self._unknown, sorted(row.keys() - self._every, key=str))
        return Held(found.row, (*unknown, *found.broken))

    def by_table(self, rows: Sequence[Mapping[str, Any]]) -> list[Held]:
        """Read rows by way of `validation`, as a table; columns without a name are ignored."""
        odd = [[name for name in self.columns if not _is_cell(row.get(name))] for row in rows]
        raw = pa.table(
            {
                name: pa.array(
                    [
                        None if name in skipped else self._text(row.get(name))
                        for row, skipped in zip(rows, odd, strict=True)
                    ],
                    pa.string(),
                )
                for name in self.columns
            }
        )
        verdict = hold_to_contract(self._problem, raw)
        valid = iter(verdict.valid.to_pylist())
        return [
            self._held(next(valid), (), skipped)
            if reasons is None
            else self._held(dict.fromkeys(self.columns), reasons.split("; "), skipped)
            for reasons, skipped in zip(verdict.reasons.to_pylist(), odd, strict=True)
        ]

    def disable(self, reason: str) -> None:
        """Take the way of tables from now on."""
        self.not_direct = reason

    def _held(self, row: Row, reasons: Sequence[str], odd: Sequence[str]) -> Held:
        """A row with its broken rules; an unreadable value is not also missing."""
        gaps = {f"{name}: {MISSING}" for name in odd}
        unreadable = tuple(f"{name}: {self._kind_words(name)}" for name in odd)
        return Held(row, unreadable + tuple(rule for rule in reasons if rule not in gaps))

    def _text(self, value: Any) -> str | None:
        return as_text(value, self._problem.config.source)

    def _prepare(self) -> None:
        rules = rules_of(self._problem)
        source = self._problem.config.source
        self._readers = tuple(
            InputColumn(
                name=name,
                read=reader(field, source),
                is_required=not field.nullable,
                rules=rules.of_columns[name],
                remembers=field.role != "id"
                and all(rule.is_constant for rule in rules.of_columns[name]),
                known=Memory(),
            )
            for name, field in self._problem.fields.items()
        )
        self._row_rules = rules.of_rows

    def _directly(self, row: Mapping[str, Any]) -> Held:
        if self.not_direct is None:
            try:
                return self._read(row)
            except (ArithmeticError, ValueError):
                pass  # an odd text or moment, about which Python and Arrow may differ
        return self.by_table([row])[0]

    def _flawless(self, rows: Sequence[Mapping[str, Any]]) -> Columns | None:
        """Read rows column by column; None where one is broken, or may be, and is looked at alone."""
        if self.not_direct is not None or not all(map(self._every.issuperset, rows)):
            return None
        try:
            found = {
                column.name: column.read_all(values)
                for column, values in zip(
                    self._readers, values_of(rows, self.columns), strict=True
                )
            }
            may_break = any(rule.may_break(found) for rule in self._row_rules)
        except (ArithmeticError, ValueError):
            return None
        return None if may_break else found

    def _read(self, row: Mapping[str, Any]) -> Held:
        typed: dict[str, Any] = {}
        broken: list[str] = []
        for column in self._readers:
            name, given = column.name, row.get(column.name)
            if given.__class__ in TEXT_OR_NOTHING:
                value = column.known.get(given, UNSEEN)
                if value is not UNSEEN:
                    typed[name] = value
                    continue
            value = column.read(given)
            faults = []
            if value is UNREADABLE:
                faults.append(f"{name}: {self._kind_words(name)}")
                value = None
            elif value is None and column.is_required:
                faults.append(f"{name}: {MISSING}")
            typed[name] = value
            if value is not None:
                faults += [rule.name for rule in column.rules if rule.holds(typed) is False]
            if faults:
                broken += faults
            else:
                column.remember(given, value)
        broken += [rule.name for rule in self._row_rules if rule.holds(typed) is False]
        return Held(typed, tuple(broken))

    def _kind_words(self, name: str) -> str:
        return WORDS.get(self._problem.fields[name].kind, NOT_TEXT)

    def _unknown(self, name: object) -> str:
        near = difflib.get_close_matches(str(name), self.columns, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.columns)}"
        return f"{name}: is no column; {hint}"


def _checks_of_known_columns(problem: Problem) -> list[Any]:
    """Checks of whole rows that do with the columns that are known."""
    if not problem.schema.checks:
        return []
    sample = problem.sample(SAMPLED_ROWS, np.random.default_rng(0))
    texts = {n: pa.array(sample[n], pa.string(), from_pandas=True) for n in problem.fields}
    rows = contract_frame(problem, hold_to_contract(problem, pa.table(texts)).valid)
    known = rows[problem.known_columns]
    return [check for check in problem.schema.checks if _can_ask(check, known)]


def _can_ask(check: Any, rows: pd.DataFrame) -> bool:
    try:
        check(rows)
    except KeyError:
        return False
    return True


def _is_cell(value: Any) -> bool:
    """Whether a value can be a cell of a table of texts."""
    if isinstance(value, str):
        return value.isascii() or value.encode(errors="ignore").decode() == value
    return is_single(value)


def _refusal(rows: Sequence[Mapping[str, Any]], held: Sequence[Held]) -> InvalidRows:
    broken = (
        _broken(place, rule, rows[place])
        for place, each in enumerate(held)
        for rule in each.broken
    )
    return InvalidRows(list(islice(broken, MOST_BROKEN)), rows=len(rows))


def _broken(place: int, rule: str, row: Mapping[str, Any]) -> BrokenField:
    field = rule.partition(":")[0]
    value = repr(row[field]) if field in row else "nothing"
    short = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
    return BrokenField(place, field, rule, short)
