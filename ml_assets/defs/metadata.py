"""Facts as Dagster shows them: tables, column schemas, plots, and numbers that plot over time."""

import base64
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from ml_assets.problem import Problem
from ml_assets.storage import PartitionState

MAX_TABLE_ROWS = 20
"""Metadata lives in the event log; whole tables live in the lake."""

MAX_PLOT_BYTES = 50_000

Scalar = str | int | float | bool | None


def table(
    rows: Iterable[Mapping[str, Scalar]], columns: Sequence[str]
) -> dg.TableMetadataValue:
    """Show at most 20 `rows`; an empty table keeps its `columns`."""
    shown = [
        dg.TableRecord(dict(row)) for row, _ in zip(rows, range(MAX_TABLE_ROWS), strict=False)
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(shown, schema=schema)


def plot(png: bytes, *, text: str) -> dg.MarkdownMetadataValue:
    """Show a PNG picture; one that is too large for the event log is left out, and it says so."""
    if len(png) > MAX_PLOT_BYTES:
        return dg.MetadataValue.md(f"{text}: {len(png):,} bytes are too many to keep here.")
    encoded = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{text}](data:image/png;base64,{encoded})")


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
