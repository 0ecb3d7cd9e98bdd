"""One at a time, whatever process or machine it runs in: an ingestion, or a worker's place.

The lock dies with the process that holds it, however that dies.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from ml_assets.errors import WriteConflict
from ml_assets.storage.home import Home

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
    with _lock_file(home, name, wait_seconds=WAIT_SECONDS) as is_held:
        if not is_held:
            raise WriteConflict(
                f"{name} was held by another process for {WAIT_SECONDS // 60} minutes. "
                "Wait for it, or end it, and run this again."
            )
        yield


@contextmanager
def if_free(home: Home, name: str) -> Iterator[bool]:
    """Hold `name` in this home for the block if nobody else does; says whether it is held."""
    with home.store.connect() as connection:
        if connection.dialect.name == "postgresql":
            with _tried_in_postgres(connection, name) as is_held:
                yield is_held
            return
    with _lock_file(home, name, wait_seconds=0) as is_held:
        yield is_held


@contextmanager
def _held_in_postgres(connection: sa.Connection, name: str) -> Iterator[None]:
    """An advisory lock of the session, for homes that several machines share."""
    connection.execute(sa.select(sa.func.pg_advisory_lock(_key(name))))
    connection.commit()  # the lock is the session's; no transaction stays open for it
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_key(name))))


@contextmanager
def _tried_in_postgres(connection: sa.Connection, name: str) -> Iterator[bool]:
    """The same lock, if it can be had at once."""
    is_held = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_key(name)))))
    connection.commit()
    try:
        yield is_held
    finally:
        if is_held:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_key(name))))


def _key(name: str) -> int:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


@contextmanager
def _lock_file(home: Home, name: str, *, wait_seconds: float) -> Iterator[bool]:
    """SQLite's own file lock: it waits, and works on every system; says whether it is held."""
    folder = home.path / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.sqlite"
    with closing(sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)) as lock:
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError:
            yield False
        else:
            yield True
