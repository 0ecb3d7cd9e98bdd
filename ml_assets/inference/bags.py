"""What a text is worth: its n-grams looked up directly.

A text vectorizer followed by a linear model is one weight per n-gram, divided by the length of
the text's vector. Both sums run over the same n-grams, so a weight and a share of the length are
one complex number and one pass. Where n-grams come from is the matter of `tokens`.
"""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress, repeat
from typing import Literal, NamedTuple, Protocol

import numpy as np
from sklearn.utils import murmurhash3_32

from ml_assets.inference.grams import LONGEST, Grams, GramTable
from ml_assets.inference.tokens import Analyzer, Splitting

Norm = Literal["l1", "l2"] | None

MOST_PLACES = 200_000
"""So many hashed n-grams are remembered, then the memory starts anew, so that it is bounded."""

SHORT = 200
"""Up to so many characters, looking n-grams up by name is quicker than setting up arrays."""


class Weighting(NamedTuple):
    """What becomes of the count of an n-gram before it is a feature."""

    sublinear: bool
    binary: bool
    norm: Norm

    def of_count(self, count: float) -> float:
        """Turn a count of at least one into a term frequency."""
        if self.binary:
            return 1.0
        return 1.0 + math.log(count) if self.sublinear else float(count)

    def of_counts(self, counts: np.ndarray) -> np.ndarray:
        """Turn counts of at least one into term frequencies."""
        if self.binary:
            return np.ones(len(counts))
        return 1.0 + np.log(counts) if self.sublinear else counts.astype(float)


PRESENCE = Weighting(sublinear=False, binary=True, norm=None)


class Bag(NamedTuple):
    """The features of one text: where they are, and their values; no place twice."""

    places: list[int]
    values: list[float]


class TextScore(Protocol):
    """A text's share of a linear model's score."""

    def one(self, text: str) -> float:
        """Score one text."""

    def many(self, texts: Sequence[str]) -> np.ndarray:
        """Score n texts; shape (n,)."""


class TextBag(Protocol):
    """A text vectorizer, taken apart."""

    width: int

    def of_presence(self) -> "TextBag":
        """Return the same with a 1 for each feature that is more than 0."""

    def features(self, text: str) -> Bag:
        """Return what the vectorizer makes of `text`."""

    def weigh(self, weights: np.ndarray) -> TextScore:
        """Return the score of a text under one weight per feature; shape (width,)."""


class VocabularyBag:
    """N-grams that were seen in training, each with a feature of its own."""

    def __init__(
        self,
        analyze: Analyzer,
        vocabulary: Mapping[str, int],
        *,
        splitting: Splitting | None,
        weighting: Weighting,
        idf: np.ndarray | None,
    ) -> None:
        self.width = len(vocabulary)
        self.analyze = analyze
        self.splitting = splitting
        self.places = {gram: int(place) for gram, place in vocabulary.items()}
        self.weighting = weighting
        self.idf = np.ones(self.width) if idf is None else idf

    def of_presence(self) -> "VocabularyBag":
        """Return the same with a 1 for each feature that is more than 0."""
        return VocabularyBag(
            self.analyze, self.places, splitting=self.splitting, weighting=PRESENCE, idf=None
        )

    def features(self, text: str) -> Bag:
        """Return what the vectorizer makes of `text`."""
        found = map(self.places.get, self.analyze(text))
        counts = Counter(place for place in found if place is not None)
        frequencies = map(self.weighting.of_count, counts.values())
        values = [
            f * idf for f, idf in zip(frequencies, self.idf[[*counts]].tolist(), strict=True)
        ]
        return Bag(list(counts), _normed(values, self.weighting.norm))

    def weigh(self, weights: np.ndarray) -> TextScore:
        """Return the score of a text under one weight per feature; shape (width,)."""
        return VocabularyScore(self, weights)


class VocabularyScore:
    """The score of a text by one look-up per n-gram: by name, or by number where that is known.

    By name is quicker for one text of single words; for pairs, and for many texts, numbers are.
    """

    def __init__(self, bag: VocabularyBag, weights: np.ndarray) -> None:
        worth = weights * bag.idf
        lengths = _length_shares(bag.idf, bag.weighting.norm)
        self._analyze = bag.analyze
        self._weighting = bag.weighting
        self._worth = worth
        self._lengths = lengths
        self._by_name = {
            gram: complex(worth[place], lengths[place]) for gram, place in bag.places.items()
        }
        self._table = _table(bag)
        self._pairs = self._table if bag.splitting and bag.splitting.ngrams[1] > 1 else None

    def one(self, text: str) -> float:
        """Score one text."""
        if self._pairs is not None and len(text) > SHORT and text.isascii():
            return self._sum(self._pairs.of_one(text))
        counts = Counter(self._analyze(text))
        total = sum(map(self._by_name.get, counts, repeat(0j)), 0j)
        if not self._weighting.binary:
            total += sum(self._more_than_once(counts), 0j)
        return _over_length(total, self._weighting.norm)

    def many(self, texts: Sequence[str]) -> np.ndarray:
        """Score n texts; shape (n,)."""
        if self._table is None:
            return np.fromiter(map(self.one, texts), dtype=float, count=len(texts))
        plain = np.fromiter(map(str.isascii, texts), dtype=bool, count=len(texts))
        scores = np.empty(len(texts))
        ascii_texts = list(compress(texts, plain))
        scores[plain] = self._sums(self._table.of_many(ascii_texts), len(ascii_texts))
        scores[~plain] = [self.one(text) for text in compress(texts, ~plain)]
        return scores

    def _sum(self, grams: Grams) -> float:
        """Add up what the n-grams of one text are worth, over the text's length."""
        frequencies = self._weighting.of_counts(grams.counts)
        total = float(frequencies @ self._worth[grams.places])
        powers = frequencies**2 if self._weighting.norm == "l2" else frequencies
        length = float(powers @ self._lengths[grams.places])
        return _over_length(complex(total, length), self._weighting.norm)

    def _sums(self, grams: Grams, texts: int) -> np.ndarray:
        """Add up what the n-grams of each text are worth, over the text's length."""
        frequencies = self._weighting.of_counts(grams.counts)
        totals = np.bincount(grams.texts, frequencies * self._worth[grams.places], texts)
        norm = self._weighting.norm
        if norm is None:
            return totals
        powers = frequencies**2 if norm == "l2" else frequencies
        lengths = np.bincount(grams.texts, powers * self._lengths[grams.places], texts)
        lengths = np.sqrt(lengths) if norm == "l2" else lengths
        return totals / np.where(lengths > 0, lengths, 1.0)

    def _more_than_once(self, counts: Counter[str]) -> Iterable[complex]:
        """What n-grams add that occur more than once, beyond their first occurrence."""
        squared = self._weighting.norm == "l2"
        for gram, count in counts.items():
            if count > 1 and gram in self._by_name:
                worth = self._by_name[gram]
                frequency = self._weighting.of_count(count)
                length = frequency * frequency if squared else frequency
                yield complex(worth.real * (frequency - 1.0), worth.imag * (length - 1.0))


