"""Writing to a SQLite store from a thread that must not wait, such as an event loop.

Handing rows to another thread costs more than writing them: two wake-ups, and a fight over the
interpreter between the two threads. A commit that need not reach the disk is quicker than that, as
long as it waits for nothing else: neither for another writer's turn, nor for a checkpoint, which
moves the write-ahead log into the database. Whoever owns an `AtOnce` leaves both to a thread.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

import sqlalchemy as sa

from ml_assets.storage.store import Store, sqlite_engine

T = TypeVar("T")

OCCUPIED: Final = object()
"""Another writer has its turn."""

PREPARATION = (
    "rollback",
    "pragma busy_timeout = 0",
    "pragma synchronous = normal",
    "pragma wal_autocheckpoint = 0",
)

CHECKPOINT_WAITS_MS = 20
"""For readers of older rows; while a checkpoint waits, writers wait for it."""


class AtOnce:
    """One connection to a store that writes at once or not at all.

    What it commits outlives the process being killed, as after a `begin` that is not durable.
    For one thread at a time.
    """

    def __init__(self, store: Store) -> None:
        self._engine = sqlite_engine(store.url)
        # SQLAlchemy is told of one transaction that never ends, and the driver of each that is:
        # what SQLAlchemy does about the beginning and the end of one takes longer than they do.
        self._connection = self._engine.connect()
        self._connection.begin()
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the URL said so
        self._driver = driver
        for statement in PREPARATION:
            self._driver.execute(statement)

    @classmethod
    def of(cls, store: Store) -> "AtOnce | None":
        """A connection of its own to a store, or None where that is no file of SQLite."""
        return cls(store) if store.url.startswith("sqlite") else None

    def write(self, write: Callable[[sa.Connection], T]) -> T | object:
        """Call `write` in a transaction, unless another writer has its turn.

        Returns:
            What `write` returns, and it is committed; or `OCCUPIED`, and nothing was done.
        """
        try:
            self._say("begin immediate")
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                return OCCUPIED
            raise
        try:
            found = write(self._connection)
            self._say("commit")
        except BaseException:
            self._driver.rollback()
            raise
        return found

    def _say(self, statement: str) -> None:
        """Say it to the driver; what goes wrong is told as SQLAlchemy tells it."""
        try:
            self._driver.execute(statement)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(statement, (), error, sqlite3.Error) from error

    def checkpoint(self) -> None:
        """Move what was written into the database; may be called by another thread.

        Most of it is moved beside writers. Then they wait for the little that came meanwhile: only
        when all of it is moved, the log begins anew and grows no further.
        """
        with closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"pragma busy_timeout = {CHECKPOINT_WAITS_MS}")
            for how in ("passive", "full"):
                cursor.execute(f"pragma wal_checkpoint({how})").fetchall()
            cursor.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        self._engine.dispose()
