"""Rows of one source to rows of the contract, by its mapping.

A column at a time, each distinct text once. As many rows come out as went in, in their order;
a row that cannot be mapped says why, and what it has of the other columns.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import ProblemError
from ml_assets.ingestion.mapping.amounts import Amounts, amounts
from ml_assets.ingestion.mapping.catalogue import rule_id
from ml_assets.ingestion.mapping.declaration import Mapping as SourceMapping
from ml_assets.ingestion.mapping.declaration import Rule
from ml_assets.ingestion.mapping.exchanging import exchanged
from ml_assets.ingestion.mapping.money import NO_RATES, Rates
from ml_assets.ingestion.mapping.paths import find
from ml_assets.ingestion.mapping.readings import (
    NONE,
    Texts,
    numbers,
    read,
    unchanged,
)


class Hits(NamedTuple):
    """What a rule did: `rows` is the sum of `applied`, `missing` and `refused`."""

    rows: int
    """That it was asked about."""
    applied: int
    """That it gave a value."""
    converted: int
    """Of these, where the value is not the source's own text."""
    missing: int
    """Where it found no text."""
    refused: int
    """Where it found a text that it cannot read."""

    def plus(self, other: "Hits") -> "Hits":
        """The hits of two batches."""
        return Hits(*(one + more for one, more in zip(self, other, strict=True)))


class Mapped(NamedTuple):
    """Rows of the contract, and what was done to make them."""

    rows: pa.RecordBatch
    """The mapping's columns as text; n rows, in the order of the source's."""
    faults: pa.Array
    """Every reason why a row cannot be mapped, in one text; null where there is none."""
    given: pa.Array
    """JSON: by column, the source's own text where it was converted; null where none was."""
    hits: Mapping[str, Hits]
    """By the id of a rule."""
    unknown: Mapping[str, int]
    """Paths that the mapping does not know, and how many rows have something there."""


def apply(
    mapping: SourceMapping, batch: pa.RecordBatch, *, rates: Rates | None = None
) -> Mapped:
    """Map rows of a source.

    Args:
        mapping: The source's.
        batch: Rows of raw: n rows of text, the columns that the mapping names, `_fault` where
            a row could not be read, and what `declaration.ORIGIN` says where a rule asks for it.
        rates: What currencies were worth; needed where a rule has one.

    Raises:
        ProblemError: If rates are needed and there are none.
    """
    found = find(mapping, batch)
    columns = _Columns(mapping, found.texts, len(batch), rates)
    for column in mapping.columns:
        columns.fill(column)
    rows = pa.record_batch({name: columns.done[name].values for name in mapping.columns})
    strangers = found.strangers if mapping.strict else ()
    reasons = [
        *([batch.column("_fault")] if "_fault" in batch.schema.names else []),
        *(pc.binary_join_element_wise("unknown path ", each, "") for each in strangers),
        *(columns.done[name].reasons for name in mapping.columns),
    ]
    return Mapped(
        rows=rows,
        faults=_joined(reasons, len(batch)),
        given=_objects(
            {name: columns.done[name].given for name in mapping.columns}, len(batch)
        ),
        hits=columns.hits,
        unknown=found.unknown,
    )


def add_hits(some: Mapping[str, Hits], more: Mapping[str, Hits]) -> dict[str, Hits]:
    """The hits of several batches of one source."""
    return {
        name: some[name].plus(more[name]) if name in some and name in more else hits
        for name, hits in {**some, **more}.items()
    }


