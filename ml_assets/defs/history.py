"""Dagster's run history in SQLite, through connections that stay open.

Dagster makes an engine and opens the file for every statement, and waits for the disk at every
commit; of a run over thirty partitions that is a fifth. Here an engine lives as long as its
storage, and a commit does not wait: a power cut may cost the newest events, which are not the
authority of anything, and never the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData


class Events(ConsolidatedSqliteEventLogStorage):
    """All events in one file, which several processes may write."""

    @cached_property
    def _engine(self) -> sa.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table; asked before every event, and none goes away."""
        if table_name not in self._seen:
            with self._connect() as connection:
                if not sa.inspect(connection).has_table(table_name):
                    return False
            self._seen.add(table_name)
        return True

    @cached_property
    def _seen(self) -> set[str]:
        return set()

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._engine.dispose()


class Runs(SqliteRunStorage):
    """What runs there are, and what became of them."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "Runs":
        """Open it where `dagster.yaml` says."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @cached_property
    def _engine(self) -> sa.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection with a transaction."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()
        self._engine.dispose()


def _engine(url: str) -> sa.Engine:
    """An engine that keeps what it opened; as many connections at once as there are threads."""
    timeout = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    engine = sa.create_engine(url, max_overflow=-1, connect_args=timeout)
    sa.event.listen(engine, "connect", _hurry)
    return engine


def _hurry(connection: Any, record: object) -> None:  # noqa: ARG001 - as SQLAlchemy calls it
    connection.execute("pragma synchronous = normal")
