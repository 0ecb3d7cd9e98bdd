"""Rows of a table of a database, in the order of their cursor."""

import base64
import datetime as dt
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

import sqlalchemy as sa

from ml_assets.errors import SourceError
from ml_assets.ingestion.json_rows import Number
from ml_assets.ingestion.mapping.names import nearest
from ml_assets.ingestion.mapping.origins import Table

ROWS_AT_ONCE = 5_000


def rows(
    table: Table, *, since: str | None, environment: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """The rows of a table, oldest first where it has a cursor.

    Args:
        table: The table.
        since: Cursor from which on rows are wanted; None for all.
        environment: Has the address of the database.

    Raises:
        SourceError: If there is no such database, table or column.
    """
    if table.url_from not in environment:
        raise SourceError(
            f"The environment variable {table.url_from}, which has the database's address, is not set."
        )
    try:
        engine = sa.create_engine(environment[table.url_from])
        try:
            with engine.connect() as connection:
                found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(
                    _query(table, _reflected(table, connection), since)
                )
                for row in found.mappings():
                    yield {name: _plain(value) for name, value in row.items()}
        finally:
            engine.dispose()
    except sa.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise SourceError(
            f"The table {table.table} cannot be read: {said}. Check {table.url_from} and the mapping."
        ) from None


def _reflected(table: Table, connection: sa.Connection) -> sa.Table:
    return sa.Table(
        table.table, sa.MetaData(), schema=table.namespace, autoload_with=connection
    )


def _query(table: Table, there: sa.Table, since: str | None) -> sa.Select[tuple[object, ...]]:
    if table.cursor is None:
        return sa.select(there)
    if table.cursor not in there.columns:
        near = nearest(table.cursor, there.columns.keys())
        hint = f" Did you mean {near!r}?" if near else ""
        raise SourceError(f"The table {table.table} has no column {table.cursor!r}.{hint}")
    column = there.columns[table.cursor]
    query = sa.select(there).order_by(column)
    return query if since is None else query.where(column >= _typed(since, column))


def _typed(text: str, column: "sa.Column[object]") -> object:
    """A cursor as its column has it."""
    kind = column.type.python_type
    if issubclass(kind, dt.datetime | dt.date):
        return kind.fromisoformat(text)
    return kind(text) if issubclass(kind, int | float | Decimal) else text


def _plain(value: object) -> object:
    """A value as JSON has it, losing nothing."""
    match value:
        case None | bool() | str():
            return value
        case int() | float() | Decimal() if math.isfinite(value):
            return Number(str(value))
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
    return _text(value)


def _text(value: object) -> str:
    match value:
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
    return str(value)
