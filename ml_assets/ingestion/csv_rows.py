"""Rows of a CSV as Arrow batches of text, exactly as the file has them.

Newlines inside quotes, four delimiters, UTF-8 or cp1252. A file that ends inside a quote, or whose
columns cannot be told, is refused whole. A row that is too long or too short is kept with
its fault; a row without any text is left out and counted. Nothing is dropped in silence.
"""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ml_assets.errors import SourceError
from ml_assets.ingestion.quotes import cut, records
from ml_assets.ingestion.reading import Columns, Reading, column_of, match_columns, with_rest
from ml_assets.ingestion.text import BLOCK_BYTES, TextKind, line_at, text_kind

DELIMITERS = (",", ";", "\t", "|")
LONGEST_ROW_BYTES = 64 << 20
"""A quote that is never closed swallows the rest of the file; nobody writes so long a text."""
LINES_BEFORE_HEADER = 30
"""How far down a header is looked for, to say where it is."""


class Ragged(NamedTuple):
    """A row that has another number of fields than the header."""

    number: int
    text: str


class Header(NamedTuple):
    """What the first record of a CSV says."""

    delimiter: str
    names: list[str]
    end: int


class CSVRows:
    """One CSV file.

    Args:
        path: The file.
        reading: How the problem's files are read.
        block_bytes: How much of it is in memory at a time.
        longest_row_bytes: A longer row is taken for a quote that was never closed.

    Attributes:
        columns: What the file's columns are to the contract.
        encoding: How its text is encoded.
        blank_rows: Rows without any text, once all batches were read.
        steps: About how many batches there are.
    """

    def __init__(
        self,
        path: Path,
        reading: Reading,
        *,
        block_bytes: int = BLOCK_BYTES,
        longest_row_bytes: int = LONGEST_ROW_BYTES,
    ) -> None:
        self._path = path
        self._reading = reading
        self._block_bytes = block_bytes
        self._longest_row_bytes = longest_row_bytes
        self._kind = text_kind(path)
        self._header = _header(path, self._kind, reading)
        self.columns = match_columns(self._header.names, reading, file=path.name)
        self.encoding = self._kind.encoding
        self.blank_rows = 0
        self.steps = path.stat().st_size // block_bytes + 1

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The contract's columns that the file has, `_row` and `_fault`, a block at a time."""
        rows = 0
        delimiter = self._header.delimiter
        with self._path.open("rb") as file:
            file.seek(self._header.end)
            for chunk in self._whole_records(file, delimiter.encode()):
                texts = _as_utf8(chunk, self._kind)
                table = _parsed(texts, delimiter, len(self._header.names))
                kept = _without_blank(table)
                self.blank_rows += table.num_rows - kept.num_rows
                if kept.num_rows:
                    named = _named(kept, self.columns, first_row=rows + 1)
                    yield self._with_rest(named, kept)
                rows += kept.num_rows

    def _with_rest(self, named: pa.RecordBatch, rows: pa.Table) -> pa.RecordBatch:
        """The same rows with what the reading has no column for, where that is kept."""
        known = set(self.columns.known.values())
        others = {
            name or f"column {i + 1}": rows.column(i)
            for i, name in enumerate(self._header.names)
            if i not in known
        }
        return with_rest(named, others, self._reading.rest) if self._reading.rest else named

    def _whole_records(self, file: BinaryIO, delimiter: bytes) -> Iterator[bytes]:
        """The rest of the file in pieces of whole records.

        Raises:
            SourceError: If the file ends inside a quote, or one is never closed.
        """
        rest = b""
        start = file.tell()
        while block := file.read(self._block_bytes):
            while block.endswith(b"\r") and (more := file.read(1)):
                block += more
            rest += block
            end, open_quote = cut(rest, delimiter)
            if end == 0 and len(rest) > self._longest_row_bytes:
                _refuse_endless_row(self._path, start + (open_quote or 0), len(rest))
            yield rest[:end]
            rest = rest[end:]
            start += end
        _, open_quote = cut(rest, delimiter)
        if open_quote is not None:
            _refuse_cut_file(self._path, start + open_quote)
        yield rest


def _header(path: Path, kind: TextKind, reading: Reading) -> Header:
    """Find the delimiter that makes most of the contract's columns of the first record.

    Raises:
        SourceError: If the first record is no header, or a later one is.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)[kind.start :]
    found = [_first_records(head, delimiter, kind) for delimiter in DELIMITERS]
    first = max(
        (each[0] for each in found if each), key=lambda h: _known(h, reading), default=None
    )
    later = max(
        (h for each in found for h in each[1:]), key=lambda h: _known(h, reading), default=None
    )
    if first is None:
        raise SourceError(f"{path.name} holds blank lines only. Deliver it again.")
    if later is not None and _known(later, reading)[0] > max(_known(first, reading)[0], 1):
        _refuse_text_before_header(path, head, later)
    if _known(first, reading)[0] == 0:
        _refuse_without_header(path, first, reading)
    return first._replace(end=first.end + kind.start)


def _first_records(head: bytes, delimiter: str, kind: TextKind) -> list[Header]:
    """The first records that are not blank, each as if it were the header."""
    found = []
    for number, record in enumerate(records(head, delimiter.encode())):
        names = [field.decode(kind.encoding, "replace") for field in record.fields]
        if any(name.strip() for name in names):
            found.append(Header(delimiter, names, record.end))
        if number >= LINES_BEFORE_HEADER:
            break
    return found


def _known(header: Header, reading: Reading) -> tuple[int, int]:
    """How many of the contract's columns a header names; then how many names it has."""
    known = {column_of(name, reading) for name in header.names} - {None}
    return len(known), len(header.names)


