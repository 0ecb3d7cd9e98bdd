"""Text to numbers, a column at a time: TF-IDF and hashing over words and pairs of words.

A word is a run of two or more bytes that are ASCII letters (lowered), digits, underscores, or part
of any character beyond ASCII other than Latin-1 signs (U+0080 to U+00BF) and general punctuation
(U+2000 to U+203F). A pair is two words that follow each other in one text. `words_of` is the rule
for one text; the transformers apply it to whole columns with Arrow and NumPy, which is why they are
several times faster than scikit-learn's, that call Python for every word.
"""

import math
import re
import warnings
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin

from ml_assets.errors import TrainingError

CHUNK_ROWS = 2_000
"""Texts that are cut into words at a time, so that their bytes stay in the processor's cache."""

THREADS = 2

WORD = re.compile(rb"[0-9a-z_\x80-\xff]{2,}")
SIGN = re.compile(rb"\xc2[\x80-\xbf]|\xe2\x80[\x80-\xbf]")
SPACE = ord(" ")
NONE = -1

Texts = pd.Series | np.ndarray | list[str]


def words_of(text: str) -> list[str]:
    """Cut one text into words.

    Example:
        >>> words_of("I paid $1,200; they don't answer!")
        ['paid', '200', 'they', 'don', 'answer']
    """
    plain = SIGN.sub(b" ", text.encode().lower())
    return [word.decode() for word in WORD.findall(plain)]


class Words(NamedTuple):
    """Texts as runs of word numbers."""

    numbers: np.ndarray
    """Number of every word in `vocabulary`, text after text; shape (words,), int32."""
    starts: np.ndarray
    """Where each text begins in `numbers`, and where the last ends; shape (texts + 1,)."""
    vocabulary: pa.Array
    """The distinct words."""


def cut(texts: Texts) -> Words:
    """Cut texts into words; the same words as `words_of`, for whole columns."""
    column = pa.chunked_array([pa.array(texts, pa.large_string(), from_pandas=True)])
    whole = pc.fill_null(column, "").combine_chunks()
    pieces = _cut_chunks(
        [whole.slice(at, CHUNK_ROWS) for at in range(0, len(whole), CHUNK_ROWS)]
    )
    lengths, found = [each.lengths for each in pieces], [each.words for each in pieces]
    empty = pa.array([], pa.large_string()).dictionary_encode()
    unified = pa.chunked_array([empty, *found]).unify_dictionaries()
    numbers = np.concatenate([chunk.indices.to_numpy() for chunk in unified.chunks])
    vocabulary = unified.chunk(unified.num_chunks - 1).dictionary
    starts = np.concatenate([[0], np.cumsum(np.concatenate([[], *lengths]), dtype=np.int64)])
    return _without_single_bytes(Words(numbers, starts, vocabulary))


