"""Where a problem's rows come from, and which partitions they belong to."""

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ml_assets.errors import SourceError
from ml_assets.fingerprint import fingerprint, source_hash
from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.feeds import feeds
from ml_assets.ingestion.files import SourceFile, find, source_file
from ml_assets.ingestion.ledger import Content, Delivery, Ledger
from ml_assets.ingestion.placing import UNPLACED, Placing
from ml_assets.ingestion.reading import Reading
from ml_assets.ingestion.report import RefusedFile
from ml_assets.ingestion.rows import read_rows
from ml_assets.ingestion.spool import Spool
from ml_assets.problem import Problem
from ml_assets.progress import track
from ml_assets.storage import Home


class Seen(NamedTuple):
    """What is at the registered places now."""

    files: list[SourceFile]
    """Oldest first."""
    refused: tuple[RefusedFile, ...]
    """Places where nothing is any more."""


def register_source(problem: Problem, home: Home, source: Path) -> None:
    """Remember a file or folder that the problem's rows come from.

    Raises:
        SourceError: If there is no such file or folder, or the file is of no known format.
    """
    place = source.expanduser().resolve()
    if not place.is_dir():
        find(place)
    Ledger(home.store, problem.name).register(place)


def sources(problem: Problem, home: Home) -> list[Path]:
    """The files and folders that the problem's rows come from."""
    return Ledger(home.store, problem.name).places()


def source_partitions(problem: Problem, home: Home) -> list[str]:
    """Partitions that the readable files of the registered sources have rows of, sorted.

    A content that nobody read before is read for it, once.
    """
    found = (_partitions(feed, home) for feed in feeds(problem))
    return sorted(frozenset().union(*found) - {UNPLACED})


def seen(feed: Feed, home: Home) -> Seen:
    """Look at the registered places, for the files that are the feed's."""
    ledger = Ledger(home.store, feed.name)
    paths: dict[Path, None] = {}
    refused: list[RefusedFile] = []
    for place in Ledger(home.store, feed.problem).places():
        try:
            paths |= dict.fromkeys(path for path in find(place) if feed.takes(path))
        except SourceError as error:
            refused.append(RefusedFile(str(place), str(error)))
    ordered = sorted(paths, key=lambda path: (path.stat().st_mtime_ns, str(path)))
    hashes = ledger.hashes(ordered)
    closed = (
        RefusedFile(path.name, CLOSED.format(path)) for path in ordered if path not in hashes
    )
    files = [source_file(path, hashes[path]) for path in ordered if path in hashes]
    return Seen(files, (*refused, *closed))


CLOSED = "{} cannot be opened. Check who may read it."


def is_read(content: Content | None, reading: Reading) -> bool:
    """Whether a content was read the way it would be read now."""
    return content is not None and content.reading == reading_hash(reading)


@cache
def reading_code() -> str:
    """Hash of the source that reads files."""
    return source_hash(read_rows, Placing)


def reading_hash(reading: Reading) -> str:
    """Hash of everything that decides what the rows of a given file are."""
    return fingerprint(code=reading_code(), reading=reading)


def _partitions(feed: Feed, home: Home) -> frozenset[str]:
    """Partitions that the readable files of a feed have rows of."""
    ledger = Ledger(home.store, feed.name)
    files = {file.content_hash: file for file in seen(feed, home).files}
    contents = ledger.contents()
    unread = [f for h, f in files.items() if not is_read(contents.get(h), feed.reading)]
    for file in track(unread, f"look through {feed.name}"):
        contents[file.content_hash] = _look_through(file, feed)
        ledger.note(file.content_hash, contents[file.content_hash])
    found = (contents[each].found for each in files)
    return frozenset(partition for each in found if each for partition in each.rows)


def _look_through(file: SourceFile, feed: Feed) -> Content:
    """Read a file for what it has, keeping none of its rows."""
    written = file.path.stat().st_mtime_ns // 1000
    delivery = Delivery(written, str(file.path), file.path.name, file.content_hash, None)
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "rows") as spool:
        try:
            found = read_rows(
                delivery,
                file.format,
                feed=feed,
                spool=spool,
                wanted=(),
            )
        except SourceError as error:
            return Content(reading_hash(feed.reading), str(error), None)
    return Content(reading_hash(feed.reading), None, found)
