"""Bytes of a text file: how they are encoded, and where in them something is wrong.

What the text says is for the modules named after formats.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, NoReturn

import numpy as np

from ml_assets.errors import SourceError

Encoding = Literal["utf-8", "cp1252"]

BLOCK_BYTES = 8 << 20
NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Longest first: the mark of UTF-32 begins with that of UTF-16."""

MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
ASCII_END = 0x80


class TextKind(NamedTuple):
    """How to make text of a file's bytes."""

    encoding: Encoding
    start: int
    """Where the text begins: after the mark that says UTF-8, where there is one."""


def text_kind(path: Path, *, block_bytes: int = BLOCK_BYTES) -> TextKind:
    """Find out how the text in a file is encoded, reading all of it once.

    UTF-8 where every byte allows it. Otherwise cp1252, unless most of what is not ASCII is good
    UTF-8: then the file is damaged, and reading it as cp1252 would spoil all of its accents.

    Args:
        path: The file.
        block_bytes: How much of it is in memory at a time.

    Raises:
        SourceError: If it is empty, no text, of another encoding, or damaged; with the line.
    """
    with path.open("rb") as file:
        head = file.read(4)
    _require_text(path, head)
    wrong = _first_not_utf8(path, block_bytes)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if wrong is None:
        return TextKind("utf-8", start)
    _require_cp1252(path, wrong, block_bytes, is_marked=start > 0)
    return TextKind("cp1252", 0)


def blocks(file: BinaryIO, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The rest of a file, a block at a time."""
    while block := file.read(size):
        yield block


def line_at(path: Path, position: int) -> int:
    """Number of the line, from 1, in which the byte at `position` lies."""
    with path.open("rb") as file:
        head = (
            file.read(min(BLOCK_BYTES, position - at)) for at in range(0, position, BLOCK_BYTES)
        )
        return 1 + sum(block.count(b"\n") for block in head)


def _require_text(path: Path, head: bytes) -> None:
    if not head:
        raise SourceError(f"{path.name} is empty: 0 bytes. Deliver it again.")
    for mark, encoding in WIDE_MARKS.items():
        if head.startswith(mark):
            raise SourceError(
                f"{path.name} is {encoding}; needed is UTF-8 or cp1252. Save it as UTF-8."
            )


def _first_not_utf8(path: Path, block_bytes: int) -> int | None:
    """Position of the first byte that cannot be UTF-8.

    Raises:
        SourceError: If there is a NUL anywhere.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    wrong: int | None = None
    position = 0
    with path.open("rb") as file:
        for block in blocks(file, block_bytes):
            if b"\0" in block:
                _refuse_nul(path, position + block.index(b"\0"))
            if wrong is None:
                wrong = _wrong_in(block, decoder, position)
            position += len(block)
    pending = len(decoder.getstate()[0])
    return position - pending if wrong is None and pending else wrong


def _wrong_in(block: bytes, decoder: codecs.IncrementalDecoder, position: int) -> int | None:
    """Position of the first byte of a block that cannot be UTF-8; it begins at `position`."""
    pending = len(decoder.getstate()[0])
    if not pending and block.isascii():
        return None
    try:
        decoder.decode(block)
    except UnicodeDecodeError as error:
        decoder.reset()
        return position - pending + error.start
    return None


def _refuse_nul(path: Path, position: int) -> NoReturn:
    raise SourceError(
        f"{path.name} holds a NUL byte in line {line_at(path, position):,}, so it is no text, or "
        "it was damaged on the way. Deliver it again, as UTF-8."
    )


def _require_cp1252(path: Path, wrong: int, block_bytes: int, *, is_marked: bool) -> None:
    good = high = 0
    unknown: int | None = None
    with path.open("rb") as file:
        for number, block in enumerate(blocks(file, block_bytes)):
            found = MULTIBYTE.findall(block)
            good += len(found)
            high += int(np.count_nonzero(np.frombuffer(block, np.uint8) >= ASCII_END))
            high -= sum(map(len, found))
            if unknown is None and len(block.translate(None, NOT_IN_CP1252)) < len(block):
                unknown = number * block_bytes + _first_of(block, NOT_IN_CP1252)
    if is_marked or good >= high:
        raise SourceError(
            f"{path.name} is UTF-8, but damaged in line {line_at(path, wrong):,}: "
            f"{_byte_at(path, wrong)} does not belong there. Deliver it again."
        )
    if unknown is not None:
        raise SourceError(
            f"{path.name} is neither UTF-8 nor cp1252: {_byte_at(path, unknown)} in line "
            f"{line_at(path, unknown):,}. Save it as UTF-8."
        )


def _first_of(block: bytes, some: bytes) -> int:
    return min(block.index(each) for each in some if each in block)


def _byte_at(path: Path, position: int) -> str:
    with path.open("rb") as file:
        file.seek(position)
        return f"the byte 0x{file.read(1).hex()}"
