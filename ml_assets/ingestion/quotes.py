"""Where the rows of a CSV begin and end: commas, newlines and quotes, and nothing of their meaning.

The grammar is that of Arrow's parser, which reads the values: a quote opens a text only at the
start of a field, two quotes inside of one are a quote, and what follows the closing quote is
taken as it is. It is held to Arrow's by a property test.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

QUOTE = 34
NEWLINES = b"\r\n"


class Record(NamedTuple):
    """One record of a CSV."""

    fields: list[bytes]
    end: int
    """Where the next record begins."""
    is_whole: bool
    """Whether a newline ended it."""
    open_quote: int | None
    """Where the quote stands that is still open when the bytes end."""


class Cut(NamedTuple):
    """How many of some bytes are whole records."""

    end: int
    open_quote: int | None
    """Where the quote stands that is open when the bytes end; None when none is."""


def cut(block: bytes, delimiter: bytes) -> Cut:
    """Find the end of the last whole record in `block`, which begins with a record.

    Where every quote stands where the grammar wants it, a newline ends a record exactly when the
    number of quotes before it is even; that is found without looking at each byte. Anything
    else is read field by field, eight times slower.

    Example:
        >>> cut(b'1,"two', b",")
        Cut(end=0, open_quote=2)
    """
    values = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(values == QUOTE)
    if not _stand_where_wanted(values, quotes, delimiter):
        return _cut_by_field(block, delimiter)
    end = _last_outside(block, b"\n", quotes) or _last_outside(block, b"\r", quotes)
    return Cut(end, _open_quote(values, quotes) if len(quotes) % 2 else None)


def records(block: bytes, delimiter: bytes) -> Iterator[Record]:
    r"""Every record of `block`, which begins with one; the last may not be whole.

    Example:
        >>> [record.fields for record in records(b'a,"b,""c"" d"\n1,2', b",")]
        [[b'a', b'b,"c" d'], [b'1', b'2']]
    """
    plain = re.compile(b"[" + re.escape(delimiter) + NEWLINES + b"]")
    fields: list[bytes] = []
    position = 0
    while position < len(block) or fields:
        quoted, after = b"", position
        if block[position : position + 1] == b'"':
            after = _after_quoted(block, position)
            if not after:
                yield Record([*fields, block[position + 1 :]], len(block), False, position)
                return
            quoted = block[position + 1 : after - 1].replace(b'""', b'"')
        stop = plain.search(block, after)
        fields.append(quoted + block[after : stop.start() if stop else len(block)])
        position = stop.end() if stop else len(block)
        if stop is None or stop.group() != delimiter:
            if stop and stop.group() == b"\r" and block[position : position + 1] == b"\n":
                position += 1
            yield Record(fields, position, stop is not None, None)
            fields = []


def _stand_where_wanted(values: np.ndarray, quotes: np.ndarray, delimiter: bytes) -> bool:
    """Whether every second quote opens a field, or follows at once on the quote before it."""
    is_wanted = np.zeros(256, bool)
    is_wanted[[*delimiter, *NEWLINES, QUOTE]] = True
    before = values[quotes[::2] - 1]
    if len(quotes) and quotes[0] == 0:
        before[0] = QUOTE
    return bool(is_wanted[before].all())


def _last_outside(block: bytes, newline: bytes, quotes: np.ndarray) -> int:
    """Where the last record ends that a newline outside of quotes ends; 0 when none does."""
    found = block.rfind(newline)
    while found >= 0:
        before = int(np.searchsorted(quotes, found))
        if before % 2 == 0:
            return found + 1
        found = block.rfind(newline, 0, int(quotes[before - 1]))
    return 0


def _open_quote(values: np.ndarray, quotes: np.ndarray) -> int:
    """The last quote that opens a field; one that follows on a quote only continues it."""
    opening = quotes[::2]
    is_first = (values[opening - 1] != QUOTE) | (opening == 0)
    return int(opening[is_first][-1])


def _cut_by_field(block: bytes, delimiter: bytes) -> Cut:
    end = 0
    for record in records(block, delimiter):
        if not record.is_whole:
            return Cut(end, record.open_quote)
        end = record.end
    return Cut(end, None)


def _after_quoted(block: bytes, opened: int) -> int:
    """Where a quoted text ends that opens at `opened`; 0 when it does not."""
    position = block.find(b'"', opened + 1)
    while position >= 0:
        if block[position + 1 : position + 2] != b'"':
            return position + 1
        position = block.find(b'"', position + 2)
    return 0
