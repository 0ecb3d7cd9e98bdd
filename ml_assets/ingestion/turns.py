"""One ingestion of a problem at a time, whatever process or machine it runs in.

The lock dies with the process that holds it, however that dies.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from ml_assets.errors import WriteConflict
from ml_assets.storage import Home

WAIT_SECONDS = 3_600


@contextmanager
def one_at_a_time(home: Home, name: str) -> Iterator[None]:
    """Wait until nobody else holds `name` in this home, and hold it for the block.

    Raises:
        WriteConflict: If it was held for an hour.
    """
    with home.store.connect() as connection:
        if connection.dialect.name == "postgresql":
            with _held_in_postgres(connection, name):
                yield
            return
    with _held_in_file(home, name):
        yield


@contextmanager
def _held_in_postgres(connection: sa.Connection, name: str) -> Iterator[None]:
    """An advisory lock of the session, for homes that several machines share."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
    connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
    connection.commit()  # the lock is the session's; no transaction stays open for it
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _held_in_file(home: Home, name: str) -> Iterator[None]:
    """SQLite's own file lock: it waits, and works on every system."""
    folder = home.path / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.sqlite"
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as lock:
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            raise WriteConflict(
                f"{name} was held by another process for {WAIT_SECONDS // 60} minutes. "
                "Wait for it, or end it, and run this again."
            ) from error
        yield
