"""Rows sorted by the slice they belong to, once, so that every metric only reduces.

Which slice a row is in, and nothing about metrics.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """A division of n rows into slices.

    Attributes:
        codes: Number of the slice of each row, in [0, slices).
        slices: How many slices there are; each has at least one row.
    """

    codes: npt.NDArray[np.integer]
    slices: int

    @classmethod
    def whole(cls, rows: int) -> "Grouping":
        """All rows in one slice."""
        return cls(codes=np.zeros(rows, dtype=np.int8), slices=1)

    @cached_property
    def counts(self) -> Indices:
        """Rows of each slice."""
        return np.bincount(self.codes, minlength=self.slices)

    @cached_property
    def starts(self) -> Indices:
        """Where each slice begins, once the rows are in `order`."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.intp)

    @cached_property
    def order(self) -> Indices:
        """The rows, slice by slice."""
        return self._sorted(np.arange(len(self.codes)))

    def order_by(self, values: Array) -> Indices:
        """The rows slice by slice, and inside a slice by rising `values`."""
        return self._sorted(np.argsort(values, kind="stable"))

    def sums(self, terms: Array) -> Array:
        """Sums of `terms` (n rows, k columns) in each slice: shape (slices, k)."""
        if self.slices == 1:
            return terms.sum(axis=0, keepdims=True)
        # Counting needs no copy of the terms in another order, as a reduction would.
        return np.stack([self._sum(column) for column in terms.T], axis=1)

    def _sum(self, values: Array) -> Array:
        found = np.bincount(self.codes, weights=values, minlength=self.slices)
        return found.astype(np.float64, copy=False)

    def _sorted(self, order: Indices) -> Indices:
        """Sort by slice and keep `order` inside it; 16 bits let numpy count instead of compare."""
        if self.slices == 1:
            return order
        small = self.codes.astype(np.uint16) if self.slices < 2**16 else self.codes
        return order[np.argsort(small[order], kind="stable")]
