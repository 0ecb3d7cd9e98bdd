"""Rows held to their problem's contract: the valid ones, and the broken ones with their reasons.

Pure: raw rows in, a `Verdict` out, and every row is in one of its halves. Whether a partition may
be kept after that is decided in `admission`.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from ml_assets.problem import Key, Problem
from ml_assets.problem.partitions import window_of
from ml_assets.validation.casting import TYPES, WORDS, Cast, cast
from ml_assets.validation.duplicates import Repeated, repeated, unique_keys

CHUNK_ROWS = 100_000
"""Rows that are judged at once; a check that looks at several rows sees no more than these."""

EXAMPLES = 5
LONGEST_EXAMPLE = 80
MISSING = "is missing"

FOR_PANDAS = {
    pa.string(): pd.StringDtype(na_value=np.nan),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}.get
"""Pandas types that can miss a cell, so that a gap breaks its own rule and no other."""

Broken = tuple[str, np.ndarray]
"""A rule, and the places of the rows that break it."""


class BrokenRule(NamedTuple):
    """A rule, how many rows break it, and what some of them say."""

    rule: str
    rows: int
    examples: tuple[str, ...]


class Verdict(NamedTuple):
    """The two halves of a table held to its contract; together they are every row."""

    valid: pa.Table
    """Typed, the contract's columns."""
    quarantined: pa.Table
    """As they came, plus `reasons`: the rules that each row broke, joined by "; "."""
    reasons: pa.Array
    """Of every row, in the order of the raw table; null for the valid ones."""
    rules: int
    """How many rules were asked of at least one row."""
    broken_rules: tuple[BrokenRule, ...]
    """Most broken first."""
    schema_failures: tuple[str, ...]
    """Why the table as a whole cannot be judged; empty when it can."""

    @property
    def broken(self) -> dict[str, int]:
        """Rows that break each rule."""
        return {rule.rule: rule.rows for rule in self.broken_rules}

    @property
    def quarantine_rate(self) -> float:
        """Share of rows quarantined, in [0, 1]; 0 for an empty table."""
        rows = len(self.valid) + len(self.quarantined)
        return len(self.quarantined) / rows if rows else 0.0

    def without_rows(self) -> Self:
        """The verdict alone, to keep many of them."""
        return self._replace(
            valid=self.valid.schema.empty_table(),
            quarantined=self.quarantined.schema.empty_table(),
            reasons=self.reasons[:0],
        )


def hold_to_contract(
    problem: Problem,
    raw: pa.Table,
    *,
    partition: str | None = None,
    duplicated: tuple[Repeated, ...] | None = None,
) -> Verdict:
    """Cast raw rows column by column, then ask every rule of the contract of every row.

    A cell that cannot be cast breaks that rule and is missing for the others. A row that the
    source could not give whole (`_fault`) is quarantined for that and not judged further.

    Args:
        problem: Whose contract it is.
        raw: Rows as ingestion keeps them: every contract column as text, and `_fault`.
        partition: Key that the rows' event times must fall into; not asked without one.
        duplicated: Keys that occur more than once in the partition that `raw` is a chunk of;
            looked for in `raw` itself without them.

    Returns:
        A verdict whose halves keep the order of `raw`.
    """
    if absent := [name for name in problem.fields if name not in raw.column_names]:
        failure = f"the table lacks the column {', '.join(absent)}; it has {raw.column_names}"
        return _all_quarantined(problem, raw, failure)
    faults = _faults(raw)
    whole = np.flatnonzero(~faults)
    sound = raw if len(whole) == len(raw) else raw.take(pa.array(whole))
    casts = _casts(problem, sound)
    typed = pa.table({name: each.cells for name, each in casts.items()}, _types(problem))
    broken, failures = _ask_pandera(problem, typed, casts)
    broken += _uncast(problem, casts)
    broken += _misplaced(problem, typed, partition)
    for key in _duplicated(problem, sound) if duplicated is None else duplicated:
        broken += key.broken(sound)
    found = [(rule, whole[rows]) for rule, rows in broken if len(rows)]
    found += _faulty_rows(raw, faults)
    return _verdict(problem, raw, typed, found, failures, whole=whole)


def rules_of(problem: Problem) -> int:
    """How many rules the contract asks of a row: types, gaps, uniqueness and checks."""
    columns = problem.schema.columns.values()
    return (
        sum(field.kind != "text" for field in problem.fields.values())
        + sum(not column.nullable for column in columns)
        + sum(len(column.checks) for column in columns)
        + len(problem.schema.checks)
        + len(unique_keys(problem))
    )


