"""Values that come again, such as categories and days: what was made of them once is remembered.

Only what says the same of the same value whenever it is asked may be remembered. Long texts are
not: prose hardly comes again. Nor are floats, whose zeros are equal and not the same.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
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
        """Remember what came of a value."""
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
        with suppress(KeyError):
            return list(map(self._known.__getitem__, keys))
        found = {key: self._known.get(key, UNSEEN) for key in set(keys)}
        unseen = [key for key, value in found.items() if value is UNSEEN]
        if self._is_one and sum(map(is_long, unseen)) > len(keys) // 2:
            # Prose: to look for what is the same would take longer.
            return [self._function(self._row(key)) for key in keys]
        for key in unseen:
            found[key] = self._learned(key, self._row(key))
        return list(map(found.__getitem__, keys))

    def _learned(self, key: Any, row: Row) -> Any:
        found = self._function(row)
        if not any(map(is_long, (key,) if self._is_one else key)):
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


def is_long(value: Any) -> bool:
    """Whether a value is a text too long to be remembered."""
    return value.__class__ is str and len(value) > LONGEST_REMEMBERED
