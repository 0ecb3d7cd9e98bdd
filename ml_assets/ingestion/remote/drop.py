"""A folder of fetched files: JSON lines, written whole and then renamed.

The name of a file is its number, when it was fetched and the cursor of its newest row, such as
`000002--20261129T020000Z--2026-11-28.jsonl`. The newest file thus says where to go on. Rows that
have exactly its cursor are asked for again, since more may have come; those that are there already
are not kept twice.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from ml_assets.errors import SourceError
from ml_assets.ingestion.json_rows import DECODER, json_text

ENDING = ".jsonl"
BETWEEN = "--"
PARTS = 3
LONGEST_CURSOR = 120
"""Characters of a file name, once its own are taken off, that every file system has."""


class Line(NamedTuple):
    """A row as a file has it, and how new it is."""

    text: str
    cursor: str | None


class Fetched(NamedTuple):
    """What a fetch brought."""

    files: tuple[Path, ...]
    """Those that were added."""
    rows: int
    """That they have."""
    known_rows: int
    """That came again, and were there already."""
    cursor: str | None
    """Of the newest row that is there now."""


class Drop:
    """The drop folder of one source.

    Args:
        folder: Made if it is not there.
        now: When the fetch began; files are dated with it.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self._folder = folder
        self._now = now
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(f".*{ENDING}.part"):
            unfinished.unlink()

    @property
    def cursor(self) -> str | None:
        """How far the newest file got."""
        names = self._names()
        return unquote(names[-1].split(BETWEEN)[2]) or None if names else None

    def last_texts(self) -> Iterator[str]:
        """Lines of every file that got as far as the newest."""
        last = self.cursor
        for name in self._names():
            if (unquote(name.split(BETWEEN)[2]) or None) == last:
                with (self._folder / f"{name}{ENDING}").open(encoding="utf-8") as file:
                    yield from (line.rstrip("\n") for line in file)

    def newest_file_is(self, texts: Sequence[str]) -> bool:
        """Whether the newest file has just these lines."""
        names = self._names()
        if not names:
            return False
        there = (self._folder / f"{names[-1]}{ENDING}").read_text(encoding="utf-8")
        return there == _joined(texts)

    def write(self, texts: Sequence[str], cursor: str | None) -> Path:
        """Add a file, whole."""
        quoted = quote(cursor or "", safe="")
        if len(quoted) > LONGEST_CURSOR:
            raise SourceError(
                f"The cursor {cursor!r} has {len(quoted)} characters, at most {LONGEST_CURSOR} fit "
                "into a file's name. Choose a column that says in fewer how new a row is."
            )
        names = self._names()
        number = int(names[-1].split(BETWEEN)[0]) + 1 if names else 1
        stamp = self._now.strftime("%Y%m%dT%H%M%SZ")
        path = self._folder / f"{number:06d}{BETWEEN}{stamp}{BETWEEN}{quoted}{ENDING}"
        unfinished = self._folder / f".{path.name}.part"
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.write(_joined(texts))
            file.flush()
            os.fsync(file.fileno())
        return unfinished.rename(path)

    def _names(self) -> list[str]:
        """Names of the files, oldest first, without their ending."""
        stems = (path.name.removesuffix(ENDING) for path in self._folder.glob(f"*{ENDING}"))
        return sorted(stem for stem in stems if len(stem.split(BETWEEN)) == PARTS)


def row_text(row: object) -> str:
    """A row as a line, numbers as they were written."""
    return json_text(row)


def row_of(text: str) -> object:
    """What a line says."""
    return DECODER.decode(text)


def order(cursor: str) -> tuple[int, Decimal, str]:
    """What cursors are compared by: numbers as numbers, other texts as texts."""
    try:
        return 0, Decimal(cursor), ""
    except InvalidOperation:
        return 1, Decimal(0), cursor


def _joined(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
