"""Facts as Dagster shows them: tables, column schemas, plots, and numbers that plot over time."""

import base64
from collections.abc import Iterable, Sequence
from itertools import islice

import dagster as dg

from ml_assets.problem import Problem
from ml_assets.storage import PartitionState

MAX_TABLE_ROWS = 20
"""Metadata lives in the event log; whole tables live in the lake."""

MAX_PLOT_BYTES = 50_000

FEW = 3

Scalar = str | int | float | bool | None


def table(columns: Sequence[str], rows: Iterable[Sequence[Scalar]]) -> dg.TableMetadataValue:
    """Show at most 20 `rows`; an empty table keeps its `columns`."""
    records = [
        dg.TableRecord(dict(zip(columns, row, strict=True)))
        for row in islice(rows, MAX_TABLE_ROWS)
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(records, schema=schema)


def plot(svg: bytes, *, text: str) -> dg.MarkdownMetadataValue:
    """Show an SVG picture; one that is too large for the event log is left out, and it says so."""
    if len(svg) > MAX_PLOT_BYTES:
        return dg.MetadataValue.md(f"{text}: {len(svg):,} bytes are too many to keep here.")
    encoded = base64.b64encode(svg).decode()
    return dg.MetadataValue.md(f"![{text}](data:image/svg+xml;base64,{encoded})")


def ends(partitions: Sequence[str]) -> str:
    """Name many partitions shortly."""
    if len(partitions) <= FEW:
        return ", ".join(partitions) or "no partition"
    return f"{len(partitions)} partitions, {partitions[0]} to {partitions[-1]}"


def of_state(state: PartitionState, **more: dg.MetadataValue) -> dict[str, dg.MetadataValue]:
    """What every partition of a table says of itself, and `more`."""
    return {
        "dagster/row_count": dg.MetadataValue.int(state.rows),
        "bytes": dg.MetadataValue.int(state.bytes),
        "content_hash": dg.MetadataValue.text(state.content_hash),
        "written_at": dg.MetadataValue.timestamp(state.written_at),
        **more,
    }


def column_schema(problem: Problem) -> dg.TableSchemaMetadataValue:
    """The contract: every column with its type, its description and its rules."""
    columns = problem.schema.columns
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(
                    name,
                    type=field.kind,
                    description=field.description,
                    constraints=dg.TableColumnConstraints(
                        nullable=field.nullable,
                        unique=field.unique,
                        other=[
                            str(check.error or check.name) for check in columns[name].checks
                        ],
                    ),
                    tags={"role": field.role, "known_at": field.known_at},
                )
                for name, field in problem.fields.items()
            ]
        )
    )
