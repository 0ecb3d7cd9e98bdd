"""How likely two rows are about the same thing: Splink, on the pairs that share a block.

Fellegi and Sunter's model with the weights that `config.yaml` declares. They are not estimated from
the rows at hand, so that the fate of two rows depends on nobody but them.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ml_assets.ingestion.duplicates.kinds import KINDS, column
from ml_assets.ingestion.duplicates.pairs import ROW, Blocked, block
from ml_assets.problem.duplicates import Comparison, Duplicates

if TYPE_CHECKING:
    import duckdb

MATCHED_BY = ("duckdb", "splink")
"""What pairs are scored with; another version may score them otherwise."""


class Match(NamedTuple):
    """Two rows, by number, and how likely they are about the same thing."""

    left: int
    right: int
    probability: float


class Matches(NamedTuple):
    """Pairs that were compared, and those that are probable enough."""

    blocked: Blocked
    found: list[Match]
    """The most probable first, then by number."""
    apart: list[Match]
    """Pairs of rows that have a match, and are less probable than `apart_below` with one another."""


def matches(
    rows: pa.Table,
    same: pa.Array,
    declared: Duplicates,
    *,
    from_probability: float,
    apart_below: float = 0.0,
) -> Matches:
    """Compare rows that share a block.

    Args:
        rows: n rows with the columns that are compared; their place is their number.
        same: n numbers, equal for rows that are known to be about the same thing.
        declared: Blocks, comparisons and what they are worth.
        from_probability: Less probable pairs are no match.
        apart_below: Less probable pairs are known to be apart.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        blocked = block(connection, rows, same, declared)
        if not blocked.pairs:
            return Matches(blocked, [], [])
        _score(connection, declared)
        found = _where(connection, f"probability >= {from_probability!r}")
        connection.execute(
            f"""create table matched as select unnest([l, r]) as row from scored
            where probability >= {from_probability!r}"""
        )
        apart = _where(
            connection,
            f"probability < {apart_below!r} and l in (from matched) and r in (from matched)",
        )
    return Matches(blocked, found, apart)


def _where(connection: "duckdb.DuckDBPyConnection", condition: str) -> list[Match]:
    """Scored pairs, the most probable first."""
    found = connection.sql(
        f"select l, r, probability from scored where {condition} order by 3 desc, 1, 2"
    )
    return [Match(*each) for each in found.fetchall()]


def _score(connection: "duckdb.DuckDBPyConnection", declared: Duplicates) -> None:
    """Let Splink put the pairs into the table `scored`, each with its probability."""
    # Half a second that only rows with a pair to compare should pay.
    from splink import DuckDBAPI, Linker

    api = DuckDBAPI(connection)
    linker = Linker(
        api.register("readings"), settings(declared), log_level=None, validate_settings=False
    )
    connection.execute(
        "create view blocked as select l as join_key_l, r as join_key_r, '0' as match_key from pairs"
    )
    linker.table_management.register_blocked_pairs_for_predict(api.register("blocked"))
    predicted = linker.inference.predict(warning_mode="never")
    connection.execute(
        f"""create table scored as select least({ROW}_l, {ROW}_r) as l,
        greatest({ROW}_l, {ROW}_r) as r, match_probability as probability
        from {predicted.physical_name}"""
    )


def settings(declared: Duplicates) -> dict[str, Any]:
    """Splink's model of what is declared."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": ROW,
        "probability_two_random_records_match": declared.prior,
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": False,
        "comparisons": [
            _comparison(name, comparison) for name, comparison in declared.comparisons.items()
        ],
    }


def _comparison(name: str, comparison: Comparison) -> dict[str, Any]:
    apart = KINDS[comparison.kind].apart(name)
    levels = [
        {
            "sql_condition": f"{apart} <= {level.within!r}",
            "m_probability": level.m,
            "u_probability": level.u,
        }
        for level in comparison.graded
    ]
    return {
        "output_column_name": name,
        "comparison_levels": [
            {
                "sql_condition": f"{column(f'{name}_l')} is null or {column(f'{name}_r')} is null",
                "is_null_level": True,
            },
            *levels,
            {
                "sql_condition": "ELSE",
                "m_probability": 1 - sum(level.m for level in comparison.graded),
                "u_probability": 1 - sum(level.u for level in comparison.graded),
            },
        ],
    }
