"""The transactional store: SQL tables that every room defines for itself.

Whatever must not be half done lives here: registry, releases, prediction log, feedback. A file of
SQLite by default, Postgres by URL; the rooms see SQLAlchemy Core and never which one it is.
"""

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from ml_assets.errors import StorageError

metadata = sa.MetaData()
"""Where every room's tables are declared."""

BUSY_SECONDS = 30
WRITER_LOCK = 4_721_960_013
"""Any number: writers to one Postgres database queue on it, as writers to SQLite queue by nature."""

_SQLITE_TRIGGER = """
    create trigger if not exists {table}_keeps_{event} before {event} on {table}
    begin select raise(abort, '{table} is append-only: its rows are never changed.'); end
"""
_POSTGRES_FUNCTION = """
    create or replace function refuse_change() returns trigger language plpgsql as $$ begin
    raise exception '% is append-only: its rows are never changed.', tg_table_name; end $$
"""
_POSTGRES_TRIGGER = """
    create or replace trigger {table}_keeps_{event} before {event} on {table}
    for each statement execute function refuse_change()
"""


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A moment; comes back as UTC, and one without a time zone is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Bring `value` to UTC."""
        if value is not None and value.tzinfo is None:
            raise StorageError(
                f"A time needs a time zone, got {value.isoformat()} without one."
            )
        return value and value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Say that `value` is UTC, where the database does not."""
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def append_only(table: sa.Table, *, erasable: bool = False) -> sa.Table:
    """Let the database itself refuse to change or delete rows of `table`; returns it.

    Args:
        table: Its rows are never changed.
        erasable: They may be deleted, because a person can demand that.
    """
    refused = ["update"] if erasable else ["update", "delete", "truncate"]
    postgres = [_POSTGRES_FUNCTION]
    postgres += [_filled(_POSTGRES_TRIGGER, table, event) for event in refused]
    sqlite = [
        _filled(_SQLITE_TRIGGER, table, event) for event in refused if event != "truncate"
    ]
    for dialect, statements in (("postgresql", postgres), ("sqlite", sqlite)):
        for statement in statements:
            # SQLAlchemy formats a DDL text with %, so one that is meant has to be doubled.
            ddl = sa.DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            sa.event.listen(table, "after_create", ddl.execute_if(dialect=dialect))
    return table


def _filled(statement: str, table: sa.Table, event: str) -> str:
    return statement.format(table=table.name, event=event)


class Store:
    """One SQL database, safe to share between threads and over a fork.

    Args:
        url: `sqlite:///path/to/file` or `postgresql+psycopg://user@host/name`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._ensured: set[str] = set()
        self._engine = sqlite_engine(url) if url.startswith("sqlite") else _server(url)
        self._belong_to_this_process()

    def ensure(self, *tables: sa.Table) -> None:
        """Create those of `tables` that are missing; cheap when asked again."""
        missing = [table for table in tables if table.name not in self._ensured]
        if not missing:
            return
        with self.begin() as connection:
            metadata.create_all(connection, tables=missing)
            for table in missing:
                _add_missing_columns(connection, table)
                _add_missing_indexes(connection, table)
        self._ensured |= {table.name for table in missing}

    @contextmanager
    def begin(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A write transaction: all of the block is kept or, after an error, nothing.

        One at a time, over all processes: what the block has read is still so when it writes.

        Args:
            durable: Wait until the disk has it. Without, what was committed outlives a killed
                process as well, but the last moments may be lost when the machine loses power.
        """
        with self._own_engine().connect() as connection:
            connection.execution_options(writes=True, durable=durable)
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    _begin_postgres(connection, durable=durable)
                yield connection

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection to read with; what is written on it is thrown away."""
        with self._own_engine().connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all idle connections; the store can be used again."""
        self._engine.dispose()

    def _own_engine(self) -> sa.Engine:
        if self._process != os.getpid():
            # After a fork the sockets and file locks are the parent's: forget, do not close.
            self._engine.dispose(close=False)
            self._belong_to_this_process()
        return self._engine

    def _belong_to_this_process(self) -> None:
        """Close the connections when the store goes, but never those of another process."""
        self._process = os.getpid()
        weakref.finalize(self, _close, self._engine, self._process)


def _close(engine: sa.Engine, process: int) -> None:
    if os.getpid() == process:
        engine.dispose()


def _add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Bring a table that an earlier release made to what it is declared as now."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name in there:
            continue
        if not column.nullable:
            raise StorageError(
                f"Table {table.name} was made by an earlier release and has no {column.name}, "
                f"which cannot be empty. Declare it nullable, or fill it by a migration."
            )
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f"alter table {table.name} add column {column.name} {kind}")


def _add_missing_indexes(connection: sa.Connection, table: sa.Table) -> None:
    for index in table.indexes:
        index.create(connection, checkfirst=True)


def _server(url: str) -> sa.Engine:
    scheme, rest = url.split("://", 1)
    driver = "postgresql+psycopg" if scheme in ("postgres", "postgresql") else scheme
    try:
        return sa.create_engine(
            f"{driver}://{rest}", pool_pre_ping=True, pool_size=8, max_overflow=32
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            f"The store's driver {error.name} is not installed. "
            f"Install it with `pip install 'ml-assets[postgres]'`."
        ) from error


def sqlite_engine(url: str) -> sa.Engine:
    """Make an engine whose transactions are SQLite's, each writing one with the lock from the start.

    Raises:
        StorageError: If the URL names no file.
    """
    database = sa.make_url(url).database
    if not database or database == ":memory:":
        raise StorageError(
            f"The store needs a file, got {url}. Use sqlite:///path/to/store.sqlite."
        )
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url, pool_size=8, max_overflow=32, connect_args={"timeout": BUSY_SECONDS}
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set what SQLite forgets with every connection."""
    connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver
    cursor = connection.cursor()
    cursor.execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("pragma foreign_keys = on")
    # Without this, `insert or replace` slips past the triggers of an append-only table.
    cursor.execute("pragma recursive_triggers = on")
    _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: "sa.engine.interfaces.DBAPICursor") -> None:
    """Let readers and the writer work at once; the first of several processes wins the switch."""
    import sqlite3

    for attempt in range(BUSY_SECONDS * 20):
        try:
            cursor.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError:
            # The switch needs the whole file, and does not wait for it as other statements do.
            if attempt == BUSY_SECONDS * 20 - 1:
                raise
            time.sleep(0.05)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at the start: one taken later can fail, and cannot be waited for."""
    options = connection.get_execution_options()
    if options.get("writes", False):
        level = "full" if options["durable"] else "normal"
        if connection.info.get("synchronous") != level:
            connection.exec_driver_sql(f"pragma synchronous = {level}")
            connection.info["synchronous"] = level
        connection.exec_driver_sql("begin immediate")
    else:
        connection.exec_driver_sql("begin")


def _begin_postgres(connection: sa.Connection, *, durable: bool) -> None:
    """Queue for the database, and say how sure a commit has to be."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
    if not durable:
        connection.exec_driver_sql("set local synchronous_commit = off")
