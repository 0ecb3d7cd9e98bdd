"""Rows of a Parquet file as Arrow batches of text.

Every value becomes a text that loses nothing: times ISO 8601, in UTC where they have a zone;
booleans `true` and `false`; numbers the shortest digits that give them back; what is nested, JSON.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_assets.errors import SourceError
from ml_assets.ingestion.reading import Reading, match_columns, with_rest

BATCH_ROWS = 65_536


class ParquetRows:
    """One Parquet file.

    Attributes:
        columns: What the file's columns are to the contract.
        encoding: Of a Parquet file's texts, always UTF-8.
        blank_rows: None; a row of nulls is a row.
        steps: About how many batches there are.
    """

    encoding = "utf-8"
    blank_rows = 0

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        self._rest = reading.rest
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        names = self._file.schema_arrow.names
        self.columns = match_columns(names, reading, file=path.name)
        self.steps = self._file.metadata.num_rows // BATCH_ROWS + 1

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The contract's columns that the file has, `_row` and `_fault`, some rows at a time."""
        names = self._file.schema_arrow.names
        wanted = {column: names[i] for column, i in self.columns.known.items()}
        others = self.columns.ignored if self._rest else ()
        rows = 0
        try:
            for batch in self._file.iter_batches(
                BATCH_ROWS, columns=[*wanted.values(), *others]
            ):
                found = _as_rows(batch, wanted, first_row=rows + 1)
                rest = {name: as_text(batch.column(name)) for name in others}
                yield with_rest(found, rest, self._rest) if self._rest else found
                rows += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        finally:
            self._file.close()

    def _damaged(self, error: BaseException) -> SourceError:
        return SourceError(
            f"{self._path.name} is no whole Parquet file ({str(error).rstrip('.')}): it was cut "
            "or damaged on the way. Nothing of it was taken; deliver it again."
        )


def _as_rows(
    batch: pa.RecordBatch, wanted: dict[str, str], *, first_row: int
) -> pa.RecordBatch:
    columns = {column: as_text(batch.column(name)) for column, name in wanted.items()}
    numbers = pa.array(np.arange(first_row, first_row + batch.num_rows), pa.int64())
    faults = pa.nulls(batch.num_rows, pa.string())
    return pa.record_batch({**columns, "_row": numbers, "_fault": faults})


def as_text(values: pa.Array) -> pa.Array:
    """Values of any type as texts, nulls as nulls.

    Raises:
        pyarrow.ArrowInvalid: If a text is not UTF-8.

    Example:
        >>> as_text(pa.array([1.0, 0.1, None])).to_pylist()
        ['1', '0.1', None]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return as_text(values.dictionary).take(values.indices)
    if pa.types.is_timestamp(kind):
        return _by_value(values, _time_texts)
    if pa.types.is_date64(kind):
        return values.cast(pa.date32()).cast(pa.string())
    if pa.types.is_nested(kind):
        return pa.array([_json(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        values.validate(full=True)
    if pa.types.is_duration(kind):
        return as_text(values.cast(pa.int64()))
    return values.cast(pa.string())


def _by_value(values: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Convert each different value once."""
    encoded = values.dictionary_encode()
    return convert(encoded.dictionary).take(encoded.indices)


def _time_texts(times: pa.Array) -> pa.Array:
    zone = "Z" if times.type.tz else ""
    utc = times.cast(pa.timestamp(times.type.unit, "UTC" if zone else None))
    texts = pc.strftime(utc, format="%Y-%m-%dT%H:%M:%S")
    shortened = pc.replace_substring_regex(texts, r"\.?0*$", "")
    is_fraction = pc.match_substring(texts, ".")
    return pc.binary_join_element_wise(pc.if_else(is_fraction, shortened, texts), zone, "")


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
