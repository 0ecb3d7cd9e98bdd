"""Text to typed columns, a column at a time.

A cell whose text means no value is null. A cell that cannot be cast is null as well, and is
remembered, so that the verdict can say which rule it broke. Nothing else is judged here.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.times import moment
from ml_assets.problem import Field
from ml_assets.problem.config import Source
from ml_assets.validation.numerals import plain_number

TYPES = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
}
"""How a kind of column is kept in `validated`."""

WORDS = {
    "number": "is not a number",
    "integer": "is not a whole number",
    "boolean": "is neither yes nor no",
    "time": "is not a time",
}
"""What is said of a cell that is not of its column's kind."""

LONGEST_MISSING = 16
"""Longer cells are values, also when they are blank; so long texts are never looked at."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
WHOLE = r"^[+-]?\d{1,18}(\.0*)?$"


class Cast(NamedTuple):
    """A column in its type."""

    cells: pa.ChunkedArray
    uncast: np.ndarray
    """True where the cell had a value that is not of the column's kind; shape (rows,)."""


def cast(texts: pa.ChunkedArray, field: Field, source: Source) -> Cast:
    """Bring one raw column to the kind that the contract says.

    Args:
        texts: Cells as the source has them; n strings or nulls.
        field: The contract's column.
        source: Which texts mean missing, yes and no, and how dates are written.

    Returns:
        n typed cells, and which of them could not be cast.
    """
    present = _without_missing(texts, source.missing)
    if field.kind == "text":
        return Cast(present, np.zeros(len(texts), dtype=bool))
    words = _trimmed(present)
    match field.kind:
        case "time":
            values = _times(words, source.date_formats)
        case "boolean":
            values = _booleans(words, source)
        case "integer":
            values = _integers(_plain(words, source))
        case _:
            values = _numbers(_plain(words, source))
    uncast = pc.and_(pc.is_valid(words), pc.is_null(values))
    return Cast(pa.chunked_array([values]), uncast.to_numpy(zero_copy_only=False))


def _without_missing(texts: pa.ChunkedArray, missing: list[str]) -> pa.ChunkedArray:
    """The cells, with null for every one that means no value."""
    short = pc.less_equal(pc.binary_length(texts), LONGEST_MISSING)
    places = pc.indices_nonzero(short)
    words = pc.utf8_trim_whitespace(texts.take(places))
    hits = pc.is_in(words, value_set=pa.array(missing, words.type))
    if not pc.any(hits).as_py():
        return texts
    mask = np.zeros(len(texts), dtype=bool)
    mask[places.to_numpy()[hits.to_numpy()]] = True
    return pc.if_else(pa.array(~mask), texts, pa.scalar(None, texts.type))


def _trimmed(texts: pa.ChunkedArray) -> pa.Array:
    joined = texts.combine_chunks()
    whole = joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)
    return pc.utf8_trim_whitespace(whole)


def _plain(words: pa.Array, source: Source) -> pa.Array:
    """Numbers without what the source writes at and in them; each distinct text once."""
    rewrite = plain_number(source)
    if rewrite is None:
        return words
    encoded = words.dictionary_encode()
    texts = [text and rewrite(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(texts, words.type).take(encoded.indices)


def _numbers(words: pa.Array) -> pa.Array:
    """Finite numbers; null for other texts."""
    numbers = pc.cast(_only_matching(words, NUMBER), pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _integers(words: pa.Array) -> pa.Array:
    """Whole numbers, also those that pandas wrote as 12.0; null for other texts."""
    digits = pc.replace_substring_regex(_only_matching(words, WHOLE), r"\.0*$", "")
    return pc.cast(pc.utf8_ltrim(digits, "+"), pa.int64())


def _only_matching(words: pa.Array, pattern: str) -> pa.Array:
    fits = pc.match_substring_regex(words, pattern)
    return pc.if_else(fits, words, pa.scalar(None, words.type))


def _booleans(words: pa.Array, source: Source) -> pa.Array:
    """True and false for the texts that the source says; null for others."""
    yes = pc.is_in(words, value_set=pa.array(source.true, words.type))
    no = pc.is_in(words, value_set=pa.array(source.false, words.type))
    return pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_()))


def _times(words: pa.Array, formats: list[str]) -> pa.Array:
    """Times in UTC, read as ingestion reads them; each distinct text once."""
    # Arrow's own strptime is quicker, and makes the 2nd of March out of the 30th of February.
    encoded = words.dictionary_encode()
    moments = [moment(text, formats) for text in encoded.dictionary.to_pylist()]
    return pa.array(moments, TYPES["time"]).take(encoded.indices)
