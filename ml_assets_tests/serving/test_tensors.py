"""Tensors in JSON and in binary, as Triton's own library writes and reads them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import (
    deserialize_bytes_tensor,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from ml_assets.errors import RequestRefused
from ml_assets.serving.tensors import DATATYPES, Tensor, from_binary, from_values, to_binary

NUMBERS = [each for each in DATATYPES.values() if each.code]
BYTES = DATATYPES["BYTES"]

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


@pytest.mark.parametrize("datatype", NUMBERS, ids=lambda each: each.name)
class TestNumbers:
    def test_are_written_as_the_client_reads_them(self, datatype):
        values = [True, False] if datatype.name == "BOOL" else [0, 1, 100]

        written = to_binary(Tensor("x", datatype, values))

        read = np.frombuffer(written, triton_to_np_dtype(datatype.name))
        assert read.tolist() == values

    def test_are_read_as_the_client_writes_them(self, datatype):
        sent = np.array([0, 1, 1], triton_to_np_dtype(datatype.name))

        found = from_binary("x", datatype, [3, 1], sent.tobytes())

        assert found.values == sent.tolist()
        assert {type(value) for value in found.values} <= {bool, int, float}

    def test_are_the_same_in_json_and_in_binary(self, datatype):
        values = [True, False] if datatype.name == "BOOL" else [0, 1]

        in_json = from_values("x", datatype, [2], values)

        assert from_binary("x", datatype, [2], to_binary(in_json)) == in_json

    def test_may_be_missing_in_json(self, datatype):
        assert from_values("x", datatype, [1], [None]).values == [None]

    @pytest.mark.parametrize("size", [0, 1, 9])
    def test_are_refused_when_bytes_are_missing_or_too_many(self, datatype, size):
        if size == 1 and np.dtype(datatype.code).itemsize == 1:
            size = 2

        with pytest.raises(RequestRefused, match=f"Input x has {size} bytes"):
            from_binary("x", datatype, [1], bytes(size))


class TestTexts:
    @given(texts)
    def test_are_written_as_the_client_reads_them(self, values):
        written = to_binary(Tensor("x", BYTES, values))

        read = deserialize_bytes_tensor(written) if written else []
        assert [each.decode() for each in read] == values

    @given(texts)
    def test_are_read_as_the_client_writes_them(self, values):
        array = np.array([value.encode() for value in values], dtype=object)
        sent = serialize_byte_tensor(array)

        found = from_binary("x", BYTES, [len(values)], sent.item() if len(values) else b"")

        assert found.values == values

    @given(st.binary(), st.integers(0, 3))
    def test_of_any_bytes_are_read_or_refused(self, data, rows):
        try:
            found = from_binary("x", BYTES, [rows], data)
        except RequestRefused:
            return

        assert len(found.values) == rows
        assert to_binary(found) == data


class TestShapes:
    @pytest.mark.parametrize("shape", [[2], [2, 1]])
    @pytest.mark.parametrize("data", [["a", "b"], [["a"], ["b"]]])
    def test_say_rows_of_one_value(self, shape, data):
        assert from_values("x", BYTES, shape, data).values == ["a", "b"]

    @pytest.mark.parametrize("shape", [[], [1, 2], [2, 1, 1], [-1], [-1, 1], [1, 0]])
    def test_of_anything_else_are_refused(self, shape):
        with pytest.raises(RequestRefused, match="Input x has the shape"):
            from_values("x", BYTES, shape, ["a", "b"])
