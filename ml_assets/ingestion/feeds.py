"""The feeds of a problem, and which of them a file belongs to.

A file goes to the source whose mapping names it, and otherwise to the one whose columns it has. What
a file is to its source then is for `reading`.
"""

import difflib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ml_assets.errors import SourceError
from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.files import FORMATS as FORMAT_OF
from ml_assets.ingestion.files import Stamp, find
from ml_assets.ingestion.ledger import Ledger
from ml_assets.ingestion.reading import Reading, snake_case
from ml_assets.ingestion.report import RefusedFile
from ml_assets.ingestion.rows import FORMATS
from ml_assets.ingestion.sources import (
    MappedSource,
    is_fetched,
    mapped_sources,
    source_feed,
)
from ml_assets.problem import Problem
from ml_assets.storage import Home

ENOUGH = 0.6
"""Of the columns that a mapping or a file has, the share that both have, from which it is its."""


class Fit(NamedTuple):
    """How well a file's columns fit a mapping."""

    share: float
    source: str


def feeds(problem: Problem) -> tuple[Feed, ...]:
    """Every feed of a problem: one for each source where it has several."""
    sources = mapped_sources(problem)
    if not sources:
        return (Feed.of(problem),)
    return tuple(_feed(problem, each, sources) for each in sources.values())


def feed_of(problem: Problem, source: str) -> Feed:
    """The feed of one source.

    Raises:
        SourceError: If the problem has no such source; the message lists those it has.
    """
    sources = mapped_sources(problem)
    if source not in sources:
        near = difflib.get_close_matches(source, sources, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SourceError(
            f"{problem.name} has no source {source!r}; it has: {', '.join(sources) or 'none'}."
            f"{hint}"
        )
    return _feed(problem, sources[source], sources)


def strangers(problem: Problem, home: Home) -> Iterator[RefusedFile]:
    """Files at the registered places that no source of the problem knows."""
    sources = mapped_sources(problem)
    for path in _files(problem, home) if sources else ():
        if owner(path, sources) is None:
            yield RefusedFile(path.name, _why(problem, path, sources))


def owner(path: Path, sources: Mapping[str, MappedSource]) -> str | None:
    """The source that a file belongs to; None where no mapping knows it."""
    named = [name for name, each in sources.items() if _is_named(path, each)]
    if named:
        return max(fit for fit in _fits(path, sources) if fit.source in named).source
    best = nearest(path, sources)
    return best.source if best is not None and best.share >= ENOUGH else None


def nearest(path: Path, sources: Mapping[str, MappedSource]) -> Fit | None:
    """The source whose columns a file has most of; None where it has none of any."""
    best = max(_fits(path, sources), default=None)
    return best if best is not None and best.share else None


def _feed(problem: Problem, source: MappedSource, sources: Mapping[str, MappedSource]) -> Feed:
    return source_feed(problem, source, takes=lambda path: owner(path, sources) == source.name)


def _files(problem: Problem, home: Home) -> Iterator[Path]:
    for place in Ledger(home.store, problem.name).places():
        try:
            yield from find(place)
        except SourceError:
            continue  # a place where nothing is any more is told of by every feed


def _is_named(path: Path, source: MappedSource) -> bool:
    is_like = any(fnmatch(path.name, pattern) for pattern in source.mapping.files)
    return is_like or is_fetched(path, source.name)


def _fits(path: Path, sources: Mapping[str, MappedSource]) -> list[Fit]:
    """How well a file fits each source: of the columns that one of them knows, those that both do."""
    columns = {name: frozenset(each.mapping.raw_columns) for name, each in sources.items()}
    stamp = Stamp.of(path)
    found = _columns(stamp, frozenset().union(*columns.values())) if stamp else frozenset()
    return [Fit(len(found & own) / len(found | own), name) for name, own in columns.items()]


@cache
def _columns(stamp: Stamp, known: frozenset[str]) -> frozenset[str]:
    """The columns of a file, in snake case; none where they cannot be told."""
    path = Path(stamp.path)
    reading = Reading(
        columns=tuple(sorted(known)),
        names={name: name for name in known},
        required=(),
        entity_id="",
        event_time="",
        missing=(),
        date_formats=(),
        grain="daily",
    )
    try:
        rows = FORMATS[FORMAT_OF[path.suffix.lower()]](path, reading)
        next(rows.batches(), None)
        found = rows.columns
    except SourceError:
        return frozenset()
    return frozenset({*found.known, *map(snake_case, found.ignored)}) - {""}


def _why(problem: Problem, path: Path, sources: Mapping[str, MappedSource]) -> str:
    best = nearest(path, sources)
    near = (
        f"The nearest is {best.source}, which shares {best.share:.0%} of the columns"
        if best
        else "It shares no column with any of them"
    )
    return (
        f"no source of {problem.name} knows this file (known: {', '.join(sources)}). {near}. Write "
        f"a mapping for it: ml-assets sources {problem.name} add {path} --name NAME"
    )