def _refuse_text_before_header(path: Path, head: bytes, header: Header) -> NoReturn:
    line = 1 + head[: header.end].rstrip(b"\r\n").count(b"\n")
    raise SourceError(
        f"{path.name} has text before its header: line {line} looks like the header. "
        f"Delete the {line - 1} lines above it."
    )


def _refuse_without_header(path: Path, first: Header, reading: Reading) -> NoReturn:
    seen = ", ".join(repr(name[:40]) for name in first.names[:6])
    raise SourceError(
        f"{path.name} has no header: its first line ({seen}) names no column of the contract. "
        f"Put the names into the first line: {', '.join(reading.columns)}."
    )


def _refuse_cut_file(path: Path, position: int) -> NoReturn:
    raise SourceError(
        f"{path.name} ends inside a quoted text: the quote that opens in line "
        f"{line_at(path, position):,} is never closed, so the file was cut, or a quote is missing. "
        "Nothing of it was taken; deliver it whole."
    )


def _refuse_endless_row(path: Path, position: int, size: int) -> NoReturn:
    raise SourceError(
        f"{path.name} has a row of more than {size:,} bytes, near line "
        f"{line_at(path, position):,}: probably a quote that opens there is never closed. "
        "Nothing of the file was taken; mend the quote."
    )


def _as_utf8(chunk: bytes, kind: TextKind) -> bytes:
    if kind.encoding != "utf-8":
        return chunk.decode(kind.encoding).encode()
    # Arrow takes a mark at the start of what it reads for no text; here it is text.
    return codecs.BOM_UTF8 + chunk if chunk.startswith(codecs.BOM_UTF8) else chunk


def _parsed(chunk: bytes, delimiter: str, width: int) -> pa.Table:
    """Rows of `chunk` in order: `width` columns of text named by position, and `_fault`."""
    names = [str(i) for i in range(width)]
    if not chunk:
        return pa.table({name: pa.array([], pa.string()) for name in [*names, "_fault"]})
    ragged: list[Ragged] = []

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        ragged.append(Ragged(row.number, row.text))
        return "skip"

    table = pyarrow.csv.read_csv(
        pa.BufferReader(chunk),
        pyarrow.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=len(chunk) + 1
        ),
        pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=keep,
        ),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    whole = table.append_column("_fault", pa.nulls(table.num_rows, pa.string()))
    return _with_ragged(whole, ragged, delimiter) if ragged else whole


def _with_ragged(whole: pa.Table, ragged: list[Ragged], delimiter: str) -> pa.Table:
    """Put rows of another length back to their places, as far as their fields go."""
    width = whole.num_columns - 1
    texts = [_fields(row.text, delimiter) for row in ragged]
    columns = [[text[i] if i < len(text) else None for text in texts] for i in range(width)]
    faults = [_fault(text, width) for text in texts]
    broken = pa.table(
        [pa.array(values, pa.string()) for values in [*columns, faults]], whole.column_names
    )
    places = np.array([row.number - 1 for row in ragged])
    others = np.setdiff1d(np.arange(whole.num_rows + len(places)), places, assume_unique=True)
    order = np.argsort(np.concatenate([others, places]))
    return pa.concat_tables([whole, broken]).take(order)


def _fields(text: str, delimiter: str) -> list[str]:
    if not text.strip():
        return [""]
    record = next(records(text.encode(), delimiter.encode()))
    return [field.decode() for field in record.fields]


def _fault(fields: list[str], width: int) -> str:
    """Say what is wrong with a row; what found no column is kept there."""
    fault = f"ragged: {len(fields)} fields, {width} expected"
    if len(fields) <= width:
        return fault
    beyond = json.dumps(fields[width:], ensure_ascii=False)
    return f"{fault}; beyond the last column: {beyond}"


def _without_blank(table: pa.Table) -> pa.Table:
    """Leave out the rows in which no field has any text."""
    is_blank: pa.ChunkedArray | None = None
    for column in table.columns[:-1]:
        is_empty = pc.fill_null(pc.equal(pc.binary_length(column), 0), fill_value=True)
        is_blank = is_empty if is_blank is None else pc.and_(is_blank, is_empty)
        if not pc.any(is_blank).as_py():
            return table
    return table.filter(pc.invert(is_blank))


def _named(table: pa.Table, columns: Columns, *, first_row: int) -> pa.RecordBatch:
    numbers = pa.array(np.arange(first_row, first_row + table.num_rows), pa.int64())
    values = {name: table.column(i) for name, i in columns.known.items()}
    named = pa.table({**values, "_row": numbers, "_fault": table.column("_fault")})
    return named.combine_chunks().to_batches()[0]