def add_unknown(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """The unknown paths of several batches of one source."""
    return dict(Counter(some) + Counter(more))


class _Columns:
    """Fills the contract's columns, first those whose days others need.

    Attributes:
        done: The columns that are filled.
        hits: What the rules did.
    """

    def __init__(
        self,
        mapping: SourceMapping,
        texts: Mapping[str, pa.Array],
        length: int,
        rates: Rates | None,
    ) -> None:
        self._mapping = mapping
        self._texts = texts
        self._length = length
        self._rates = rates
        self.done: dict[str, Texts] = {}
        self.hits: dict[str, Hits] = {}

    def fill(self, column: str) -> None:
        """Fill a column by its rules: the first that finds a text."""
        if column in self.done:
            return
        rules = self._mapping.columns[column]
        for day in filter(None, (rule.dated_by for rule in rules)):
            self.fill(day)
        filled = unchanged(pa.nulls(self._length, pa.string()))
        for number, rule in enumerate(rules):
            is_asked = pc.and_(pc.is_null(filled.values), pc.is_null(filled.reasons))
            texts = self._by_rule(rule, column)
            self.hits[rule_id(self._mapping, column, number)] = _hits(texts, is_asked)
            filled = _where(is_asked, texts, filled)
        self.done[column] = filled

    def _by_rule(self, rule: Rule, column: str) -> Texts:
        if rule.constant is not None:
            return unchanged(pa.repeat(pa.scalar(rule.constant, pa.string()), self._length))
        if rule.id_of:
            return unchanged(self._ids(rule))
        words = self._words(rule).dictionary_encode()
        distinct, indices = words.dictionary, words.indices
        if not rule.is_number:
            formats = [*rule.dates, *self._mapping.dates]
            return _of(column, read(distinct, rule, formats)).take(indices)
        found = amounts(distinct, rule, rule.decimal or self._mapping.decimal)
        if not rule.currency:
            return _of(column, numbers(distinct, found, rule)).take(indices)
        return self._in_currency(rule, column, words, found)

    def _words(self, rule: Rule) -> pa.Array:
        """The first text that a row has at the rule's paths, trimmed; null where it has none."""
        missing = pa.array([*self._mapping.missing, *rule.missing], pa.string())
        there = [self._texts[path] for path in rule.path if path in self._texts]
        words = [_present(texts, missing, rule.cut_at) for texts in there]
        return pc.coalesce(*words) if words else pa.nulls(self._length, pa.string())

    def _ids(self, rule: Rule) -> pa.Array:
        """The source's name and the texts at some paths; null where all are missing."""
        nothing = pa.nulls(self._length, pa.string())
        missing = pa.array(self._mapping.missing, pa.string())
        parts = [_present(self._texts.get(path, nothing), missing, None) for path in rule.id_of]
        name = pa.repeat(pa.scalar(self._mapping.source, pa.string()), self._length)
        texts = pc.binary_join_element_wise(name, *(pc.fill_null(p, "") for p in parts), ":")
        return pc.if_else(pc.is_valid(pc.coalesce(*parts)), texts, NONE)

    def _in_currency(
        self, rule: Rule, column: str, words: pa.DictionaryArray, found: Amounts
    ) -> Texts:
        """Amounts of money at the rate of each row's day."""
        if self._rates is None and rule.currency != rule.to:
            raise ProblemError(
                f"{self._mapping.source}: columns.{column} converts {rule.currency} and there is "
                "no table of rates. Give one (Rates.from_file)."
            )
        days = self.done[str(rule.dated_by)].values
        return _of(column, exchanged(words, found, days, rule, self._rates or NO_RATES))


def _present(texts: pa.Array, missing: pa.Array, cut_at: str | None) -> pa.Array:
    """Trimmed texts, null where one means no value; each distinct one is looked at once."""
    encoded = texts.dictionary_encode()
    words = pc.utf8_trim_whitespace(encoded.dictionary)
    if cut_at:
        first = [word and word.split(cut_at, 1)[0] for word in words.to_pylist()]
        words = pc.utf8_trim_whitespace(pa.array(first, pa.string()))
    words = pc.if_else(pc.is_in(words, value_set=missing), NONE, words)
    return words.take(encoded.indices)


def _of(column: str, texts: Texts) -> Texts:
    """Texts whose reasons and givens name the column."""
    reasons = pc.binary_join_element_wise(f"{column}: ", texts.reasons, "")
    return texts._replace(reasons=reasons)


def _where(is_asked: pa.Array, texts: Texts, others: Texts) -> Texts:
    pairs = zip(texts, others, strict=True)
    return Texts(*(pc.if_else(is_asked, one, other) for one, other in pairs))


def _hits(texts: Texts, is_asked: pa.Array) -> Hits:
    def rows(some: pa.Array) -> int:
        return pc.and_(is_asked, pc.is_valid(some)).true_count

    asked, applied, refused = is_asked.true_count, rows(texts.values), rows(texts.reasons)
    return Hits(
        rows=asked,
        applied=applied,
        converted=rows(texts.given),
        missing=asked - applied - refused,
        refused=refused,
    )


def _joined(reasons: Sequence[pa.Array], length: int) -> pa.Array:
    """The reasons of each row, in one text."""
    some = [each for each in reasons if each.null_count < length]
    return _concatenated(some, "; ", length)


def _objects(columns: Mapping[str, pa.Array], length: int) -> pa.Array:
    """For each row, a JSON object of the columns that have something."""
    members = [
        pc.binary_join_element_wise(f"{json.dumps(name)}: ", texts, "")
        for name, texts in columns.items()
        if texts.null_count < length
    ]
    inside = _concatenated(members, ", ", length)
    return pc.binary_join_element_wise("{", inside, "}", "")


def _concatenated(texts: Sequence[pa.Array], between: str, length: int) -> pa.Array:
    """The texts of each row, one behind the other; null where it has none."""
    if not texts:
        return pa.nulls(length, pa.string())
    # Its null_handling="skip" gave fewer rows than it was given.
    ended = (pc.fill_null(pc.binary_join_element_wise(each, between, ""), "") for each in texts)
    joined = pc.binary_join_element_wise(*ended, "")
    trimmed = pc.utf8_slice_codeunits(joined, 0, -len(between))
    return pc.if_else(pc.equal(joined, ""), NONE, trimmed)