class FastTfidf(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of words and pairs of words, with rows of length 1.

    Weights are those of scikit-learn's `TfidfVectorizer`: term frequency (or 1 + ln of it) times
    ln((1 + texts) / (1 + texts with the term)) + 1. Only the rule for words differs.

    Attributes:
        words_: The known words, each followed by a line feed, sorted; bytes.
        word_columns_: Column of each known word; -1 for those that are only parts of pairs.
        pairs_: Known pairs as first word's number times number of words plus the second's, sorted;
            their columns follow those of the words.
        idf_: Weight of each column.
    """

    def __init__(
        self,
        *,
        ngram_range: tuple[int, int] = (1, 1),
        min_df: float = 1,
        max_df: float = 1.0,
        max_features: int | None = None,
        sublinear_tf: bool = False,
    ) -> None:
        self.ngram_range = ngram_range
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.sublinear_tf = sublinear_tf

    def fit(self, texts: Texts, y: object = None) -> Self:
        """Learn the vocabulary and its weights."""
        self.fit_transform(texts, y)
        return self

    def fit_transform(self, texts: Texts, y: object = None) -> sp.csr_matrix:  # noqa: ARG002
        """Learn the vocabulary and its weights, and weigh the same texts."""
        _require_words_or_pairs(self.ngram_range)
        words = _sorted(cut(texts))
        rows, width = len(words.starts) - 1, len(words.vocabulary)
        least = max(math.ceil(_texts(self.min_df, rows)), 1)
        single, times = _frequent_words(words, least)
        keys, pairs, pair_times = self._frequent_pairs(words, single, least)
        counted = _counts([single, pairs], words.starts, width + len(keys))
        del single, pairs
        chunks = deque(counted)
        with_term = np.zeros(width + len(keys), np.int64)
        for each in chunks:
            with_term += np.bincount(each.indices, minlength=len(with_term))
        kept = (with_term >= least) & (with_term <= _texts(self.max_df, rows))
        kept = self._most_frequent(kept, np.concatenate([times, pair_times]))
        if not kept.any():
            warnings.warn(
                f"No word occurs in {least:,} or more of {rows:,} texts, so the text tells the "
                "model nothing. Lower min_df, or leave it out of training.encoders.",
                stacklevel=2,
            )
            return self._remember_nothing(rows)
        self._remember(words.vocabulary, kept[:width], keys[kept[width:]])
        self.idf_ = np.log((1 + rows) / (1 + with_term[kept])) + 1
        return _stacked(self._weigh(_columns(each, kept)) for each in _emptied(chunks))

    def transform(self, texts: Texts) -> sp.csr_matrix:
        """Weigh texts; words that were not seen when fitting count for nothing."""
        words = cut(texts)
        known = self.known_words()
        numbers = pc.index_in(words.vocabulary, pa.array(known, words.vocabulary.type))
        renumbered = pc.fill_null(numbers, NONE).to_numpy()[words.numbers]
        columns = [np.append(self.word_columns_, NONE)[renumbered]]
        if len(self.pairs_):
            keys = _pair_keys(renumbered, words.starts, len(known))
            found = pd.Index(self.pairs_).get_indexer(keys)
            columns.append(np.where(found == NONE, NONE, found + self._word_columns()))
        chunks = _counts(columns, words.starts, len(self.idf_))
        return _stacked(self._weigh(each) for each in chunks)

    def known_words(self) -> list[str]:
        """The words of the vocabulary, by number."""
        return bytes(self.words_).decode().split("\n")[:-1]

    def terms(self) -> dict[str, int]:
        """Column of every word ("late") and pair ("late fee")."""
        words, places = self.known_words(), self.word_columns_.tolist()
        found = {word: place for word, place in zip(words, places, strict=True) if place >= 0}
        first, second = np.divmod(self.pairs_, max(len(words), 1))
        for place, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            found[f"{words[one]} {words[other]}"] = self._word_columns() + place
        return found

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Name the columns: their words and pairs."""
        return np.array(sorted(self.terms(), key=self.terms().__getitem__), dtype=object)

    def _word_columns(self) -> int:
        return int((self.word_columns_ >= 0).sum())

    def _frequent_pairs(
        self, words: Words, single: np.ndarray, least: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys of the frequent pairs, the column of the one that begins at each word, and counts."""
        width = len(words.vocabulary)
        if self.ngram_range[1] == 1:
            return np.empty(0, np.int64), np.full(len(single), NONE, np.int32), np.empty(0, int)
        codes, keys = pd.factorize(_pair_keys(single, words.starts, width))
        times = np.bincount(codes, minlength=len(keys))
        frequent = np.flatnonzero((times >= least) & (keys != NONE))
        order = frequent[np.argsort(keys[frequent])]
        columns = np.full(len(keys), NONE, np.int32)
        columns[order] = width + np.arange(len(order))
        return keys[order], columns[codes], times[order]

    def _most_frequent(self, kept: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Of the columns in `kept`, those with the most occurrences; the first ones on a tie."""
        if self.max_features is None or kept.sum() <= self.max_features:
            return kept
        places = np.flatnonzero(kept)
        ranked = places[np.argsort(-times[places], kind="stable")]
        chosen = np.zeros_like(kept)
        chosen[ranked[: self.max_features]] = True
        return chosen

    def _remember(self, vocabulary: pa.Array, kept: np.ndarray, keys: np.ndarray) -> None:
        """Keep the words that have a column or are part of a pair, and the pairs."""
        width = len(vocabulary)
        needed = kept.copy()
        needed[np.concatenate(np.divmod(keys, max(width, 1))).astype(np.int64)] = True
        text = "".join(f"{word}\n" for word in vocabulary.filter(pa.array(needed)).to_pylist())
        self.words_ = np.frombuffer(text.encode(), dtype=np.uint8)
        columns = np.where(kept, np.cumsum(kept) - 1, NONE)[needed]
        self.word_columns_ = columns.astype(np.int32)
        numbers = np.cumsum(needed) - 1
        first, second = np.divmod(keys, max(width, 1))
        self.pairs_ = numbers[first] * int(needed.sum()) + numbers[second]

    def _remember_nothing(self, rows: int) -> sp.csr_matrix:
        """Know the empty word only, which no text has: scikit-learn wants at least one column."""
        self.words_ = np.frombuffer(b"\n", dtype=np.uint8)
        self.word_columns_ = np.zeros(1, np.int32)
        self.pairs_ = np.empty(0, np.int64)
        self.idf_ = np.ones(1)
        return sp.csr_matrix((rows, 1))

    def _weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """Term frequencies to weights, rows to length 1."""
        times = np.log(counts.data) + 1 if self.sublinear_tf else counts.data
        counts.data = times * self.idf_[counts.indices]
        return _of_length_one(counts)


class HashedText(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Words and pairs of words, each in the column that its hash says; learns nothing.

    The column of a word is its CRC-32 modulo `columns`, that of a pair the CRC-32 of both words
    with a space between. Counts are scaled to rows of length 1.
    """

    def __init__(self, *, columns: int = 2**18, ngram_range: tuple[int, int] = (1, 1)) -> None:
        self.columns = columns
        self.ngram_range = ngram_range

    def fit(self, texts: Texts, y: object = None) -> Self:  # noqa: ARG002
        """Do nothing but check the options; hashing has nothing to learn."""
        _require_words_or_pairs(self.ngram_range)
        self.columns_ = int(self.columns)
        return self

    def transform(self, texts: Texts) -> sp.csr_matrix:
        """Count words and pairs by column."""
        words = cut(texts)
        vocabulary = words.vocabulary.to_pylist()
        found = [hashed(iter(vocabulary), self.columns_)[words.numbers]]
        if self.ngram_range[1] > 1:
            keys = _pair_keys(words.numbers, words.starts, len(vocabulary))
            codes, distinct = pd.factorize(keys)
            first, second = np.divmod(distinct, max(len(vocabulary), 1))
            names = (
                f"{vocabulary[a]} {vocabulary[b]}" for a, b in zip(first, second, strict=True)
            )
            columns = np.where(distinct == NONE, NONE, hashed(names, self.columns_))
            found.append(columns[codes])
        chunks = _counts(found, words.starts, self.columns_)
        return _stacked(_of_length_one(each.astype(float)) for each in chunks)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Name the columns by their number."""
        return np.array([f"hash_{column}" for column in range(self.columns_)], dtype=object)


def hashed(texts: Iterator[str], columns: int) -> np.ndarray:
    """Column of each text: its CRC-32 modulo `columns`; the same on every machine."""
    found = [zlib.crc32(text.encode()) % columns for text in texts]
    return np.array(found, dtype=np.int32)


class _Piece(NamedTuple):
    """Some texts cut into words, those of one byte included."""

    lengths: np.ndarray
    """Words of each text."""
    words: pa.DictionaryArray


def _cut_chunks(chunks: list[pa.Array]) -> list[_Piece]:
    """Cut several at a time, since Arrow and NumPy let others run while they work."""
    if len(chunks) < THREADS:
        return [_cut_chunk(chunk) for chunk in chunks]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_cut_chunk, chunks))


def _cut_chunk(texts: pa.Array) -> _Piece:
    starts = np.frombuffer(texts.buffers()[1], np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    data = texts.buffers()[2]
    bytes_ = (
        np.frombuffer(data, np.uint8)[starts[0] : starts[-1]] if data else np.empty(0, np.uint8)
    )
    plain = BYTES[bytes_]
    for lead, follower, length in ((0xC2, None, 2), (0xE2, 0x80, 3)):
        places = np.flatnonzero(bytes_ == lead)
        if follower is not None:
            places = places[bytes_[places + 1] == follower]
        for step in range(length):
            plain[places + step] = SPACE
    offsets = pa.py_buffer(starts - starts[0])
    lists = pc.ascii_split_whitespace(
        pa.LargeStringArray.from_buffers(len(texts), offsets, pa.py_buffer(plain))
    )
    lengths = pc.list_value_length(lists).to_numpy()
    return _Piece(lengths, lists.flatten().dictionary_encode())


def _byte_table() -> np.ndarray:
    """What each byte becomes: letters lowered, digits and bytes beyond ASCII kept, others space."""
    table = np.full(256, SPACE, np.uint8)
    table[128:] = np.arange(128, 256)
    for kept in b"0123456789_abcdefghijklmnopqrstuvwxyz":
        table[kept] = kept
    table[ord("A") : ord("Z") + 1] = np.arange(ord("a"), ord("z") + 1)
    return table


BYTES = _byte_table()


def _without_single_bytes(words: Words) -> Words:
    long = np.flatnonzero((pc.binary_length(words.vocabulary).to_numpy() > 1)[words.numbers])
    starts = np.searchsorted(long, words.starts)
    return words._replace(numbers=words.numbers[long], starts=starts)


def _sorted(words: Words) -> Words:
    """The same with the vocabulary in the order of its bytes, without words that nobody says."""
    order = pc.array_sort_indices(words.vocabulary).to_numpy()
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order))
    return words._replace(
        numbers=number[words.numbers], vocabulary=words.vocabulary.take(order)
    )


