"""Which Arrow types a table of the lake holds, and how the others are brought to them.

Delta has fewer types than Arrow: no unsigned integers, no dictionaries, microseconds only. What
can be kept whole is cast; what cannot is refused. Nothing here reads or writes a file.
"""

from collections.abc import Iterator

import pyarrow as pa

from ml_assets.errors import StorageError

KEYS = ("partition", "content_hash", "fingerprint", "code_hash")
"""Columns that the lake adds to every table; rows may not bring their own."""

_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}
_KEPT = (
    pa.types.is_signed_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_date32,
    pa.types.is_binary,
    pa.types.is_decimal128,
)


def storable_schema(schema: pa.Schema, known: pa.Schema) -> pa.Schema:
    """Bring `schema` to the types a table holds.

    Args:
        schema: Columns as somebody made them.
        known: Columns that the table has; they give a type to a column of nulls only.

    Raises:
        StorageError: If a column's name is taken or its type cannot be kept whole.
    """
    _require_own_names(schema)
    types = {field.name: field.type for field in known}
    return pa.schema(
        [pa.field(f.name, _storable(f.name, f.type, types.get(f.name))) for f in schema]
    )


def as_stored(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Cast `batches` to `schema`, one at a time."""
    for batch in batches:
        try:
            yield batch if batch.schema.equals(schema) else _cast(batch, schema)
        except pa.ArrowInvalid as error:
            raise StorageError(
                f"The rows do not fit the types the lake keeps: {error}. Cast the column first."
            ) from error


def merged_schema(known: pa.Schema, new: pa.Schema) -> pa.Schema | None:
    """Columns of both, those of `known` first; None where a column changed its type."""
    types = {field.name: field.type for field in known}
    if any(field.name in types and field.type != types[field.name] for field in new):
        return None
    return pa.schema([*known, *(field for field in new if field.name not in types)])


def _require_own_names(schema: pa.Schema) -> None:
    """Refuse columns that cannot be told apart, or that the lake itself adds."""
    names = [name.lower() for name in schema.names]
    if taken := sorted(set(names) & set(KEYS)):
        raise StorageError(
            f"The rows bring the column {', '.join(taken)}, which the lake adds itself. "
            f"Rename it; reserved are {', '.join(KEYS)}."
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StorageError(
            f"Column names must differ in more than case, got twice: {', '.join(twice)}."
        )
    if not names:
        raise StorageError("A table needs at least one column, got none.")


def _storable(name: str, kind: pa.DataType, known: pa.DataType | None) -> pa.DataType:
    """The type that a value of type `kind` is kept as."""
    if pa.types.is_dictionary(kind):
        return _storable(name, kind.value_type, known)
    if pa.types.is_null(kind):
        return known or pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _storable(name, f.type, None)) for f in kind])
    if (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    ):
        return pa.list_(_storable(name, kind.value_type, None))
    if kind in _SIGNED:
        return _SIGNED[kind]
    if any(is_kept(kind) for is_kept in _KEPT):
        return kind
    raise StorageError(
        f"Column {name} is {kind}, which a Delta table cannot hold. Cast it, for instance to text."
    )


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in the types of `schema`."""
    columns = (
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    )
    return pa.RecordBatch.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )
