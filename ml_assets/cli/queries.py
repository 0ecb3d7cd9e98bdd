"""Questions in SQL over every table of the lake."""

from typing import NamedTuple

from ml_assets.cli.printing import print_csv, print_json, print_table, say
from ml_assets.errors import StorageError
from ml_assets.storage import Lake

SHOWN_ROWS = 50


class Answer(NamedTuple):
    """What a query gave."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def ask(lake: Lake, sql: str) -> Answer:
    """Answer `sql` in DuckDB, where every table of the lake is a view `problem.table`.

    Raises:
        StorageError: If DuckDB cannot answer; the message lists the tables there are.
    """
    import duckdb

    with lake.connect() as connection:
        try:
            found = connection.sql(sql)
            if found is None:
                return Answer(columns=(), rows=[])
            return Answer(columns=tuple(found.columns), rows=found.fetchall())
        except duckdb.Error as error:
            tables = ", ".join(table.replace("/", ".") for table in lake.tables()) or "none yet"
            raise StorageError(f"{error}\nTables: {tables}.") from None


def print_answer(answer: Answer, *, as_json: bool, as_csv: bool) -> None:
    """Print an answer; for people at most 50 rows of it."""
    if as_json:
        print_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    elif as_csv:
        print_csv(answer.columns, answer.rows)
    else:
        title = f"{len(answer.rows):,} rows"
        print_table(title, answer.columns, answer.rows[:SHOWN_ROWS], empty="no rows")
        if len(answer.rows) > SHOWN_ROWS:
            say(f"The first {SHOWN_ROWS} are shown; --csv and --json print all of them.")