def merged(parts: Iterable[tuple[BrokenRule, ...]]) -> tuple[BrokenRule, ...]:
    """Broken rules of several chunks as those of the whole."""
    rows: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    for each in (rule for part in parts for rule in part):
        rows[each.rule] = rows.get(each.rule, 0) + each.rows
        examples[each.rule] = (*examples.get(each.rule, ()), *each.examples)[:EXAMPLES]
    found = [BrokenRule(rule, count, examples[rule]) for rule, count in rows.items()]
    return tuple(sorted(found, key=lambda each: (-each.rows, each.rule)))


def _types(problem: Problem) -> pa.Schema:
    return pa.schema([(name, TYPES[field.kind]) for name, field in problem.fields.items()])


def _casts(problem: Problem, rows: pa.Table) -> dict[str, Cast]:
    source = problem.config.source
    return {name: cast(rows[name], field, source) for name, field in problem.fields.items()}


def _duplicated(problem: Problem, rows: pa.Table) -> tuple[Repeated, ...]:
    """Keys that occur more than once in `rows`, taken as a whole partition."""
    return repeated(problem, lambda columns: [rows.select(_there(rows, columns))])


def _there(rows: pa.Table, columns: list[str]) -> list[str]:
    return [name for name in columns if name in rows.column_names]


def _faults(raw: pa.Table) -> np.ndarray:
    """True where the source could not give the row whole."""
    if "_fault" not in raw.column_names:
        return np.zeros(len(raw), dtype=bool)
    return np.asarray(pc.is_valid(raw["_fault"]))


def _faulty_rows(raw: pa.Table, faults: np.ndarray) -> list[Broken]:
    """One rule per kind of fault: the text before the colon."""
    places = np.flatnonzero(faults)
    if not len(places):
        return []
    kinds = pd.Series(raw["_fault"].take(pa.array(places)).to_pandas()).str.partition(":")[0]
    return [(f"row: {kind}", places[kinds == kind]) for kind in kinds.unique()]


def _uncast(problem: Problem, casts: dict[str, Cast]) -> list[Broken]:
    return [
        (f"{name}: {WORDS[problem.fields[name].kind]}", np.flatnonzero(each.uncast))
        for name, each in casts.items()
        if each.uncast.any()
    ]


def _misplaced(problem: Problem, typed: pa.Table, partition: str | None) -> list[Broken]:
    """Rows whose event time, or location, belongs to another partition."""
    if partition is None:
        return []
    key = Key.of(partition)
    encoded = pc.cast(typed[problem.event_time], pa.date32()).combine_chunks()
    encoded = encoded.dictionary_encode()
    keys = [
        day is None or window_of(day, problem.config.partitions.grain) == key.window
        for day in encoded.dictionary.to_pylist()
    ]
    here = pa.array(keys, pa.bool_()).take(encoded.indices)
    broken = [(f"{problem.event_time}: belongs to another partition", _places(pc.invert(here)))]
    if problem.location is not None and key.location is not None:
        elsewhere = pc.not_equal(typed[problem.location], key.location)
        rule = f"{problem.location}: belongs to another partition"
        broken.append((rule, _places(pc.fill_null(elsewhere, fill_value=False))))
    return broken


