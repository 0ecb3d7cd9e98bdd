"""Which of the values that sources say of one field becomes the entity's.

The winner is always something that somebody said; ties go to the smallest row id, so that the order
of rows does not matter. A missing value is nothing said: leave it out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_assets.errors import SourceError
from ml_assets.problem.duplicates import SurvivorRule


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one row says of a field."""

    value: str | float
    row: str
    source: str
    said_at: datetime


def survivor(said: Sequence[Said], rule: SurvivorRule, *, trusted: Sequence[str] = ()) -> Said:
    """Choose the value that stays, together with the row and the source that said it.

    Args:
        said: What each row says; at least one, each row once.
        rule: `newest`; `trusted`: the first source of `trusted`; `longest` text; `median`: the lower
            one of an even number; `most_frequent`.
        trusted: Sources, the most trusted first; a source that is not named comes last.

    Raises:
        SourceError: If nothing was said, or the median of texts is asked for.
    """
    if not said:
        raise SourceError("No row says a value of this field; leave the field missing instead.")
    by_row = sorted(said, key=lambda one: one.row)
    if rule == "median":
        return _median(by_row)
    return max(by_row, key=_merit(by_row, rule, trusted))


def _merit(
    said: Sequence[Said], rule: SurvivorRule, trusted: Sequence[str]
) -> Callable[[Said], float | datetime]:
    times = Counter(one.value for one in said)
    ranks = {source: -rank for rank, source in enumerate(trusted)}
    merits: dict[SurvivorRule, Callable[[Said], float | datetime]] = {
        "newest": lambda one: one.said_at,
        "trusted": lambda one: ranks.get(one.source, -len(ranks)),
        "longest": lambda one: len(str(one.value)),
        "most_frequent": lambda one: times[one.value],
    }
    return merits[rule]


def _median(said: Sequence[Said]) -> Said:
    numbers = [(one.value, one) for one in said if not isinstance(one.value, str)]
    if len(numbers) < len(said):
        raise SourceError("Texts have no median; choose another rule for this field.")
    return sorted(numbers, key=lambda pair: pair[0])[(len(numbers) - 1) // 2][1]
