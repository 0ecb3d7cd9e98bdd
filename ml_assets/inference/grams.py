"""Words and pairs of words of ASCII texts, looked up all at once.

Every word of the vocabulary has a number, and a pair of words is one integer made of two numbers.
Words, pairs and their counts are then arrays, for one text as for a thousand. Only vectorizers
whose cut is known (`tokens.Splitting`) and that look no further than pairs can be read this way;
`bags` does the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.inference.tokens import Splitting

LONGEST = 2
"""Words in the longest n-gram that is looked up here."""

FIBONACCI = np.uint64(0x9E3779B97F4A7C15)
"""2 ** 64 over the golden ratio: multiplying by it spreads integers that lie close together."""

SLOTS_PER_KEY = 8
"""Room in a table of pairs; the more, the fewer keys share a slot."""

NOWHERE = -1


class Grams(NamedTuple):
    """Features of n texts: each distinct n-gram of each text once."""

    texts: np.ndarray
    """Which text; shape (m,)."""
    places: np.ndarray
    """Which feature; shape (m,)."""
    counts: np.ndarray
    """How often; shape (m,)."""


class GramTable:
    """The vocabulary of a text vectorizer, by numbers of words."""

    def __init__(self, vocabulary: Mapping[str, int], splitting: Splitting) -> None:
        grams = [
            (gram, place)
            for gram, place in ((text.split(" "), place) for text, place in vocabulary.items())
            if can_occur(gram, splitting)
        ]
        words = dict.fromkeys(word for gram, _ in grams for word in gram)
        self._splitting = splitting
        self._numbers = {word: number for number, word in enumerate(words, start=1)}
        self._base = len(words) + 1
        self._known = pa.array([*words, *sorted(splitting.dropped), ""])
        self._singles = np.full(self._base, NOWHERE)
        for gram, place in grams:
            if len(gram) == 1:
                self._singles[self._numbers[gram[0]]] = place
        pairs = [(gram, place) for gram, place in grams if len(gram) == LONGEST]
        self._pairs = PairTable(
            np.array([self._number(pair) for pair, _ in pairs], dtype=np.int64),
            np.array([place for _, place in pairs], dtype=np.int64),
        )

    def of_one(self, text: str) -> Grams:
        """Return the features of one ASCII text."""
        table, dropped, _ = self._splitting
        words = [word for word in text.translate(table).split() if word not in dropped]
        found = map(self._numbers.get, words, repeat(0))
        numbers = np.fromiter(found, dtype=np.int64, count=len(words))
        places = np.concatenate(
            (self._singles[numbers], self._pairs[numbers[:-1] * self._base + numbers[1:]])
        )
        places, counts = _counted(places[places >= 0])
        return Grams(np.zeros_like(places), places, counts)

    def of_many(self, texts: Sequence[str]) -> Grams:
        """Return the features of n ASCII texts."""
        numbers, of_text = self._words(texts)
        places, of_place = self._singles[numbers], of_text
        if self._splitting.ngrams[1] > 1:
            together = of_text[:-1] == of_text[1:]
            pairs = (numbers[:-1] * self._base + numbers[1:])[together]
            places = np.concatenate((places, self._pairs[pairs]))
            of_place = np.concatenate((of_text, of_text[:-1][together]))
        known = places >= 0
        bits = max(int(places.max(initial=0)), 1).bit_length()
        keys = (of_place[known] << bits) | places[known]
        if len(texts) << bits <= np.iinfo(np.int32).max:
            keys = keys.astype(np.int32)  # half the bytes to sort
        keys, counts = _counted(keys)
        return Grams(keys >> bits, keys & ((1 << bits) - 1), counts)

    def _words(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Number the words of n texts, dropped ones left out; 0 for those not in the vocabulary."""
        words = pc.ascii_split_whitespace(_translated(texts, self._splitting.table))
        found = pc.index_in(words.values, value_set=self._known)
        numbers = pc.add(found, 1).fill_null(0).to_numpy()
        of_text = np.repeat(np.arange(len(texts)), np.diff(words.offsets.to_numpy()))
        kept = numbers < self._base
        return numbers[kept].astype(np.int64), of_text[kept]

    def _number(self, pair: Iterable[str]) -> int:
        first, second = (self._numbers[word] for word in pair)
        return first * self._base + second


def _translated(texts: Sequence[str], table: str) -> pa.LargeStringArray:
    """Replace the characters of n ASCII texts, all of them at once."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    bytes_ = "".join(texts).encode("ascii").translate(table.encode("ascii").ljust(256))
    buffers = pa.py_buffer(offsets), pa.py_buffer(bytes_)
    return pa.LargeStringArray.from_buffers(len(texts), *buffers)


def can_occur(gram: Sequence[str], splitting: Splitting) -> bool:
    """Whether a text can hold an n-gram; a vocabulary that was given may have others."""
    shortest, longest = splitting.ngrams
    return shortest <= len(gram) <= longest and splitting.dropped.isdisjoint(gram)


class PairTable:
    """Integers to integers, asked about by whole arrays; a key that is not there has -1.

    Each slot of an array holds one key; the few keys that find their slot taken are in a dict.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray) -> None:
        bits = (SLOTS_PER_KEY * max(len(keys), 1)).bit_length()
        self._shift = np.uint64(64 - bits)
        self._keys = np.full(1 << bits, NOWHERE)
        self._values = np.full(1 << bits, NOWHERE)
        taken, first = np.unique(self._slots(keys), return_index=True)
        self._keys[taken], self._values[taken] = keys[first], values[first]
        others = np.delete(keys, first), np.delete(values, first)
        self._others = dict(zip(*(part.tolist() for part in others), strict=True))

    def __getitem__(self, keys: np.ndarray) -> np.ndarray:
        slots = self._slots(keys)
        found, values = self._keys[slots], self._values[slots]
        shared = np.flatnonzero((found != keys) & (found != NOWHERE))
        values[shared] = [self._others.get(key, NOWHERE) for key in keys[shared].tolist()]
        return values

    def _slots(self, keys: np.ndarray) -> np.ndarray:
        return ((keys.view(np.uint64) * FIBONACCI) >> self._shift).view(np.int64)


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct keys in order, and how often each occurs."""
    keys.sort()
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]), len(keys) - 1)[: len(keys)]
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    counts[:1] += 1
    return keys[ends], counts
