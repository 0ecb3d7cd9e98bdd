"""What is new at a remote source, into its drop folder."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ml_assets.errors import SourceError
from ml_assets.ingestion.json_rows import cell_text
from ml_assets.ingestion.mapping.declaration import Mapping as SourceMapping
from ml_assets.ingestion.remote.database import rows as rows_of_table
from ml_assets.ingestion.remote.drop import Drop, Fetched, Line, order, row_of, row_text
from ml_assets.ingestion.remote.endpoint import cursor_of, pages
from ml_assets.progress import track
from ml_assets.storage import Home
from ml_assets.storage.turns import one_at_a_time

FILE_ROWS = 10_000


def fetch(
    mapping: SourceMapping,
    folder: Path,
    *,
    home: Home,
    environment: Mapping[str, str],
    now: datetime,
    file_rows: int = FILE_ROWS,
) -> Fetched:
    """Add to a drop folder what its source has that is new.

    With a cursor, only rows from the newest one on are asked for. Where they come in its order, a
    file is kept for every `file_rows` of them, so that a fetch that was killed goes on there;
    otherwise one file is kept at the end. Without a cursor all rows are fetched, and kept if they
    are others than last time.

    Args:
        mapping: Of the source; says the endpoint or the table.
        folder: Where its files are.
        home: Only one fetch of a source runs in it at a time.
        environment: Has the secrets that the mapping names.
        now: When the fetch begins.
        file_rows: Rows of a file, about.

    Raises:
        SourceError: If the source cannot be read, or a row has no cursor.
    """
    with one_at_a_time(home, f"fetch-{mapping.source}"):
        drop = Drop(folder, now)
        lines = track(_lines(mapping, drop.cursor, environment), f"fetch {mapping.source}")
        if not _cursor_name(mapping):
            return _keep_all(drop, lines)
        is_rising = mapping.table is not None or (
            mapping.rest is not None and mapping.rest.is_rising
        )
        return _keep_new(mapping, drop, lines, file_rows if is_rising else None)


def _lines(
    mapping: SourceMapping, since: str | None, environment: Mapping[str, str]
) -> Iterator[Line]:
    """Rows of the source, from a cursor on."""
    if mapping.rest:
        for page in pages(mapping.rest, since=since, environment=environment):
            for row in page:
                yield Line(row_text(row), cursor_of(row, mapping.rest))
    elif mapping.table:
        for row in rows_of_table(mapping.table, since=since, environment=environment):
            yield Line(row_text(row), _cursor_in(row, mapping))
    else:
        raise SourceError(
            f"{mapping.source} is not fetched from anywhere: its mapping has neither rest nor table."
        )


def _cursor_name(mapping: SourceMapping) -> str | None:
    place = mapping.rest or mapping.table
    return place.cursor if place else None


def _cursor_in(row: object, mapping: SourceMapping) -> str | None:
    if mapping.rest and isinstance(row, dict):
        return cursor_of(row, mapping.rest)
    name = _cursor_name(mapping)
    return cell_text(row.get(name)) if name and isinstance(row, dict) else None


def _keep_all(drop: Drop, lines: Iterator[Line]) -> Fetched:
    texts = [line.text for line in lines]
    if not texts or drop.newest_file_is(texts):
        return Fetched((), 0, len(texts), None)
    return Fetched((drop.write(texts, None),), len(texts), 0, None)


def _keep_new(
    mapping: SourceMapping, drop: Drop, lines: Iterator[Line], file_rows: int | None
) -> Fetched:
    since = drop.cursor
    there = Counter(
        text for text in drop.last_texts() if _cursor_in(row_of(text), mapping) == since
    )
    files: list[Path] = []
    some: list[Line] = []
    rows = known = 0
    for line in lines:
        cursor = _required(line.cursor, mapping)
        if since is not None and order(cursor) < order(since):
            known += 1
        elif cursor == since and there[line.text]:
            there[line.text] -= 1
            known += 1
        else:
            some.append(line)
        if len(some) == file_rows:
            files.append(_write(drop, some))
            rows, some = rows + len(some), []
    if some:
        files.append(_write(drop, some))
    return Fetched(tuple(files), rows + len(some), known, drop.cursor)


def _write(drop: Drop, lines: list[Line]) -> Path:
    cursors = [line.cursor for line in lines if line.cursor is not None]
    return drop.write([line.text for line in lines], max(cursors, key=order))


def _required(cursor: str | None, mapping: SourceMapping) -> str:
    if cursor is None:
        raise SourceError(
            f"{mapping.source}: a row has no {_cursor_name(mapping)}, so it cannot be known how new "
            "it is. Choose another cursor, or none, so that all rows are fetched each time."
        )
    return cursor