def _pair_keys(numbers: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Key of the pair that begins at each word; -1 at the end of a text or by an unknown word."""
    keys = np.full(len(numbers), NONE, np.int64)
    keys[:-1] = numbers[:-1].astype(np.int64) * width + numbers[1:]
    unknown = numbers == NONE
    keys[unknown] = NONE
    keys[:-1][unknown[1:]] = NONE
    ends = starts[1:] - 1
    keys[ends[ends >= 0]] = NONE
    return keys


def _texts(share_or_count: float, rows: int) -> float:
    """A number of texts that was given as such (whole) or as a share of all."""
    is_count = isinstance(share_or_count, int | np.integer)
    return share_or_count if is_count else share_or_count * rows


def _frequent_words(words: Words, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of each word that occurs often enough (-1: another), and how often each occurs."""
    times = np.bincount(words.numbers, minlength=len(words.vocabulary))
    numbers = np.where(times >= least, np.arange(len(times), dtype=np.int32), np.int32(NONE))
    return numbers[words.numbers], times


def _counts(
    columns: list[np.ndarray], starts: np.ndarray, width: int
) -> Iterator[sp.csr_matrix]:
    """How often each text has each column, some texts at a time.

    Args:
        columns: One or two arrays with a column for every word (-1: none).
        starts: Where each text begins in them.
        width: Number of columns.
    """
    for at in range(0, max(len(starts) - 1, 1), CHUNK_ROWS):
        bounds = starts[at : at + CHUNK_ROWS + 1]
        here = np.column_stack([each[bounds[0] : bounds[-1]] for each in columns]).ravel()
        known = np.flatnonzero(here != NONE)
        indptr = np.searchsorted(known, (bounds - bounds[0]) * len(columns))
        parts = (np.ones(len(known), np.int32), here[known].astype(np.int32), indptr)
        counts = sp.csr_matrix(parts, shape=(len(bounds) - 1, width))
        counts.sum_duplicates()
        yield counts


def _of_length_one(weights: sp.csr_matrix) -> sp.csr_matrix:
    """Divide each row by its length; rows of nothing stay nothing."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    squares = np.bincount(rows, weights=weights.data**2, minlength=weights.shape[0])
    weights.data /= np.sqrt(squares)[rows]
    return weights


def _emptied(chunks: deque[sp.csr_matrix]) -> Iterator[sp.csr_matrix]:
    """Hand the chunks out one by one, keeping none."""
    while chunks:
        yield chunks.popleft()


def _stacked(chunks: Iterator[sp.csr_matrix]) -> sp.csr_matrix:
    """The chunks as one matrix; joined array by array, so that little is in memory twice."""
    parts = [(each.data, each.indices, np.diff(each.indptr), each.shape) for each in chunks]
    data, indices, lengths, shapes = (list(column) for column in zip(*parts, strict=True))
    del parts
    whole = np.concatenate(data)
    data.clear()
    columns = np.concatenate(indices)
    indices.clear()
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
    shape = (sum(rows for rows, _ in shapes), shapes[0][1])
    return sp.csr_matrix((whole, columns, starts), shape=shape)


def _columns(counts: sp.csr_matrix, kept: np.ndarray) -> sp.csr_matrix:
    """Some columns of a matrix, in their order."""
    renumbered = np.where(kept, np.cumsum(kept) - 1, NONE)[counts.indices]
    known = np.flatnonzero(renumbered != NONE)
    parts = (counts.data[known], renumbered[known], np.searchsorted(known, counts.indptr))
    return sp.csr_matrix(parts, shape=(counts.shape[0], int(kept.sum())))


def _require_words_or_pairs(ngram_range: tuple[int, int]) -> None:
    if tuple(ngram_range) not in {(1, 1), (1, 2)}:
        raise TrainingError(
            f"ngram_range is [1, 1] for words or [1, 2] for words and pairs, got {ngram_range}."
        )
