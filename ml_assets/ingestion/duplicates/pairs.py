"""Which pairs of rows are worth comparing: those that share a block; all in DuckDB.

The cost grows with the rows, since a block that is crowded is left out: so many rows that share a
key tell that the key says nothing.
"""

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ml_assets.ingestion.duplicates.kinds import KINDS, column
from ml_assets.problem.duplicates import Duplicates

if TYPE_CHECKING:
    import duckdb

ROW = "_row"
SAME = "_same"


class Blocked(NamedTuple):
    """What blocking left to compare."""

    pairs: int
    crowded_rows: int
    """Rows that a block left out because it was crowded; others may still have paired them."""


def block(
    connection: "duckdb.DuckDBPyConnection",
    rows: pa.Table,
    same: pa.Array,
    declared: Duplicates,
) -> Blocked:
    """Put rows in comparable form into the table `readings`, pairs of them into `pairs`.

    Args:
        connection: Whose tables are made.
        rows: n rows; their place is their number.
        same: n numbers; rows with the same one need no comparison.
        declared: What makes a block.
    """
    needed = {column for name in declared.comparisons for column in declared.compared(name)}
    given = rows.select(sorted(needed))
    given = given.append_column(ROW, pa.array(range(len(rows)), pa.int64()))
    connection.register("given", given.append_column(SAME, same))
    read = [
        f"{expression} as {column(name)}"
        for comparison, each in declared.comparisons.items()
        for name, expression in KINDS[each.kind]
        .read(comparison, declared.compared(comparison))
        .items()
    ]
    connection.execute(
        f"create table readings as select {ROW}, {SAME}, {', '.join(read)} from given"
    )
    connection.unregister("given")
    shared = " union all ".join(
        f"select {ROW}, {SAME}, hash({number}, {', '.join(keys)}) as key from ({table})"
        for number, line in enumerate(declared.blocking)
        for keys, table in [_keyed(declared, line)]
    )
    connection.execute(
        f"""create table blocks as select *, count(*) over (partition by key) as rows
        from (select distinct {ROW}, {SAME}, key from ({shared}))"""
    )
    connection.execute(
        f"""create table pairs as select distinct l.{ROW} as l, r.{ROW} as r
        from blocks l join blocks r using (key) where l.{ROW} < r.{ROW} and l.{SAME} <> r.{SAME}
        and l.rows <= {declared.most_rows_in_block} and r.rows <= {declared.most_rows_in_block}"""
    )
    counts = connection.sql(
        f"""select (select count(*) from pairs), (select count(distinct {ROW}) from blocks
        where rows > {declared.most_rows_in_block})"""
    ).fetchall()
    return Blocked(*counts[0])


def _keyed(declared: Duplicates, line: list[str]) -> tuple[list[str], str]:
    """SQL for a row for every combination of its keys, and the names of these."""
    table = f"from readings select {ROW}, {SAME}" + "".join(
        f", {KINDS[declared.comparisons[name].kind].keys(name, declared.comparisons[name].widest)}"
        f" as {column(f'keys_{name}')}"
        for name in line
    )
    for name in line:
        table = (
            f"select * exclude ({column(f'keys_{name}')}), unnest({column(f'keys_{name}')}) "
            f"as {column(f'key_{name}')} from ({table})"
        )
    return [column(f"key_{name}") for name in line], table
