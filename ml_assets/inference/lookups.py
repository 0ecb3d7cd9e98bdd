"""One encoder of a fitted pipeline as direct look-ups of a row's values.

Three families cover what the platform fits: numbers, categories and text. Each can do two things:
`weigh` folds the weights of a linear model into its look-ups, `values` gives the features
themselves, for trees. How a fitted encoder is read does not belong here but in `encoders`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ml_assets.inference.affine import Affine
from ml_assets.inference.bags import TextBag, TextScore

Row = Mapping[str, Any]
"""A feature's value by its name: str, float or bool, and None where it is missing."""


class NumberTerm(NamedTuple):
    """A number's share: (value - center) * slope + offset, or `missing` where there is none."""

    column: str
    center: float
    slope: float
    offset: float
    missing: float

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


class TextTerm(NamedTuple):
    """A text's share."""

    column: str
    score: TextScore


class Terms(NamedTuple):
    """What one encoder adds to a linear score, folded with the weights of its features."""

    constant: float = 0.0
    numbers: tuple[NumberTerm, ...] = ()
    categories: tuple[CategoryTerm, ...] = ()
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

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        values = []
        for column, center, slope, offset, missing in self.terms:
            value = row[column]
            values.append(missing if value is None else (value - center) * slope + offset)
        return values


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

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        values = self.base.copy()
        for column, places, features in self.columns:
            place = places.get(row[column], len(places))
            span = slice(*features.indptr[place : place + 2])
            values[features.indices[span]] += features.data[span]
        return values.tolist()


class Text(NamedTuple):
    """Encoded text, and the steps after its vectorizer."""

    column: str
    bag: TextBag
    steps: tuple[Affine, ...]

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
        return Terms(constant=constant, texts=(TextTerm(self.column, self.bag.weigh(weights)),))

    def values(self, row: Row) -> list[float]:
        """Return the features of `row`."""
        places, found = self.bag.features(row[self.column])
        values = np.zeros(self.bag.width)
        values[places] = found
        for step in self.steps:
            values = step.apply(values)
        return values.tolist()


Lookup = Numbers | Categories | Text
