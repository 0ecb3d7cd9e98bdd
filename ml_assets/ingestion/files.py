"""Which files a source consists of, and what each one is: its format and the hash of its bytes.

What is inside of a file is for the modules named after formats.
"""

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

from ml_assets.errors import SourceError

Format = Literal["csv", "json", "parquet"]

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
"""How the names end of files that somebody is still writing."""


DELTA_LOG = "_delta_log"
"""A folder that has it is a table: a lake's own, or one whose files alone say little."""


class SourceFile(NamedTuple):
    """One file of a source, as it is now."""

    path: Path
    format: Format
    bytes: int
    content_hash: str


class Stamp(NamedTuple):
    """What the file system says of a file; another stamp, perhaps another content."""

    path: str
    bytes: int
    written_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "Stamp | None":
        """The stamp of the file at `path`, as of now; None when it is gone."""
        try:
            state = path.stat()
        except OSError:
            return None
        return cls(str(path), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def discover(source: Path) -> list[SourceFile]:
    """Every file of `source`, oldest first, with the hash of its content.

    Args:
        source: A CSV, JSON or Parquet file, or a folder of them, however deep. Left out are
            hidden files, those that somebody is still writing, and Delta tables.

    Raises:
        SourceError: If nothing is there.
    """
    hashes = {path: hash_file(path) for path in find(source)}
    return [source_file(path, digest) for path, digest in hashes.items() if digest is not None]


def find(source: Path) -> list[Path]:
    """As `discover`, without looking into the files."""
    place = source.expanduser().resolve()
    if place.is_file():
        return [_of_known_format(place)]
    if not place.is_dir():
        raise SourceError(f"There is no file or folder {place}. Check the path of the source.")
    tables = {log.parent for log in place.rglob(DELTA_LOG)}
    found = [
        path
        for path in place.rglob("*")
        if _is_data(path, place) and tables.isdisjoint(path.parents)
    ]
    if not found:
        raise SourceError(
            f"The folder {place} has no data file; looked for {', '.join(FORMATS)}. "
            "Put a file there, or name another folder."
        )
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, str(path)))


def source_file(path: Path, content_hash: str) -> SourceFile:
    """Describe the file at `path`."""
    return SourceFile(
        path=path,
        format=FORMATS[path.suffix.lower()],
        bytes=path.stat().st_size,
        content_hash=content_hash,
    )


def hash_file(path: Path) -> str | None:
    """SHA-256 of the bytes of a file, 64 hexadecimal digits; None when it cannot be opened."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _of_known_format(path: Path) -> Path:
    if path.suffix.lower() not in FORMATS:
        raise SourceError(
            f"{path.name} is of no known format, which its name must tell: {', '.join(FORMATS)}. "
            "Rename it after what it is."
        )
    return path


def _is_data(path: Path, place: Path) -> bool:
    inside = path.relative_to(place).parts
    is_hidden = any(part.startswith((".", "~$")) for part in inside)
    is_whole = not path.name.lower().endswith(UNFINISHED)
    return not is_hidden and is_whole and path.suffix.lower() in FORMATS and path.is_file()
