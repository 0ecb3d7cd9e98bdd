"""Values that come again, such as categories and days: what was made of them once is remembered.

Only what says the same of the same value whenever it is asked may be remembered. Long texts are
not: prose hardly comes again. Nor are floats, whose zeros are equal and not the same.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from ml_assets.inference.columns import Row
from ml_assets.inference.transposition import Columns, count_of

LONGEST_REMEMBERED = 60
MOST_REMEMBERED = 2_000
"""So many values are remembered, then the memory starts anew, so that it is bounded."""

UNSEEN: Final = object()
"""Stands for what comes of a value before it is known."""


class Memory(dict[Any, Any]):
    """Values to what comes of them."""

    def keep(self, value: Any, found: Any) -> None:
        """Remember what came of a value, unless it is long."""
        if value.__class__ is str and len(value) > LONGEST_REMEMBERED:
            return
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[value] = found


class Remembered:
    """A function of a row, asked once of rows that say the same in the columns that it reads.

    Args:
        function: Says the same whenever these columns do.
        reads: Names of the columns.
        comes_again: Whether their values may be remembered.
    """

    def __init__(
        self, function: Callable[[Row], Any], reads: Sequence[str], *, comes_again: bool
    ) -> None:
        self._function = function
        self._reads = tuple(reads)
        self._is_one = len(self._reads) == 1
        self._key = itemgetter(*reads) if reads and comes_again else None
        self._known = Memory()

    def one(self, row: Row) -> Any:
        """Return the value for a row."""
        if self._key is None:
            return self._function(row)
        key = self._key(row)
        found = self._known.get(key, UNSEEN)
        return self._learned(key, row) if found is UNSEEN else found

    def many(self, columns: Columns) -> list[Any]:
        """Return the values for n rows."""
        if not self._reads:
            return [self._function({}) for _ in range(count_of(columns))]
        keys = self._keys(columns)
        if self._key is None:
            return [self._function(self._row(key)) for key in keys]
        found = list(map(self._known.get, keys, repeat(UNSEEN)))
        if UNSEEN not in found:
            return found
        unseen = {key for key, value in zip(keys, found, strict=True) if value is UNSEEN}
        news = {key: self._learned(key, self._row(key)) for key in unseen}
        return [
            news[key] if value is UNSEEN else value
            for key, value in zip(keys, found, strict=True)
        ]

    def _learned(self, key: Any, row: Row) -> Any:
        found = self._function(row)
        if self._is_one or all(
            each.__class__ is not str or len(each) <= LONGEST_REMEMBERED for each in key
        ):
            self._known.keep(key, found)
        return found

    def _keys(self, columns: Columns) -> Sequence[Any]:
        if self._is_one:
            return columns[self._reads[0]]
        return list(zip(*(columns[name] for name in self._reads), strict=True))

    def _row(self, key: Any) -> Row:
        return (
            {self._reads[0]: key} if self._is_one else dict(zip(self._reads, key, strict=True))
        )
