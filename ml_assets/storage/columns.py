"""Which Arrow types a table of the lake holds, and how the others are brought to them.

Delta has fewer types than Arrow: no unsigned integers, no dictionaries, microseconds only. What
can be kept whole is cast; what cannot is refused. Nothing here reads or writes a file.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from ml_assets.errors import StorageError

KEYS = ("partition", "content_hash", "fingerprint", "code_hash")
"""Columns that the lake adds to every table; rows may not bring their own."""

_BROUGHT_TO = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
}
_KEPT = (
    pa.types.is_string,
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


def as_stored(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Cast `batches` to `schema`, one at a time."""
    for batch in batches:
        if batch.schema.equals(schema):
            yield batch
        else:
            columns = [_cast(*pair) for pair in zip(batch.columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


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
    """The type that values of type `kind` are kept as; `known` is what the table has."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else _BROUGHT_TO.get(kind, kind)
    if pa.types.is_null(kind):
        return known or pa.string()
    if pa.types.is_timestamp(kind) and kind.tz:
        return pa.timestamp("us", "UTC")
    if is_list(kind):
        inner = known.value_type if known is not None and is_list(known) else None
        return pa.list_(_storable(name, kind.value_type, inner))
    if pa.types.is_struct(kind):
        inner = known if known is not None and pa.types.is_struct(known) else ()
        types = {field.name: field.type for field in inner}
        return pa.struct([(f.name, _storable(name, f.type, types.get(f.name))) for f in kind])
    if not any(is_kept(kind) for is_kept in _KEPT):
        remedy = (
            "Give it a time zone" if pa.types.is_timestamp(kind) else "Cast it, say to text"
        )
        raise StorageError(f"Column {name} is {kind}, which the lake cannot hold. {remedy}.")
    return _BROUGHT_TO.get(kind, kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists, in whichever of the layouts that the lake takes."""
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in kinds)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    """The same values in the type of `field`."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    try:
        return plain.cast(field.type)
    except pa.ArrowInvalid as error:
        raise StorageError(
            f"Column {field.name} does not fit {field.type}, which the lake keeps it as: "
            f"{error}. Round or cast it before it is written."
        ) from error
