"""What a table's rows are, in 32 characters: equal rows have equal hashes, whoever holds them.

The hash is of values. How they are cut into batches, sliced, dictionary encoded or laid out by a
library's version is not part of it; the columns' names and types and the rows' order are.
"""

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import StorageError
from ml_assets.storage.columns import is_list

_BYTES = 16
_NULL = -1


def content_hash(batches: Iterable[pa.RecordBatch]) -> str:
    """Hash the rows of `batches`, which all have one schema.

    Every column is hashed by itself, as streams: its values, the lengths of its texts and lists,
    and where it is null. The columns are then joined in the order of their names.

    Args:
        batches: Read once, in order; one at a time is in memory.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> whole = pa.table({"state": ["NY", None, ""]})
        >>> content_hash(whole.to_batches()) == content_hash(whole.to_batches(max_chunksize=1))
        True
        >>> content_hash(whole.slice(1, 1).to_batches()) == content_hash(
        ...     whole.slice(2, 1).to_batches()
        ... )
        False
    """
    content = None
    for batch in batches:
        content = content or Content(batch.schema)
        content.add(batch)
    return (content or Content(pa.schema([]))).digest()


class Content:
    """A content hash in the making: batches are added one by one."""

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = {field.name: _Column(field.type) for field in schema}
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the rows of `batch` in."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._columns[name].add(column)
        self.rows += batch.num_rows

    def digest(self) -> str:
        """The hash of all rows so far."""
        parts = [(name, *column.digests()) for name, column in sorted(self._columns.items())]
        text = json.dumps([self.rows, *parts], separators=(",", ":"))
        return blake2b(text.encode(), digest_size=_BYTES).hexdigest()


class _Column:
    """The streams of one column, or of one level of a nested one."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        self._name = _type_name(kind)
        self._values = blake2b(digest_size=_BYTES)
        self._shape = blake2b(digest_size=_BYTES)
        self._rows = 0
        self._children = [_Column(child) for child in _child_types(self._kind)]

    def add(self, column: pa.Array) -> None:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if is_list(self._kind):
            self._add_lists(plain)
        elif pa.types.is_struct(self._kind):
            self._add_nulls(plain)
            for child, values in zip(self._children, plain.flatten(), strict=True):
                child.add(values)
        elif _is_text(self._kind):
            self._add_texts(plain)
        else:
            self._add_nulls(plain)
            self._values.update(_fixed_width(plain).data)
        self._rows += len(plain)

    def digests(self) -> Iterator[str]:
        """The type, then the digest of every stream, outermost level first."""
        yield self._name
        yield self._values.hexdigest()
        yield self._shape.hexdigest()
        for child in self._children:
            yield from child.digests()

    def _add_nulls(self, column: pa.Array) -> None:
        if column.null_count:
            nulls = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
            self._shape.update((nulls + self._rows).astype("<i8").data)

    def _add_texts(self, column: pa.Array) -> None:
        texts = column if _has_offsets(column.type) else column.cast(_with_offsets(column.type))
        if texts.null_count:
            # A null may hide bytes; they are not part of the value.
            texts = pc.fill_null(texts, b"" if _is_binary(texts.type) else "")
        offsets = _offsets(texts)
        lengths = np.diff(offsets).astype("<i4")
        if column.null_count:
            lengths[column.is_null().to_numpy(zero_copy_only=False)] = _NULL
        self._shape.update(lengths.data)
        if len(texts) and texts.buffers()[2] is not None:
            self._values.update(
                memoryview(texts.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
            )

    def _add_lists(self, column: pa.Array) -> None:
        lengths = pc.list_value_length(column).fill_null(_NULL).to_numpy(zero_copy_only=False)
        self._shape.update(lengths.astype("<i4").data)
        self._children[0].add(column.flatten())


def _fixed_width(column: pa.Array) -> np.ndarray:
    """The values, nulls as zero; one bit pattern for each value that compares equal."""
    if pa.types.is_null(column.type):
        return np.zeros(0, np.int8)
    if pa.types.is_decimal(column.type):
        return _decimals(column)
    if pa.types.is_temporal(column.type):
        column = column.view(pa.int32() if column.type.bit_width == 32 else pa.int64())  # noqa: PLR2004
    if column.null_count:
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values + 0)
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8)


def _decimals(column: pa.Array) -> np.ndarray:
    """The bytes of every decimal, nulls as zero."""
    width = column.type.bit_width // 8
    words = np.frombuffer(column.buffers()[1] or b"", np.uint8).reshape(-1, width)
    words = words[column.offset : column.offset + len(column)].copy()
    words[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return words


def _type_name(kind: pa.DataType) -> str:
    """One name for all layouts of the same values.

    Raises:
        StorageError: If it is not certain that equal values have equal bytes.
    """
    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if _is_text(kind):
        return "binary" if _is_binary(kind) else "string"
    if is_list(kind):
        return f"list<{_type_name(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{json.dumps([[f.name, _type_name(f.type)] for f in kind])}>"
    if not any(is_kind(kind) for is_kind in _FIXED_WIDTH):
        raise StorageError(f"Rows of type {kind} have no content hash. Cast them, say to text.")
    return str(kind)


_FIXED_WIDTH = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_duration,
)


def _child_types(kind: pa.DataType) -> list[pa.DataType]:
    if is_list(kind):
        return [kind.value_type]
    return [field.type for field in kind] if pa.types.is_struct(kind) else []


def _is_binary(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view()
    )


def _is_text(kind: pa.DataType) -> bool:
    """Whether values are bytes of any length, UTF-8 or not."""
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return is_string or kind == pa.string_view() or _is_binary(kind)


def _has_offsets(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def _with_offsets(kind: pa.DataType) -> pa.DataType:
    return pa.large_binary() if _is_binary(kind) else pa.large_string()


def _offsets(texts: pa.Array) -> np.ndarray:
    """Where each text starts, and where the last one ends; n + 1 positions."""
    is_large = texts.type in (pa.large_string(), pa.large_binary())
    buffer = texts.buffers()[1]
    if buffer is None or not len(texts):
        return np.zeros(1, np.int64)
    starts = np.frombuffer(buffer, np.int64 if is_large else np.int32)
    return starts[texts.offset : texts.offset + len(texts) + 1]
