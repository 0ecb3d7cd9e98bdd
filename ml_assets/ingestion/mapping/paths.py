"""The texts at the paths of a mapping, and the paths of a source that the mapping does not know.

A path names a column, or keys inside of the JSON in it. What a text means is for `readings`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.json_rows import DECODER, cell_text
from ml_assets.ingestion.mapping.declaration import Mapping as SourceMapping
from ml_assets.ingestion.mapping.names import key, keys_of
from ml_assets.ingestion.reading import REST

Keys = tuple[str, ...]


class Found(NamedTuple):
    """What was at the paths of some rows."""

    texts: Mapping[str, pa.Array]
    """By path, n texts; one that no row has is not in it."""
    unknown: Mapping[str, int]
    """Paths that the mapping does not know, and how many rows have something there."""
    strangers: tuple[pa.Array, ...]
    """For each row, texts that name unknown paths which it has; n each, null where there is none."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The paths of a mapping.

    Attributes:
        leaves: Where something is read, or known to be.
        inner: Above those.
    """

    leaves: frozenset[Keys]
    inner: frozenset[Keys]

    @classmethod
    def of(cls, mapping: SourceMapping) -> "Tree":
        """The paths that a mapping knows."""
        leaves = frozenset(map(keys_of, mapping.paths))
        return cls(
            leaves=leaves,
            inner=frozenset(keys[:i] for keys in leaves for i in range(1, len(keys))),
        )

    def strangers(self, value: object, at: Keys, name: str) -> Iterator[str]:
        """Names of the paths at and below `at` that are unknown."""
        if value is None:
            return
        if isinstance(value, dict) and at in self.inner:
            for inner_name, inner in value.items():
                yield from self.strangers(inner, (*at, key(inner_name)), f"{name}.{inner_name}")
        elif at not in self.leaves:
            yield name


@dataclass(kw_only=True)
class _Finds:
    """What was found so far."""

    texts: dict[str, pa.Array] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    strangers: list[pa.Array] = field(default_factory=list)


def find(mapping: SourceMapping, batch: pa.RecordBatch) -> Found:
    """Find the texts at every path that a rule reads.

    Args:
        mapping: Whose paths.
        batch: Rows of raw; n rows of text.
    """
    tree = Tree.of(mapping)
    columns = {key(name): name for name in batch.schema.names}
    wanted = {path for rules in mapping.columns.values() for r in rules for path in r.paths}
    flat = {path: columns[key(path)] for path in wanted if key(path) in columns}
    finds = _Finds()
    for path, name in flat.items():
        if keys_of(path) not in tree.inner:
            finds.texts[path] = _as_text(batch.column(name))
    heads: defaultdict[str, list[str]] = defaultdict(list)
    for path in wanted - finds.texts.keys():
        heads[keys_of(path)[0]].append(path)
    nested = heads.keys() | {keys[0] for keys in tree.inner}
    for head in sorted(nested & columns.keys()):
        _look_inside(
            batch.column(columns[head]), (columns[head], head), heads[head], tree, finds
        )
    known = {keys[0] for keys in tree.leaves} | {key(path) for path in mapping.paths}
    for name in batch.schema.names:
        if not name.startswith("_") and key(name) not in known:
            _note(finds, batch.column(name).is_valid(), name)
    if REST in batch.schema.names:
        _look_inside_rest(batch.column(REST), tree, finds)
    return Found(finds.texts, dict(sorted(finds.unknown.items())), tuple(finds.strangers))


def _look_inside(
    column: pa.Array, head: tuple[str, str], paths: list[str], tree: Tree, finds: _Finds
) -> None:
    """Read the JSON in a column, each distinct text once."""
    name, at = head
    encoded = column.dictionary_encode()
    values = [_value(text) for text in encoded.dictionary.to_pylist()]
    for path in paths:
        keys = keys_of(path)
        texts = [_text_at(value, keys[1:], is_inner=keys in tree.inner) for value in values]
        finds.texts[path] = pa.array(texts, pa.string()).take(encoded.indices)
    _note_each(finds, encoded, [list(tree.strangers(value, (at,), name)) for value in values])


def _look_inside_rest(column: pa.Array, tree: Tree, finds: _Finds) -> None:
    encoded = column.dictionary_encode()
    objects = (_value(text) for text in encoded.dictionary.to_pylist())
    _note_each(
        finds,
        encoded,
        [
            [each for n, value in _items(o) for each in tree.strangers(value, (key(n),), n)]
            for o in objects
        ],
    )


def _items(value: object) -> list[tuple[str, object]]:
    return list(value.items()) if isinstance(value, dict) else []


def _note_each(finds: _Finds, encoded: pa.DictionaryArray, names: list[list[str]]) -> None:
    """Note the unknown paths of each distinct text."""
    if not any(names):
        return
    indices = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    for each, rows in zip(names, np.bincount(indices, minlength=len(names)), strict=False):
        finds.unknown.update(dict.fromkeys(each, int(rows)))
    texts = pa.array([", ".join(each) or None for each in names], pa.string())
    finds.strangers.append(texts.take(encoded.indices))


def _note(finds: _Finds, is_there: pa.Array, name: str) -> None:
    rows = is_there.true_count
    if rows:
        finds.unknown[name] += rows
        choice = pa.array([None, name], pa.string())
        finds.strangers.append(choice.take(is_there.cast(pa.int8())))


def _value(text: str | None) -> object:
    """What a cell holds: JSON where it is an object, and the text otherwise."""
    if text is None or not text.startswith("{"):
        return text
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError:
        return text


def value_at(value: object, keys: Keys) -> object:
    """What is below a value; None where nothing is."""
    for each in keys:
        if not isinstance(value, dict):
            return None
        value = next((inner for name, inner in value.items() if key(name) == each), None)
    return value


def _text_at(value: object, keys: Keys, *, is_inner: bool) -> str | None:
    """The text below a value; what other paths look into is none."""
    found = value_at(value, keys)
    return None if is_inner and isinstance(found, dict) else cell_text(found)


def _as_text(column: pa.Array) -> pa.Array:
    return column if column.type == pa.string() else column.cast(pa.string())