def _places(mask: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return pc.indices_nonzero(mask).to_numpy().astype(np.int64)


def _ask_pandera(
    problem: Problem, typed: pa.Table, casts: dict[str, Cast]
) -> tuple[list[Broken], list[str]]:
    """Places of the rows that break each rule, and what is wrong with the table as a whole."""
    if not len(typed):
        return [], []
    df = typed.to_pandas(types_mapper=FOR_PANDAS)
    # An environment variable can switch Pandera off; then every row would hold the contract.
    contract: Any = problem.contract
    with config_context(
        validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
    ):
        try:
            _askable(contract).validate(df, lazy=True)
        except SchemaErrors as errors:
            return _sorted_out(errors.schema_errors, casts)
    return [], []


@cache
def _askable(contract: Any) -> pandera.DataFrameSchema:
    """The contract's checks and gaps; types are asked by `cast`, uniqueness over the partition."""
    schema = contract.to_schema()
    changes = {"dtype": None, "unique": False, "coerce": False}
    schema = schema.update_columns(dict.fromkeys(schema.columns, changes))
    schema.unique = schema.dtype = None
    schema.coerce = False
    return schema


def _sorted_out(
    errors: list[SchemaError], casts: dict[str, Cast]
) -> tuple[list[Broken], list[str]]:
    broken: list[Broken] = []
    failures: list[str] = []
    for error in errors:
        rows = _rows_of(error)
        if rows is None:
            failures.append(_failure(error))
        elif error.reason_code == SchemaErrorReason.SERIES_CONTAINS_NULLS:
            gaps = rows[~casts[str(error.schema.name)].uncast[rows]]
            broken.append((f"{error.schema.name}: {MISSING}", gaps))
        else:
            broken.append((_rule(error), rows))
    return broken, failures


def _rows_of(error: SchemaError) -> np.ndarray | None:
    """Places of the rows that an error names; None when it is about the whole table."""
    cases = error.failure_cases
    by_row = (SchemaErrorReason.SERIES_CONTAINS_NULLS, SchemaErrorReason.DATAFRAME_CHECK)
    if error.reason_code not in by_row or not isinstance(cases, pd.DataFrame):
        return None
    if "index" not in cases or cases["index"].isna().any():
        return None
    return np.unique(cases["index"].to_numpy(dtype=np.int64))


def _rule(error: SchemaError) -> str:
    """Name the rule: `column: check`, or the name of a check over whole rows."""
    check = error.check
    words = str(getattr(check, "error", None) or getattr(check, "name", None) or check)
    if isinstance(error.schema, pandera.DataFrameSchema):
        return words if ": " in words else f"row: {words}"
    return f"{error.schema.name}: {words}"


def _failure(error: SchemaError) -> str:
    """Say why a table cannot be judged."""
    if error.reason_code == SchemaErrorReason.CHECK_ERROR:
        return f"the check {_rule(error)} failed itself: {error.failure_cases}"
    if error.reason_code == SchemaErrorReason.DATAFRAME_CHECK:
        return f"the table as a whole breaks {_rule(error)}"
    return f"{error.schema.name}: {str(error).splitlines()[0]}"


def _verdict(
    problem: Problem,
    raw: pa.Table,
    typed: pa.Table,
    found: list[Broken],
    failures: list[str],
    *,
    whole: np.ndarray,
) -> Verdict:
    """Part the rows into those that broke no rule and those that did."""
    bad = np.unique(np.concatenate([rows for _, rows in found])) if found else whole[:0]
    sound = ~np.isin(whole, bad)
    reasons = _reasons(raw, bad, found)
    places = np.full(len(raw), -1)
    places[bad] = np.arange(len(bad))
    return Verdict(
        valid=typed if sound.all() else typed.filter(pa.array(sound)),
        quarantined=raw.take(pa.array(bad)).append_column("reasons", reasons),
        reasons=reasons.take(pa.array(places, mask=places < 0)),
        rules=rules_of(problem) if len(whole) else 0,
        broken_rules=merged([tuple(_described(raw, found))]),
        schema_failures=tuple(failures),
    )


def _reasons(raw: pa.Table, bad: np.ndarray, found: list[Broken]) -> pa.Array:
    """For each of the rows `bad`, the rules it broke; each combination is written once."""
    broke = np.zeros((len(bad), len(found)), dtype=bool)
    for place, (_, rows) in enumerate(found):
        broke[np.searchsorted(bad, rows), place] = True
    combinations, which = np.unique(broke, axis=0, return_inverse=True)
    names = np.array([rule for rule, _ in found], dtype=object)
    texts = pa.array(["; ".join(names[each]) for each in combinations], pa.string())
    reasons = texts.take(pa.array(which.reshape(-1)))
    if "_fault" not in raw.column_names:
        return reasons
    return pc.coalesce(raw["_fault"].take(pa.array(bad)), reasons).combine_chunks()


def _described(raw: pa.Table, found: list[Broken]) -> Iterator[BrokenRule]:
    for rule, rows in found:
        column = rule.partition(":")[0]
        shown = column if column in raw.column_names else "_fault"
        yield BrokenRule(rule, len(rows), _examples(raw, shown, rows[:EXAMPLES]))


def _examples(raw: pa.Table, column: str, rows: np.ndarray) -> tuple[str, ...]:
    """What some rows say, and where they are from."""
    names = _there(raw, [column, "_file", "_row"])
    return tuple(
        _example(row, column) for row in raw.select(names).take(pa.array(rows)).to_pylist()
    )


def _example(row: dict[str, object], column: str) -> str:
    cell = row.get(column)
    text = "nothing" if cell is None else repr(str(cell)[:LONGEST_EXAMPLE])
    return f"{text} in {row['_file']} row {row['_row']}" if "_row" in row else text


def _all_quarantined(problem: Problem, raw: pa.Table, failure: str) -> Verdict:
    """The verdict on a table that cannot be judged."""
    reasons = pa.array([failure] * len(raw), pa.string())
    return Verdict(
        valid=_types(problem).empty_table(),
        quarantined=raw.append_column("reasons", reasons),
        reasons=reasons,
        rules=0,
        broken_rules=(),
        schema_failures=(failure,),
    )
