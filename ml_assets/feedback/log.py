"""The prediction log: what was asked, what was answered, by which model, and when.

A row is written once, before the client has its answer, and never changed; it may be erased,
because a person can demand that. Its id sorts by time and cannot be guessed from another one.
What came of the answer is not written here but told by feedback events, see `events`.

`sequence` counts the rows in the order they were committed, also on Postgres, since all writers
of the store take turns. So a reader that remembers the last one it saw has missed none before it.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import sqlalchemy as sa

from ml_assets.errors import ProblemError
from ml_assets.inference.answers import Answers
from ml_assets.inference.values import is_missing
from ml_assets.problem import Problem
from ml_assets.storage import Home, Store, UTCDateTime, append_only, metadata

if TYPE_CHECKING:
    import pandas as pd

IDS_PER_QUERY = 10_000
"""SQLite takes 32,766 values in one statement, Postgres 65,535."""

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite counts up only what is declared an integer, and that has 64 bits too."""

predictions = append_only(
    sa.Table(
        "predictions",
        metadata,
        sa.Column("sequence", BIG, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("model_version", sa.String(100), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("features_hash", sa.String(32), nullable=False),
        sa.Column("prediction", sa.Double, nullable=False),
        sa.Column("decision", sa.Boolean, nullable=True),
        sa.Column("exposed", sa.Boolean, nullable=False),
        sa.Column("lower", sa.Double, nullable=True),
        sa.Column("upper", sa.Double, nullable=True),
        sqlite_autoincrement=True,
    ),
    erasable=True,
)


class LoggedPrediction(NamedTuple):
    """One answer."""

    id: str
    """See `prediction_ids`."""
    problem: str
    model_version: str
    at: datetime
    """When it was made, UTC."""
    input: str
    """The row that was asked about, as JSON without personal columns; see `input_text`."""
    features_hash: str
    """Of what the model read of the row; see `features_hash`."""
    prediction: float
    """A probability, or the value of a regression."""
    decision: bool | None
    """What the threshold made of a probability; None for a regression."""
    exposed: bool
    """Whether somebody saw the answer: not a shadow's, not one of a trial."""
    lower: float | None = None
    """End of the interval around a value; which share of labels it holds, the manifest says."""
    upper: float | None = None


class About(NamedTuple):
    """What is the same for the answers that were given together; see `LoggedPrediction`."""

    problem: str
    model_version: str
    at: datetime
    exposed: bool


VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The two bits that say which kind of UUID it is, and two random ones."""

AT = LoggedPrediction._fields.index("at")
COLUMNS = len(LoggedPrediction._fields)

CARRIED = timedelta(minutes=1)
"""More of them in one call than a millisecond has ids for are counted as later; never so much."""

ROWS_PER_INSERT = 50
"""In one statement; more of them are no quicker."""

PLAIN = frozenset({str, float, type(None)})
"""Types of features that are hashed as they are."""


def prediction_ids(at: datetime, count: int) -> list[str]:
    """Make the ids of `count` answers given at `at`.

    Ids sort by time, and those of one call in their order. 62 bits of each are random, so that
    nobody can send feedback to an answer that was somebody else's.

    Source:
        RFC 9562, section 5.7: UUID version 7, its 12 bits `rand_a` used as a counter.

    Example:
        >>> from datetime import UTC
        >>> first, second = prediction_ids(datetime(2026, 11, 20, tzinfo=UTC), 2)
        >>> first[:15], second[:18], first < second
        ('01a1f640-bc00-7', '01a1f640-bc00-7001', True)
    """
    milliseconds = int(at.timestamp() * 1000)
    drawn = os.urandom(8 * count).hex()
    ids: list[str] = []
    for start in range(0, count, 0x1000):
        time = f"{milliseconds + (start >> 12):012x}"
        known = f"{time[:8]}-{time[8:]}-7"
        for place in range(start, min(start + 0x1000, count)):
            random = drawn[16 * place : 16 * place + 16]
            ids.append(
                f"{known}{place & 0xFFF:03x}-{VARIANT[random[0]]}{random[1:4]}-{random[4:]}"
            )
    return ids


def first_id(at: datetime) -> str:
    """What every id of an answer given from `at` on sorts behind, and no earlier one's.

    Example:
        >>> from datetime import UTC
        >>> moment = datetime(2026, 11, 20, tzinfo=UTC)
        >>> first_id(moment) < prediction_ids(moment, 1)[0] < first_id(moment + CARRIED)
        True
    """
    time = f"{int(at.timestamp() * 1000):012x}"
    return f"{time[:8]}-{time[8:]}"


def logged_columns(problem: Problem) -> frozenset[str]:
    """Columns of a request that are kept: those of the contract, without personal ones and label.

    Personal are the columns whose role is sensitive, and those that are listed under `protected`,
    `proxies` or `feedback.personal`. They are left out, not hashed: no feature reads them, and an
    audit finds them in `validated` by the entity's id.

    Raises:
        ProblemError: If a personal column is none, or one that features read, since the rows that
            feedback makes for training would lack it.
    """
    listed = set(problem.config.feedback.personal)
    if unknown := sorted(listed - set(problem.fields)):
        raise ProblemError(
            f"{problem.name}: feedback.personal lists {', '.join(unknown)}, which the contract "
            f"does not have. It has: {', '.join(problem.fields)}."
        )
    if read := sorted(listed & set(problem.known_columns)):
        raise ProblemError(
            f"{problem.name}: feedback.personal lists {', '.join(read)}, which features may read, "
            "so rows of the prediction log could not be trained on. Give it the role sensitive "
            "in the contract, or take it off the list."
        )
    config = problem.config
    personal = {*listed, *config.protected, *config.proxies, *problem.columns("sensitive")}
    return frozenset(problem.fields) - personal - {problem.target}


def logged_predictions(
    answers: Answers,
    ids: Sequence[str],
    *,
    asked: Iterable[Mapping[str, object]],
    kept: frozenset[str],
    about: About,
) -> list[LoggedPrediction]:
    """Answers as the log has them.

    Args:
        answers: Those of n rows.
        ids: Theirs; see `prediction_ids`.
        asked: The n rows, with all that is to be logged of them.
        kept: Columns that are logged; see `logged_columns`.
        about: What is the same for all of them.
    """
    return list(
        map(
            LoggedPrediction,
            ids,
            repeat(about.problem),
            repeat(about.model_version),
            repeat(about.at),
            (input_text(row, kept) for row in asked),
            column_hashes(answers.features.values(), rows=len(answers)),
            (each.value for each in answers.predictions),
            (each.decision for each in answers.predictions),
            repeat(about.exposed),
            (
                None if each.interval is None else each.interval.lower
                for each in answers.predictions
            ),
            (
                None if each.interval is None else each.interval.upper
                for each in answers.predictions
            ),
        )
    )


def input_text(row: Mapping[str, object], kept: frozenset[str]) -> str:
    """The part of a requested row that is logged, as JSON.

    Example:
        >>> input_text({"state": "CA", "zip_code": "94016"}, kept=frozenset({"state"}))
        '{"state":"CA"}'
    """
    shown = row if kept.issuperset(row) else {name: row[name] for name in row if name in kept}
    try:
        return orjson.dumps(shown, default=_plain).decode()
    except TypeError:  # half a character, or a number beyond 64 bits
        finite = {name: None if is_missing(value) else value for name, value in shown.items()}
        return json.dumps(finite, default=_plain)


def features_hash(features: Iterable[float | str | None]) -> str:
    """Hash of the features of one row, in the order of the model's features; NaN is missing.

    Example:
        >>> features_hash([1, "a", None]) == features_hash([1.0, "a", float("nan")])
        True
    """
    (found,) = column_hashes([(each,) for each in features], rows=1)
    return found


def features_hashes(features: "pd.DataFrame") -> list[str]:
    """`features_hash` of every row of a frame as `build_features` makes it."""
    columns = [features[name].astype(object).tolist() for name in features]
    return column_hashes(columns, rows=len(features))


def column_hashes(columns: Iterable[Sequence[float | str | None]], *, rows: int) -> list[str]:
    """`features_hash` of each of n rows, given as the columns of their features."""
    if rows == 1:
        return [_hash_of(_hashed([column[0] for column in columns]))]
    found = zip(*map(_hashed, columns), strict=True)
    return [_hash_of(row) for row in found] or [_hash_of(())] * rows


def _hashed(values: Sequence[float | str | None]) -> Sequence[float | str | None]:
    """Features as they are hashed: numbers are floats."""
    if PLAIN.issuperset(map(type, values)):
        return values
    return [each if each is None or isinstance(each, str) else float(each) for each in values]


def _hash_of(row: Sequence[float | str | None]) -> str:
    return hashlib.blake2b(orjson.dumps(row), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    """A value of pandas or numpy as JSON has it."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, date) else str(value)


def log_predictions(
    store: Store, rows: Sequence[LoggedPrediction], *, durable: bool = True
) -> None:
    """Write many answers in one transaction; for answers one by one see `GroupCommit`."""
    store.ensure(predictions)
    with store.begin(durable=durable) as connection:
        write_predictions(connection, [rows])


def write_predictions(
    connection: sa.Connection, groups: Sequence[Sequence[LoggedPrediction]]
) -> list[None]:
    """Write the answers of several callers; what `GroupCommit` calls."""
    rows = [row for group in groups for row in group]
    if rows and connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, rows)
    elif rows:
        connection.execute(sa.insert(predictions), [row._asdict() for row in rows])
    return [None] * len(groups)


def _insert_into_sqlite(connection: sa.Connection, rows: Sequence[LoggedPrediction]) -> None:
    """Insert rows by the driver: by way of SQLAlchemy, one takes four times as long."""
    stored = _stored_moment(connection.dialect)
    driver: Any = connection.connection.driver_connection
    for start in range(0, len(rows), ROWS_PER_INSERT):
        some = rows[start : start + ROWS_PER_INSERT]
        statement = _sqlite_insertion(len(some))
        parameters: list[Any] = list(chain.from_iterable(some))
        moments = {at: stored(at) for at in set(parameters[AT::COLUMNS])}
        parameters[AT::COLUMNS] = map(moments.__getitem__, parameters[AT::COLUMNS])
        try:
            driver.execute(statement, parameters)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(
                statement, parameters, error, sqlite3.Error, dialect=connection.dialect
            ) from error


@cache
def _stored_moment(dialect: sa.Dialect) -> Callable[[datetime], object]:
    stored = predictions.c.at.type.dialect_impl(dialect).bind_processor(dialect)
    return stored or (lambda moment: moment)


@cache
def _sqlite_insertion(rows: int) -> str:
    columns = ", ".join(LoggedPrediction._fields)
    row = f"({', '.join('?' * COLUMNS)})"
    return f"insert into predictions ({columns}) values {', '.join([row] * rows)}"


def predictions_by_id(
    problem: Problem, home: Home, ids: Iterable[str]
) -> dict[str, LoggedPrediction]:
    """Those of `ids` that the log has, by id."""
    home.store.ensure(predictions)
    with home.store.connect() as connection:
        return {
            row.id: row
            for some in in_chunks(ids)
            for row in _read(connection, problem, predictions.c.id.in_(some))
        }


def newest_predictions(
    problem: Problem, home: Home, *, until: datetime, days: float, limit: int = 1_000
) -> list[LoggedPrediction]:
    """At most `limit` answers of the last `days` before `until`, newest first."""
    home.store.ensure(predictions)
    c = predictions.c
    since = until - timedelta(days=days)
    # Ids sort by time, so their index finds answers by time too, and a row is in one index less.
    near = (c.id > first_id(since - CARRIED)) & (c.id < first_id(until + CARRIED))
    recent = near & (c.at <= until) & (c.at > since)
    with home.store.connect() as connection:
        return _read(connection, problem, recent, limit=limit)


def in_chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    """Distinct `ids`, as many at a time as one statement takes."""
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), IDS_PER_QUERY):
        yield distinct[start : start + IDS_PER_QUERY]


def _read(
    connection: sa.Connection,
    problem: Problem,
    condition: sa.ColumnElement[bool],
    *,
    limit: int | None = None,
) -> list[LoggedPrediction]:
    columns = [predictions.c[name] for name in LoggedPrediction._fields]
    query = sa.select(*columns).where(predictions.c.problem == problem.name, condition)
    newest_first = query.order_by(predictions.c.at.desc(), predictions.c.id.desc())
    return [LoggedPrediction(*row) for row in connection.execute(newest_first.limit(limit))]
