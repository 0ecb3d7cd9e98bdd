"""A DuckDB of our own for one piece of work, which goes to disk before it goes out of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 512


@contextmanager
def workspace(memory_mb: int = MEMORY_MB) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A DuckDB of our own that sorts on disk what does not fit in `memory_mb`."""
    import tempfile

    import duckdb

    with tempfile.TemporaryDirectory(prefix="ml_assets_") as folder, duckdb.connect() as opened:
        opened.execute("set timezone = 'UTC'")
        opened.execute(f"set memory_limit = '{memory_mb}MB'")
        opened.execute(f"set temp_directory = '{folder}'")
        opened.execute("set enable_progress_bar = false")
        yield opened


def quoted(name: str) -> str:
    """A column's name as SQL reads it."""
    return f'"{name}"'
