"""One encoder of a fitted pipeline as direct look-ups of a row's values.

Three families cover what the platform fits: numbers, categories and text. Each can do two things:
`weigh` folds the weights of a linear model into its look-ups, `values` gives the features
themselves, for trees. How a fitted encoder is read does not belong here but in `encoders`.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ml_assets.inference.affine import Affine
from ml_assets.inference.bags import TextBag, TextScore

Row = Mapping[str, Any]
"""A feature's value by its name: str, float or bool, and None where it is missing."""


class NumberTerm(NamedTuple):
    """A number's share: (value - center) * slope + offset, or `missing` where there is none.

    A value beyond `low` or `high` counts as if it were there.
    """

    column: str
    center: float = 0.0
    slope: float = 1.0
    offset: float = 0.0
    missing: float = math.nan
    low: float = -math.inf
    high: float = math.inf

    @property
    def is_limited(self) -> bool:
        """Whether some values lie beyond a limit."""
        return self.low > -math.inf or self.high < math.inf

    def share(self, value: float | None) -> float:
        """Return the share of one value."""
        if value is None:
            return self.missing
        return (min(max(value, self.low), self.high) - self.center) * self.slope + self.offset

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Return the shares of n values; NaN stands for a missing one."""
        limited = np.clip(values, self.low, self.high) if self.is_limited else values
        found = (limited - self.center) * self.slope + self.offset
        return np.where(np.isnan(values), self.missing, found)

    def times(self, weight: float) -> "NumberTerm":
        """Return the same share, `weight` times as large."""
        return self._replace(
            slope=self.slope * weight,
            offset=self.offset * weight,
            missing=self.missing * weight,
        )


class CategoryTerm(NamedTuple):
    """A category's share, by its value; a value that training never saw has `unknown`."""

    column: str
    shares: Mapping[Any, float]
    unknown: float


class StepTerm(NamedTuple):
    """A number's share: all or nothing, by whether its feature is more than 0."""

    feature: NumberTerm
    weight: float

    def share(self, value: float | None) -> float:
        """Return the share of one value."""
        feature = self.feature.share(value)
        return math.nan if math.isnan(feature) else self.weight * (feature > 0.0)

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Return the shares of n values; NaN stands for a missing one."""
        features = self.feature.shares(values)
        return np.where(np.isnan(features), np.nan, self.weight * (features > 0.0))

    @property
    def column(self) -> str:
        """The feature that is read."""
        return self.feature.column


class HashedTerm(NamedTuple):
    """A category's share, by its hash; a missing one has none."""

    column: str
    shares: tuple[float, ...]


class TextTerm(NamedTuple):
    """A text's share; `missing` is the text that a missing one is taken for, if any."""

    column: str
    score: TextScore
    missing: str | None


class Terms(NamedTuple):
    """What one encoder adds to a linear score, folded with the weights of its features."""

    constant: float = 0.0
    numbers: tuple[NumberTerm | StepTerm, ...] = ()
    categories: tuple[CategoryTerm, ...] = ()
    hashed: tuple[HashedTerm, ...] = ()
    texts: tuple[TextTerm, ...] = ()


class Numbers(NamedTuple):
    """Encoded numbers: one term per feature."""

    terms: tuple[NumberTerm, ...]

    @property
    def width(self) -> int:
        """How many features the encoder makes."""
        return len(self.terms)

    def weigh(self, weights: np.ndarray) -> Terms:
        """Fold the features' weights into the look-ups."""
        weighted = zip(self.terms, weights.tolist(), strict=True)
        return Terms(numbers=tuple(term.times(weight) for term, weight in weighted))

    def weigh_presence(self, weights: np.ndarray) -> Terms:
        """Fold the weights of features that count only by being more than 0."""
        return Terms(numbers=tuple(map(StepTerm, self.terms, weights.tolist())))

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        return [term.share(row[term.column]) for term in self.terms]


class Category(NamedTuple):
    """One column of an encoder of categories."""

    column: str
    places: Mapping[Any, int]
    """Value to the row of `features` that describes it; None stands for a missing value."""
    features: sp.csr_array
    """What each value changes in the encoder's output; the last row is an unknown value's."""