def _table(bag: VocabularyBag) -> GramTable | None:
    """Number the words of a vocabulary, where texts are cut in a way that allows it."""
    if bag.splitting is None or bag.splitting.ngrams[1] > LONGEST:
        return None
    return GramTable(bag.places, bag.splitting)


class HashedBag:
    """N-grams that share features by their hash."""

    def __init__(
        self,
        analyze: Analyzer,
        *,
        width: int,
        place: Callable[[str], tuple[int, int]],
        signed: bool = False,
        weighting: Weighting,
        idf: np.ndarray | None,
    ) -> None:
        self.width = width
        self.idf = idf
        self._place = place
        self._signed = signed
        self._analyze = analyze
        self._weighting = weighting
        self._places = Places(place)

    def of_presence(self) -> "HashedBag":
        """Return the same with a 1 for each feature that is more than 0."""
        if self._signed:
            raise ValueError("hashed words may cancel each other out, and are then absent")
        return HashedBag(
            self._analyze, width=self.width, place=self._place, weighting=PRESENCE, idf=None
        )

    def features(self, text: str) -> Bag:
        """Return what the vectorizer makes of `text`."""
        sums: dict[int, float] = {}
        for gram, count in Counter(self._analyze(text)).items():
            place, sign = self._places[gram]
            sums[place] = sums.get(place, 0.0) + sign * count
        values = [self._value(place, total) for place, total in sums.items()]
        return Bag(list(sums), _normed(values, self._weighting.norm))

    def weigh(self, weights: np.ndarray) -> TextScore:
        """Return the score of a text under one weight per feature; shape (width,)."""
        return HashedScore(self, weights)

    def _value(self, place: int, total: float) -> float:
        if self._weighting.binary:
            total = 1.0
        elif self._weighting.sublinear:
            total = self._weighting.of_count(total)
        return total if self.idf is None else total * float(self.idf[place])


class HashedScore:
    """The score of a text whose n-grams are hashed."""

    def __init__(self, bag: HashedBag, weights: np.ndarray) -> None:
        self._bag = bag
        self._weights = weights

    def one(self, text: str) -> float:
        """Score one text."""
        places, values = self._bag.features(text)
        return float(self._weights[places] @ np.array(values)) if places else 0.0

    def many(self, texts: Sequence[str]) -> np.ndarray:
        """Score n texts; shape (n,)."""
        return np.fromiter(map(self.one, texts), dtype=float, count=len(texts))


class Places(dict[str, tuple[int, int]]):
    """N-gram to its feature and sign; what was hashed once is remembered."""

    def __init__(self, place: Callable[[str], tuple[int, int]]) -> None:
        super().__init__()
        self._place = place

    def __missing__(self, gram: str) -> tuple[int, int]:
        if len(self) >= MOST_PLACES:
            self.clear()
        found = self[gram] = self._place(gram)
        return found


def murmur_place(gram: str, *, width: int, signed: bool) -> tuple[int, int]:
    """Feature and sign of an n-gram, as scikit-learn's `FeatureHasher` has them."""
    value = int(murmurhash3_32(gram, seed=0))
    return abs(value) % width, -1 if signed and value < 0 else 1


def crc_place(gram: str, *, width: int) -> tuple[int, int]:
    """Feature and sign of an n-gram, as the platform's `HashedText` has them."""
    return zlib.crc32(gram.encode()) % width, 1


def _length_shares(idf: np.ndarray, norm: Norm) -> np.ndarray:
    """What each n-gram, occurring once, adds to the sum that the norm is made of."""
    match norm:
        case "l1":
            return idf
        case "l2":
            return idf**2
    return np.zeros_like(idf)


def _over_length(total: complex, norm: Norm) -> float:
    """Divide a weighted sum by the length that was summed up beside it."""
    if norm is None or total.imag == 0.0:
        return total.real
    return total.real / (math.sqrt(total.imag) if norm == "l2" else total.imag)


def _normed(values: list[float], norm: Norm) -> list[float]:
    """Divide `values` by their length."""
    if norm is None:
        return values
    length = math.hypot(*values) if norm == "l2" else sum(map(abs, values))
    return [value / length for value in values] if length else values
