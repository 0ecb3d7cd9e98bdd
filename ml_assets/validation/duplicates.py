"""Rows of one partition that claim to be the same thing.

Exact copies are harmless: the first stays. Rows that share a key and differ all go, since nobody
knows which of them is right. Both need the whole partition in sight, so it is looked through once
before rows are judged chunk by chunk.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.problem import Problem

COPY = "is a copy of an earlier row"
CONFLICT = "is shared by rows that contradict each other"
SEPARATOR = "\x1f"
GAP = "\x1e"


class Repeated(NamedTuple):
    """Values of one key that occur more than once in a partition."""

    key: tuple[str, ...]
    copied: pa.Array
    """Every row that has one of these is the same, cell by cell."""
    conflicting: pa.Array
    seen: pa.Array
    """Those of `copied` whose first row was in an earlier chunk."""

    def broken(self, rows: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
        """Each rule that rows of a chunk break, with their places in it."""
        if not len(self.copied) and not len(self.conflicting):
            return
        values = key_values(rows, self.key)
        name = ", ".join(self.key)
        yield f"{name}: {CONFLICT}", _places(pc.is_in(values, value_set=self.conflicting))
        copies = _places(pc.is_in(values, value_set=self.copied))
        known = values.take(pa.array(copies))
        again = pc.is_in(known, value_set=self.seen).to_numpy(zero_copy_only=False)
        yield f"{name}: {COPY}", copies[again | _after_first(known)]

    def after(self, rows: pa.Table) -> "Repeated":
        """What is left to know once the chunk `rows` has been judged."""
        if not len(self.copied):
            return self
        values = key_values(rows, self.key)
        met = values.filter(pc.is_in(values, value_set=self.copied)).unique()
        return self._replace(seen=pa.concat_arrays([self.seen, met]))


def unique_keys(problem: Problem) -> list[tuple[str, ...]]:
    """The columns, alone or together, that the contract wants unique."""
    alone: list[tuple[str, ...]] = [
        (field.name,) for field in problem.fields.values() if field.unique
    ]
    together = problem.schema.unique or []
    return [*alone, tuple(together)] if together else alone


def repeated(
    problem: Problem, chunks: Callable[[list[str]], Iterable[pa.Table]]
) -> tuple[Repeated, ...]:
    """Look through a partition for keys that occur more than once.

    Args:
        problem: Whose contract says what must be unique.
        chunks: Gives the partition's raw rows, with the columns asked for; called again where
            there are repeated keys to compare.
    """
    return tuple(_repeated(problem, key, chunks) for key in unique_keys(problem))


def key_values(rows: pa.Table, key: tuple[str, ...]) -> pa.Array:
    """One text per row that says which thing it is; null where a part is missing."""
    parts = [rows[name] for name in key]
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, SEPARATOR)
    text = pc.utf8_trim_whitespace(joined).combine_chunks()
    return pc.if_else(pc.not_equal(text, ""), text, pa.scalar(None, text.type))


def _repeated(
    problem: Problem,
    key: tuple[str, ...],
    chunks: Callable[[list[str]], Iterable[pa.Table]],
) -> Repeated:
    whole = list(problem.fields)
    values = [key_values(_readable(rows), key) for rows in chunks([*key, "_fault"])]
    again = _occurring_again(pa.concat_arrays([pa.array([], pa.string()), *values]))
    contents: dict[str, set[bytes]] = {}
    if len(again):
        for rows in chunks([*whole, "_fault"]):
            _collect(contents, _readable(rows), key, again)
    differing = [text for text, found in contents.items() if len(found) > 1]
    alike = [text for text, found in contents.items() if len(found) == 1]
    return Repeated(
        key=key,
        copied=pa.array(alike, pa.string()),
        conflicting=pa.array(differing, pa.string()),
        seen=pa.array([], pa.string()),
    )


def _readable(rows: pa.Table) -> pa.Table:
    """Without the rows that the source could not give whole; their cells may be anything."""
    return rows.filter(pc.is_null(rows["_fault"])) if "_fault" in rows.column_names else rows


def _occurring_again(values: pa.Array) -> pa.Array:
    counts = values.drop_null().value_counts()
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def _collect(
    contents: dict[str, set[bytes]], rows: pa.Table, key: tuple[str, ...], again: pa.Array
) -> None:
    """Add to `contents` what the rows with one of the keys `again` say."""
    values = key_values(rows, key)
    hits = pc.is_in(values, value_set=again)
    cells = [pc.fill_null(rows[name].filter(hits), GAP) for name in rows.column_names]
    lines = pc.binary_join_element_wise(*cells, SEPARATOR)
    for value, line in zip(values.filter(hits).to_pylist(), lines.to_pylist(), strict=True):
        contents.setdefault(value, set()).add(hashlib.blake2b(line.encode()).digest())


def _places(hits: pa.Array) -> np.ndarray:
    return pc.indices_nonzero(pc.fill_null(hits, False)).to_numpy().astype(np.int64)


def _after_first(values: pa.Array) -> np.ndarray:
    """True for every value that occurred before in `values`."""
    codes = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    again = np.ones(len(codes), dtype=bool)
    again[np.unique(codes, return_index=True)[1]] = False
    return again
