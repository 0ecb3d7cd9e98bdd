"""Which labelled rows are held out: a rule that cannot leak, because it never separates an entity.

By time, the newest whole event days are held out, and an entity goes where its newest row goes. By
entity, the hash of its id decides, so that a row's place never changes as data grows. Where a problem
declares duplicates, entities that are about the same thing are one group, and go together. Rules are
SQL expressions, so that they work on tables larger than memory. Nothing is fitted or drawn here.
"""

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import InsufficientData
from ml_assets.problem import Problem
from ml_assets.problem.config import Split

if TYPE_CHECKING:
    import duckdb

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

HASH_DIGITS = 13
"""Hexadecimal digits of an id's MD5 that become its place in [0, 1): as many as a double holds."""

NEVER = dt.date.max


class EventDay(NamedTuple):
    """How many rows there are of one day."""

    day: dt.date
    rows: int


class TimeRule(NamedTuple):
    """Days from which on rows are held out."""

    validation_from: dt.date
    test_from: dt.date

    def sql(self, *, day: str, entity: str) -> str:  # noqa: ARG002 - all rules are asked alike
        """The split of a row, as SQL over the names of its columns."""
        return (
            f"case when {day} >= date '{self.test_from}' then 'test' "
            f"when {day} >= date '{self.validation_from}' then 'validation' else 'train' end"
        )


class EntityRule(NamedTuple):
    """Places in [0, 1) below which an entity is held out."""

    test_below: float
    validation_below: float

    def sql(self, *, day: str, entity: str) -> str:  # noqa: ARG002 - all rules are asked alike
        """The split of a row, as SQL over the names of its columns."""
        place = place_of(entity)
        return (
            f"case when {place} < {self.test_below!r} then 'test' "
            f"when {place} < {self.validation_below!r} then 'validation' else 'train' end"
        )


Rule = TimeRule | EntityRule


def place_of(text: str) -> str:
    """SQL for the place in [0, 1) that the hash of a text gives it, evenly spread."""
    digits = f"substr(md5({text}), 1, {HASH_DIGITS})"
    return f"(cast('0x' || {digits} as bigint) / {16**HASH_DIGITS}.0)"


def split_rule(split: Split, days: Sequence[EventDay]) -> Rule:
    """Make the rule that holds out the shares that `split` asks for.

    Args:
        split: Shares and kind, from `config.yaml`.
        days: The event days of all labelled rows, oldest first.

    Raises:
        InsufficientData: If there are too few days to hold whole ones out.
    """
    if split.by == "entity":
        rest = 1 - split.test_share
        return EntityRule(split.test_share, split.test_share + rest * split.validation_share)
    if len(days) < len(SPLITS):
        raise InsufficientData(
            "A split by time into train, validation and test",
            rows=len(days),
            needed=len(SPLITS),
            unit="event days",
        )
    test_from = _first_held_out(days[2:], split.test_share, of=days)
    earlier = [each for each in days if each.day < test_from]
    return TimeRule(_first_held_out(earlier[1:], split.validation_share, of=earlier), test_from)


def assign_split(problem: Problem, rows: pd.DataFrame) -> pd.Series:
    """Say for each labelled row whether it is in `train`, `validation` or `test`.

    Args:
        problem: Its configuration says by what, and how much is held out.
        rows: n labelled rows with the problem's entity id and event time, and with what is
            compared where it declares duplicates.

    Returns:
        n names of splits, same index.
    """
    import duckdb

    given = pa.table(
        {
            "place": range(len(rows)),
            "entity": _groups(problem, rows),
            "moment": pa.array(rows[problem.event_time], pa.timestamp("us", "UTC")),
        }
    )
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("given", given)
    connection.execute(
        f"create table dated as select *, {newest_day('entity', 'moment')} as day from given"
    )
    rule = split_rule(problem.config.split, event_days(connection, "dated"))
    expression = rule.sql(day="day", entity="entity")
    assigned = connection.sql(f"select {expression} from dated order by place").fetchall()
    return pd.Series([name for (name,) in assigned], index=rows.index, dtype="str")


def _groups(problem: Problem, rows: pd.DataFrame) -> pa.Array:
    """What each row must not be torn from."""
    entities = pa.array(rows[problem.entity_id], pa.string())
    if problem.config.duplicates is None:
        return entities
    from ml_assets.ingestion.duplicates import Rules, link

    rules = Rules.of(problem)
    table = pa.Table.from_pandas(rows[rules.compared], preserve_index=False)
    linked = link(table, rules).groups
    places = pc.index_in(entities, linked[rules.entity_id].cast(pa.string()).combine_chunks())
    return linked["group"].combine_chunks().take(places)


def event_days(connection: "duckdb.DuckDBPyConnection", table: str) -> list[EventDay]:
    """Count the rows of each day of a table with a column `day`."""
    counts = f"select day, count(*) from {table} group by day order by day"
    return [EventDay(*each) for each in connection.sql(counts).fetchall()]


def newest_day(group: str, moment: str) -> str:
    """SQL for the newest event day of a row's group, so that its rows stay together."""
    return f"max(cast({moment} as date)) over (partition by {group})"


def _first_held_out(
    days: Sequence[EventDay], share: float, *, of: Sequence[EventDay]
) -> dt.date:
    """First of `days` from which on the rows come nearest to `share` of all rows."""
    if share == 0:
        return NEVER
    total = sum(each.rows for each in of)
    newer, best = 0, (math.inf, NEVER)
    for each in reversed(days):
        newer += each.rows
        best = min(best, (abs(newer / total - share), each.day), key=lambda found: found[0])
    return best[1]
