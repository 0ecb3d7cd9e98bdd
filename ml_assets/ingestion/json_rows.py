"""Rows of JSON lines, or of one JSON array, as Arrow batches of text.

Texts are as they are, numbers as they are written, `null` and absent keys are null, and what is
nested becomes JSON text. In JSON lines a line is a row, so one that cannot be read is kept with
its fault and the others are good. But where the first line, or a last one without its newline,
cannot be read, the file is something else or was cut, and it is refused whole; so is an array with
an error anywhere.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa

from ml_assets.errors import SourceError
from ml_assets.ingestion.reading import (
    Columns,
    Reading,
    column_of,
    known_columns,
    match_columns,
)
from ml_assets.ingestion.text import BLOCK_BYTES, TextKind, blocks, text_kind

LONGEST_VALUE_CHARACTERS = 64 << 20
SPACE = " \t\r\n"
SHOWN_CHARACTERS = 60
LOOK_AHEAD = 16
"""An error so close to the end of what was read may only mean that more must be read."""

HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class Number(str):
    """A number, as it is written."""

    __slots__ = ()


class Row(NamedTuple):
    """One row: what it says, or why that cannot be known."""

    values: dict[str, object]
    fault: str | None
    characters: int


class JSONRows:
    """One JSON file.

    Args:
        path: The file.
        reading: How the problem's files are read.
        block_bytes: How much of it is in memory at a time.

    Attributes:
        encoding: How its text is encoded.
        blank_rows: Blank lines, once all batches were read.
        steps: About how many batches there are.
    """

    def __init__(self, path: Path, reading: Reading, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._path = path
        self._reading = reading
        self._block_bytes = block_bytes
        self._kind = text_kind(path)
        self._sources: dict[str, str | None] = {}
        self.encoding = self._kind.encoding
        self.blank_rows = 0
        self.steps = path.stat().st_size // block_bytes + 1

    @property
    def columns(self) -> Columns:
        """What the keys are to the contract's columns, once all batches were read.

        Raises:
            SourceError: If a required one was in no row.
        """
        return match_columns(list(self._sources), self._reading, file=self._path.name)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The contract's columns that the rows have, `_row` and `_fault`, a block at a time."""
        first = 1
        for rows in _blocks_of(self._rows(), self._block_bytes):
            yield self._batch(rows, first)
            first += len(rows)

    def _rows(self) -> Iterator[Row]:
        if not self._is_array():
            yield from self._lines()
            return
        for value, text in _Array(self._path, self._kind, self._block_bytes).values():
            yield _row(value, text)

    def _is_array(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(self._kind.start)
            starts = (block.lstrip(SPACE.encode())[:1] for block in blocks(file))
            return next(filter(None, starts), b"") == b"["

    def _lines(self) -> Iterator[Row]:
        with self._path.open("rb") as file:
            file.seek(self._kind.start)
            is_first = True
            for number, line in enumerate(file, 1):
                text = line.decode(self._kind.encoding).strip(SPACE)
                if not text:
                    self.blank_rows += 1
                    continue
                row = _line(text)
                if row.fault and (is_first or not line.endswith(b"\n")):
                    _refuse_line(self._path, number, row.fault, is_first=is_first)
                is_first = False
                yield row

    def _batch(self, rows: list[Row], first: int) -> pa.RecordBatch:
        self._learn_keys(rows)
        columns = {
            column: pa.array([cell_text(row.values.get(key)) for row in rows], pa.string())
            for key, column in self._sources.items()
            if column is not None
        }
        if self._reading.rest:
            columns[self._reading.rest] = pa.array(map(self._rest, rows), pa.string())
        numbers = pa.array(np.arange(first, first + len(rows)), pa.int64())
        faults = pa.array([row.fault for row in rows], pa.string())
        return pa.record_batch({**columns, "_row": numbers, "_fault": faults})

    def _rest(self, row: Row) -> str | None:
        """What a row has that no column is for."""
        rest = {key: value for key, value in row.values.items() if self._sources[key] is None}
        return json_text(rest) if rest else None

    def _learn_keys(self, rows: Iterable[Row]) -> None:
        keys = {key: None for row in rows for key in row.values}
        if new := keys.keys() - self._sources.keys():
            self._sources |= {k: column_of(k, self._reading) for k in keys if k in new}
            known_columns(list(self._sources), self._reading, file=self._path.name)


class _Array:
    """The values of one JSON array, read a block at a time."""

    def __init__(self, path: Path, kind: TextKind, block_bytes: int) -> None:
        self._path = path
        self._kind = kind
        self._block_bytes = block_bytes
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 1

    def values(self) -> Iterator[tuple[object, str]]:
        """Each value with its text.

        Raises:
            SourceError: If the array is not JSON or not whole; with the line and column.
        """
        with self._path.open("rb") as file:
            file.seek(self._kind.start)
            decoder = codecs.getincrementaldecoder(self._kind.encoding)()
            self._more = (decoder.decode(block) for block in blocks(file, self._block_bytes))
            self._take("[")
            separator = "]" if self._take("]", is_needed=False) else ","
            while separator == ",":
                yield self._value()
                separator = self._take(",]")
            if self._next():
                self._refuse("Extra data")

    def _value(self) -> tuple[object, str]:
        self._next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                within = error.pos - self._at
                if self._may_be_cut(error) and self._read():
                    continue
                self._at += within
                self._refuse(error.msg)
            if end == len(self._text) and self._read():
                continue
            text, self._at = self._text[self._at : end], end
            return value, text

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        is_at_end = error.pos > len(self._text) - LOOK_AHEAD
        is_short = len(self._text) - self._at < LONGEST_VALUE_CHARACTERS
        return is_short and (is_at_end or error.msg.startswith("Unterminated string"))

    def _take(self, expected: str, *, is_needed: bool = True) -> str:
        """The next character, if it is one of `expected`."""
        found = self._next()
        if found and found in expected:
            self._at += 1
            return found
        if is_needed:
            self._refuse(f"Expecting {' or '.join(map(repr, expected))}")
        return ""

    def _next(self) -> str:
        """The next character that is no space; nothing at the end of the file."""
        while True:
            rest = self._text[self._at : self._at + 1]
            if rest and rest not in SPACE:
                return rest
            if rest:
                self._at += 1
            elif not self._read():
                return ""

    def _read(self) -> bool:
        """Forget what was used, and read another block."""
        used = self._text[: self._at]
        self._line, self._column = _after(used, self._line, self._column)
        block = next(self._more, None)
        self._text = self._text[self._at :] + (block or "")
        self._at = 0
        return block is not None

    def _refuse(self, reason: str) -> NoReturn:
        line, column = _after(self._text[: self._at], self._line, self._column)
        reason = reason.removesuffix(" starting at")
        is_over = reason.startswith("Unterminated") or not self._text[self._at :].strip(SPACE)
        cut = ", and the file ends before it is over: it was cut" if is_over else ""
        raise SourceError(
            f"{self._path.name} is not JSON: {reason} in line {line:,}, column {column:,}{cut}. "
            "Nothing of it was taken; deliver it again."
        )


def _after(text: str, line: int, column: int) -> tuple[int, int]:
    """Line and column behind `text`, which begins at `line` and `column`."""
    newlines = text.count("\n")
    if not newlines:
        return line, column + len(text)
    return line + newlines, len(text) - text.rindex("\n")


def _blocks_of(rows: Iterable[Row], block_bytes: int) -> Iterator[list[Row]]:
    some: list[Row] = []
    characters = 0
    for row in rows:
        some.append(row)
        characters += row.characters
        if characters >= block_bytes:
            yield some
            some, characters = [], 0
    if some:
        yield some


def _line(text: str) -> Row:
    """Read one line."""
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        return Row({}, f"not JSON: {error.msg} at column {error.colno}: {text}", len(text))
    return _row(value, text)


def _row(value: object, text: str) -> Row:
    """What a value says as a row."""
    if not isinstance(value, _Object):
        return Row({}, f"not a JSON object: {text}", len(text))
    if value.twice:
        return Row({}, f"key {value.twice!r} twice: {text}", len(text))
    if HALF_PAIR.search(text) and not _is_unicode(value):
        return Row({}, f"half a surrogate pair, which is no text: {text}", len(text))
    return Row(value, None, len(text))


class _Object(dict[str, object]):
    """A JSON object that remembers a key which came twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs] if len(self) < len(pairs) else []
        self.twice = next((key for key in keys if keys.count(key) > 1), None)


DECODER = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_float=Number,
    parse_int=Number,
    parse_constant=Number,
)


def _is_unicode(value: _Object) -> bool:
    try:
        json_text(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def cell_text(value: object) -> str | None:
    """A value as raw has it."""
    if value is None or type(value) is str:
        return value
    return str(value) if isinstance(value, str) else json_text(value)


def json_text(value: object) -> str:
    """A value as JSON text, numbers as they were written."""
    match value:
        case Number():
            return str(value)
        case list():
            return f"[{', '.join(map(json_text, value))}]"
        case dict():
            return (
                f"{{{', '.join(f'{json_text(k)}: {json_text(v)}' for k, v in value.items())}}}"
            )
    return json.dumps(value, ensure_ascii=False)


def _refuse_line(path: Path, number: int, fault: str, *, is_first: bool) -> NoReturn:
    why = (
        "so it is no JSON lines; save one object a line, or one array"
        if is_first
        else "and the file ends without a newline, so it was cut; deliver it whole"
    )
    raise SourceError(
        f"{path.name} line {number:,} is {fault[:SHOWN_CHARACTERS]}…, {why}. "
        "Nothing of it was taken."
    )
