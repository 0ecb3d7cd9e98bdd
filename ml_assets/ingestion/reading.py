"""What of a problem decides how its files are read, and what a file's columns are to it.

Names are compared in snake case: "Date received" and `dateReceived` are both `date_received`.
How a format is parsed is for the modules named after formats.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from ml_assets.errors import SourceError
from ml_assets.problem import Grain, Problem

SHOWN_COLUMNS = 25
"""More column names than this say nothing more in a message."""
REST = "_rest"
"""What a row of a mapped source has beside the columns that its mapping names: a JSON object."""
LONGEST_NAME = 200
"""Longer text is no name of a column but what stands in one."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The part of a problem's declaration that the reading of files depends on.

    Attributes:
        columns: The contract's columns, in their order.
        names: What a source may call a column, in snake case, to the contract's column.
        required: Columns that a file must have.
        entity_id: The column that says what a row is about; made from file and row if absent.
        event_time: The column that says which partition a row belongs to.
        undated: Event time, as text, of the rows of a file that lacks the column; None where it must
            not.
        missing: Texts that mean no value.
        date_formats: How event times may be written, beside ISO 8601.
        grain: How the problem's tables are cut.
        rest: Column for what a row has that none of `columns` is for, as one JSON object; without
            it that is left out, and only counted among a file's ignored columns.
        location: The column that says where a row belongs; None where tables are not cut by it.
    """

    columns: tuple[str, ...]
    names: Mapping[str, str]
    required: tuple[str, ...]
    entity_id: str
    event_time: str
    missing: tuple[str, ...]
    date_formats: tuple[str, ...]
    grain: Grain
    rest: str | None = None
    location: str | None = None
    mapped_by: str | None = None
    """Hash of the mapping that says where rows belong; then raw keeps the source's own columns."""
    undated: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Reading":
        """The reading that `problem` declares."""
        source = problem.config.source
        aliases = {snake_case(a): c for c, names in source.aliases.items() for a in names}
        never_required = {*source.optional, problem.entity_id} - {
            problem.event_time,
            problem.location,
        }
        if source.undated:
            never_required.add(problem.event_time)
        return cls(
            columns=tuple(problem.fields),
            names={**aliases, **{snake_case(name): name for name in problem.fields}},
            required=tuple(name for name in problem.fields if name not in never_required),
            entity_id=problem.entity_id,
            event_time=problem.event_time,
            missing=tuple(source.missing),
            date_formats=tuple(source.date_formats),
            grain=problem.config.partitions.grain,
            location=problem.location,
            undated=source.undated.isoformat() if source.undated else None,
        )


class Columns(NamedTuple):
    """What the columns of one file are to the contract."""

    known: dict[str, int]
    """Contract column to its position in the file."""
    ignored: tuple[str, ...]
    """Columns of the file that the contract does not have."""
    absent: tuple[str, ...]
    """Columns of the contract that the file does not have."""


def snake_case(name: str) -> str:
    """Spell a column name the way contracts do.

    Example:
        >>> [snake_case(name) for name in ("Date received", "ZIP code", "MlsNumber", "Timely?")]
        ['date_received', 'zip_code', 'mls_number', 'timely']
    """
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", name)
    return re.sub(r"[\W_]+", "_", spaced).strip("_").lower()


def column_of(name: str, reading: Reading) -> str | None:
    """The contract's column that a source calls `name`; None where it has none."""
    return reading.names.get(snake_case(name)) if len(name) <= LONGEST_NAME else None


def match_columns(seen: Sequence[str], reading: Reading, *, file: str) -> Columns:
    """Find the contract's columns among those of a file.

    Raises:
        SourceError: If a required one is missing, or two would become one.
    """
    columns = known_columns(seen, reading, file=file)
    if missing := [name for name in columns.absent if name in reading.required]:
        nearest = [_nearest(name, columns.ignored) for name in missing]
        raise SourceError(
            f"{file} lacks {_counted(missing)} that every source must have: "
            f"{', '.join(map(_with_nearest, missing, nearest))}. It has: {_listed(seen)}. "
            "Rename the column, or add its name to source.aliases in config.yaml."
        )
    return columns


def known_columns(seen: Sequence[str], reading: Reading, *, file: str) -> Columns:
    """As `match_columns`, for a file that may still bring the missing ones."""
    meant = [column_of(name, reading) for name in seen]
    _require_one_each(seen, meant, file=file)
    return Columns(
        known={column: i for i, column in enumerate(meant) if column is not None},
        ignored=tuple(n for n, column in zip(seen, meant, strict=True) if column is None),
        absent=tuple(
            column
            for column in reading.columns
            if column not in meant and not column.startswith("_")
        ),
    )


def with_rest(
    batch: pa.RecordBatch, others: Mapping[str, pa.Array], column: str
) -> pa.RecordBatch:
    """Rows with one column more: other texts that they have, by name; null where there are none."""
    texts = {name: column.to_pylist() for name, column in others.items()}
    objects = (
        {name: values[row] for name, values in texts.items() if values[row]}
        for row in range(len(batch))
    )
    rest = [json.dumps(each, ensure_ascii=False) if each else None for each in objects]
    return batch.append_column(column, pa.array(rest, pa.string()))


def _require_one_each(seen: Sequence[str], meant: Sequence[str | None], *, file: str) -> None:
    for column in dict.fromkeys(filter(None, meant)):
        names = [name for name, other in zip(seen, meant, strict=True) if other == column]
        if len(names) > 1:
            raise SourceError(
                f"{file} has {len(names)} columns for {column}: "
                f"{', '.join(map(repr, names))}. Keep one of them, or rename the others."
            )


def _nearest(name: str, seen: Iterable[str]) -> str | None:
    spelled = {snake_case(each): each for each in seen}
    near = difflib.get_close_matches(snake_case(name), spelled, n=1)
    return spelled[near[0]] if near else None


def _with_nearest(name: str, nearest: str | None) -> str:
    return name if nearest is None else f"{name} (nearest name seen: {nearest!r})"


def _counted(names: Sequence[str]) -> str:
    return "a column" if len(names) == 1 else f"{len(names)} columns"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN_COLUMNS]))
    return (
        shown
        if len(names) <= SHOWN_COLUMNS
        else f"{shown} and {len(names) - SHOWN_COLUMNS} more"
    )
