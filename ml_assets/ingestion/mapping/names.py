"""Names of columns and keys, compared as people mean them.

"Year built", `yearBuilt` and `year_built` are one name.
"""

import difflib
from collections.abc import Iterable
from functools import cache

from ml_assets.ingestion.reading import snake_case


@cache
def key(name: str) -> str:
    """A name in the spelling in which names are compared."""
    return name if name.startswith("_") else snake_case(name)


def keys_of(path: str) -> tuple[str, ...]:
    """The keys of a path, in that spelling.

    Example:
        >>> keys_of("temprature system.cooler")
        ('temprature_system', 'cooler')
    """
    return tuple(map(key, path.split(".")))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)