class Categories(NamedTuple):
    """Encoded categories: what the encoder makes of a base row, and what each value changes."""

    base: np.ndarray
    columns: tuple[Category, ...]

    @property
    def width(self) -> int:
        """How many features the encoder makes."""
        return len(self.base)

    def weigh(self, weights: np.ndarray) -> Terms:
        """Fold the features' weights into the look-ups."""
        terms = []
        for column, places, features in self.columns:
            *shares, unknown = (features @ weights).tolist()
            terms.append(
                CategoryTerm(column, {v: shares[i] for v, i in places.items()}, unknown)
            )
        return Terms(constant=float(self.base @ weights), categories=tuple(terms))

    def weigh_presence(self, weights: np.ndarray) -> Terms:
        """Fold the weights of features that count only by being more than 0."""
        if self.base.any():
            raise ValueError(
                "only the features of single columns can be told present or absent"
            )
        columns = tuple(c._replace(features=_present(c.features)) for c in self.columns)
        return self._replace(columns=columns).weigh(weights)

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        values = self.base.copy()
        for column, places, features in self.columns:
            place = places.get(row[column], len(places))
            span = slice(*features.indptr[place : place + 2])
            values[features.indices[span]] += features.data[span]
        return values.tolist()


class HashedCategories(NamedTuple):
    """Categories that share features by their hash, one block of features per column."""

    columns: tuple[str, ...]
    block: int

    @property
    def width(self) -> int:
        """How many features the encoder makes."""
        return self.block * len(self.columns)

    def weigh(self, weights: np.ndarray) -> Terms:
        """Fold the features' weights into the look-ups."""
        blocks = np.split(weights, len(self.columns))
        shares = [tuple(block.tolist()) for block in blocks]
        return Terms(hashed=tuple(map(HashedTerm, self.columns, shares)))

    def weigh_presence(self, weights: np.ndarray) -> Terms:
        """Fold the weights of features that count only by being more than 0: all of them."""
        return self.weigh(weights)

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        values = [0.0] * self.width
        for number, column in enumerate(self.columns):
            if row[column] is not None:
                values[number * self.block + crc_of(row[column]) % self.block] = 1.0
        return values


class Text(NamedTuple):
    """Encoded text, and the steps after its vectorizer."""

    column: str
    bag: TextBag
    steps: tuple[Affine, ...]
    missing: str | None
    """The text that a missing one is taken for; None where it has no features."""

    @property
    def width(self) -> int:
        """How many features the encoder makes."""
        return len(self.steps[-1].shift) if self.steps else self.bag.width

    def weigh(self, weights: np.ndarray) -> Terms:
        """Fold the features' weights into the look-ups."""
        constant = 0.0
        for step in reversed(self.steps):
            weights, added = step.fold(weights)
            constant += added
        term = TextTerm(self.column, self.bag.weigh(weights), self.missing)
        return Terms(constant=constant, texts=(term,))

    def weigh_presence(self, weights: np.ndarray) -> Terms:
        """Fold the weights of features that count only by being more than 0."""
        if self.steps:
            raise ValueError(
                "only words can be told present or absent, not what is made of them"
            )
        return self._replace(bag=self.bag.of_presence()).weigh(weights)

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        text = row[self.column] if row[self.column] is not None else self.missing
        if text is None:
            return [math.nan] * self.width
        places, found = self.bag.features(text)
        if not self.steps:
            values = np.zeros(self.width)
            values[places] = found
            return values.tolist()
        first, *others = self.steps
        values = first.apply(np.array(found), places)
        for step in others:
            values = step.apply(values)
        return values.tolist()


Lookup = Numbers | Categories | HashedCategories | Text


def _present(features: sp.csr_array) -> sp.csr_array:
    """1 where a feature is more than 0, and NaN where it is NaN."""
    present = features.copy()
    present.data = np.where(np.isnan(features.data), np.nan, features.data > 0)
    return present


def crc_of(category: object) -> int:
    """The hash that the platform's `HashedCategory` gives a category."""
    return zlib.crc32(str(category).encode())
