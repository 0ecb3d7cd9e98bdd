"""Tensors of the Open Inference Protocol: a name, a datatype, and one value for each row.

In JSON a tensor's values are an array, in binary they stand one after another: numbers in little
endian, each text behind its length in four bytes. A missing value is `null` in JSON, NaN among
floats; texts say it in the words of the problem's contract. What the values mean is decided there.

Source:
    https://github.com/kserve/open-inference-protocol, and of the binary form
    https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ml_assets.errors import RequestRefused

LENGTH = struct.Struct("<I")
"""Stands before each text in binary."""


class Datatype(NamedTuple):
    """What the values of a tensor are.

    Attributes:
        name: The protocol's word for it.
        code: Numpy's word for it; empty for texts.
        kinds: Types of its values in JSON.
        contents: Field of a gRPC message that has such values.
    """

    name: str
    code: str
    kinds: frozenset[type]
    contents: str


WHOLE, REAL = frozenset({int}), frozenset({float, int})

DATATYPES = {
    each.name: each
    for each in (
        Datatype("BYTES", "", frozenset({str}), "bytes_contents"),
        Datatype("BOOL", "?", frozenset({bool}), "bool_contents"),
        Datatype("FP32", "<f4", REAL, "fp32_contents"),
        Datatype("FP64", "<f8", REAL, "fp64_contents"),
        Datatype("INT8", "<i1", WHOLE, "int_contents"),
        Datatype("INT16", "<i2", WHOLE, "int_contents"),
        Datatype("INT32", "<i4", WHOLE, "int_contents"),
        Datatype("INT64", "<i8", WHOLE, "int64_contents"),
        Datatype("UINT8", "<u1", WHOLE, "uint_contents"),
        Datatype("UINT16", "<u2", WHOLE, "uint_contents"),
        Datatype("UINT32", "<u4", WHOLE, "uint_contents"),
        Datatype("UINT64", "<u8", WHOLE, "uint64_contents"),
    )
}


class Tensor(NamedTuple):
    """One column of a request or of its answer."""

    name: str
    datatype: Datatype
    values: Sequence[Any]


def datatype_named(name: str, *, of: str) -> Datatype:
    """Return a datatype of the protocol.

    Raises:
        RequestRefused: If there is none of that name, or it is of no use here.
    """
    found = DATATYPES.get(name)
    if found is None:
        raise RequestRefused(
            400, f"Input {of}: {name!r} is no datatype here; there are {', '.join(DATATYPES)}."
        )
    return found


def rows_of(shape: Sequence[int], *, of: str) -> int:
    """How many rows a shape says: n of [n] or of [n, 1].

    Raises:
        RequestRefused: If it is another.
    """
    match shape:
        case [rows] | [rows, 1] if rows >= 0:
            return rows
    raise RequestRefused(400, f"Input {of} has the shape {list(shape)}; send [n] or [n, 1].")


def from_values(name: str, datatype: Datatype, shape: Sequence[int], data: Any) -> Tensor:
    """Read a tensor from an array of JSON, flat or one array for each row.

    Raises:
        RequestRefused: If a value is of another kind, or there are more or fewer than rows.
    """
    rows = rows_of(shape, of=name)
    if not isinstance(data, list):
        raise RequestRefused(400, f"Input {name} has no array of data.")
    values = _flat(data)
    if odd := {type(value) for value in values} - datatype.kinds - {type(None)}:
        kinds = ", ".join(sorted(kind.__name__ for kind in odd))
        raise RequestRefused(400, f"Input {name} is {datatype.name}, and has {kinds}.")
    return _whole(Tensor(name, datatype, values), rows)


def from_binary(name: str, datatype: Datatype, shape: Sequence[int], data: bytes) -> Tensor:
    """Read a tensor from bytes.

    Raises:
        RequestRefused: If they are not those of as many values as there are rows.
    """
    rows = rows_of(shape, of=name)
    if not datatype.code:
        return _whole(Tensor(name, datatype, from_texts(name, _lengths_off(name, data))), rows)
    if len(data) != rows * np.dtype(datatype.code).itemsize:
        raise RequestRefused(
            400,
            f"Input {name} has {len(data):,} bytes, which are not {rows:,} {datatype.name}.",
        )
    return Tensor(name, datatype, np.frombuffer(data, datatype.code).tolist())


def from_texts(name: str, texts: Iterable[bytes]) -> list[str]:
    """Read texts.

    Raises:
        RequestRefused: If one of them is not UTF-8.
    """
    try:
        return [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise RequestRefused(
            422, f"Input {name} has a text that is not UTF-8: {error}."
        ) from None


def to_binary(tensor: Tensor) -> bytes:
    """Write the values of a tensor as bytes."""
    if tensor.datatype.code:
        return np.array(tensor.values, tensor.datatype.code).tobytes()
    texts = [value.encode() for value in tensor.values]
    return b"".join(chain.from_iterable((LENGTH.pack(len(text)), text) for text in texts))


def _flat(data: list[Any]) -> list[Any]:
    nested = [each for each in data if isinstance(each, list)]
    return list(chain.from_iterable(nested)) if len(nested) == len(data) else data


def _whole(tensor: Tensor, rows: int) -> Tensor:
    if len(tensor.values) != rows:
        raise RequestRefused(
            400,
            f"Input {tensor.name} has {len(tensor.values):,} values, and its shape says {rows:,}.",
        )
    return tensor


def _lengths_off(name: str, data: bytes) -> Iterable[bytes]:
    """The texts in bytes, in each of which the length stands first."""
    place = 0
    while place < len(data):
        begin = place + LENGTH.size
        end = begin + (LENGTH.unpack_from(data, place)[0] if begin <= len(data) else 1)
        if end > len(data):
            raise RequestRefused(
                400, f"Input {name} ends within a text; send each behind its length."
            )
        yield data[begin:end]
        place = end
