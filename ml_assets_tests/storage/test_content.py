import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ml_assets.errors import StorageError
from ml_assets.storage import content_hash

MOMENTS = st.integers(-(2**40), 2**40)
STRUCTS = st.fixed_dictionaries(
    {"a": st.none() | st.integers(-9, 9), "b": st.none() | st.text()}
)
VALUES = {
    pa.string(): st.text(max_size=6),
    pa.binary(): st.binary(max_size=6),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("us", "UTC"): MOMENTS,
    pa.decimal128(20, 2): st.decimals(-(10**9), 10**9, places=2),
    pa.list_(pa.string()): st.lists(st.none() | st.text(max_size=3), max_size=3),
    pa.struct([("a", pa.int64()), ("b", pa.string())]): STRUCTS,
}
COLUMNS = st.sampled_from(list(VALUES)).flatmap(
    lambda kind: st.lists(st.none() | VALUES[kind], max_size=12).map(
        lambda values: pa.array(values, kind)
    )
)


def hash_of(*columns, names=None):
    table = pa.table(list(columns), names=names or [f"c{i}" for i in range(len(columns))])
    return content_hash(table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)])


class TestLaws:
    @given(column=COLUMNS, size=st.integers(1, 5))
    def test_cutting_into_batches_does_not_matter(self, column, size):
        table = pa.table({"c": column})
        assume(len(column))

        in_pieces = content_hash(table.to_batches(max_chunksize=size))

        assert in_pieces == content_hash(table.combine_chunks().to_batches())

    @given(before=COLUMNS, data=st.data())
    def test_a_slice_is_as_good_as_a_copy(self, before, data):
        start = data.draw(st.integers(0, len(before)))
        sliced = before.slice(start, data.draw(st.integers(0, len(before))))

        copied = pa.array(sliced.to_pylist(), before.type)

        assert hash_of(sliced) == hash_of(copied)

    @given(values=st.lists(st.none() | st.text(max_size=4), min_size=1))
    def test_the_layout_of_texts_does_not_matter(self, values):
        plain = pa.array(values, pa.string())

        layouts = [
            plain.cast(pa.large_string()),
            plain.cast(pa.string_view()),
            plain.dictionary_encode(),
        ]

        assert {hash_of(layout) for layout in layouts} == {hash_of(plain)}

    @given(values=st.lists(st.none() | st.lists(st.integers(0, 9), min_size=2, max_size=2)))
    def test_the_layout_of_lists_does_not_matter(self, values):
        plain = pa.array(values, pa.list_(pa.int64()))

        layouts = [
            pa.array(values, pa.large_list(pa.int64())),
            pa.array(values, pa.list_(pa.int64(), 2)),
            pa.array(values, pa.list_(pa.field("element", pa.int64(), nullable=True))),
        ]

        assert {hash_of(layout) for layout in layouts} == {hash_of(plain)}

    @given(first=COLUMNS, data=st.data())
    def test_the_order_of_columns_does_not_matter(self, first, data):
        second = pa.array(data.draw(st.permutations(range(len(first)))), pa.int64())

        forward = hash_of(first, second, names=["a", "b"])

        assert forward == hash_of(second, first, names=["b", "a"])

    @settings(max_examples=300)
    @given(column=COLUMNS, data=st.data())
    def test_one_changed_cell_changes_it(self, column, data):
        assume(len(column))
        row = data.draw(st.integers(0, len(column) - 1))
        other = data.draw(st.none() | VALUES[column.type])
        values = column.to_pylist()
        changed = pa.array([*values[:row], other, *values[row + 1 :]], column.type)
        assume(not is_same_cell(column[row], changed[row]))

        before, after = hash_of(column), hash_of(changed)

        assert before != after

    @given(column=COLUMNS)
    def test_one_row_more_changes_it(self, column):
        longer = pa.concat_arrays([column, pa.nulls(1, column.type)])

        assert hash_of(longer) != hash_of(column)

    @given(values=st.lists(st.text(max_size=3), min_size=2, max_size=6))
    def test_moving_text_over_a_border_changes_it(self, values):
        joined = ["".join(values[:2]), "", *values[2:]]
        assume(joined != values)

        assert hash_of(pa.array(joined)) != hash_of(pa.array(values))


def is_same_cell(one, other):
    """Equal by value: 0.0 and -0.0 are, and so are all kinds of NaN."""
    if pa.types.is_floating(one.type) and one.is_valid and other.is_valid:
        return bool(np.array_equal(one.as_py(), other.as_py(), equal_nan=True))
    return one.as_py() == other.as_py()


class TestContentHash:
    def test_is_the_same_in_every_release(self):
        table = pa.table(
            {
                "complaint_id": pa.array([1, 2, None], pa.int64()),
                "state": ["NY", None, ""],
                "amount_usd": [1.5, float("nan"), -0.0],
                "sent_at": pa.array([0, None, 1], pa.timestamp("us", "UTC")),
                "tags": [["a", None], [], None],
            }
        )

        assert content_hash(table.to_batches()) == "d2f0fba372364f4fd734085f08f0c85f"

    def test_tells_null_from_the_empty_text(self):
        assert hash_of(pa.array([None, "a"], pa.string())) != hash_of(pa.array(["", "a"]))

    def test_tells_null_from_zero(self):
        assert hash_of(pa.array([None, 1], pa.int64())) != hash_of(pa.array([0, 1]))

    def test_tells_a_null_list_from_an_empty_one(self):
        kind = pa.list_(pa.int64())

        assert hash_of(pa.array([None], kind)) != hash_of(pa.array([[]], kind))

    def test_tells_a_null_struct_from_one_of_nulls(self):
        kind = pa.struct([("a", pa.int64())])

        assert hash_of(pa.array([None], kind)) != hash_of(pa.array([{"a": None}], kind))

    def test_takes_minus_zero_for_zero(self):
        assert hash_of(pa.array([0.0, 1.0])) == hash_of(pa.array([-0.0, 1.0]))

    def test_takes_every_nan_for_the_same(self):
        bits = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64)
        one, other = (
            pa.array(bits[i : i + 1].view(np.float64), from_pandas=False) for i in (0, 1)
        )

        assert hash_of(one) == hash_of(other)

    def test_knows_the_name_and_the_type_of_a_column(self):
        column = pa.array([1, 2], pa.int64())

        assert (
            len(
                {
                    hash_of(column, names=["a"]),
                    hash_of(column, names=["b"]),
                    hash_of(column.cast(pa.int32()), names=["a"]),
                    hash_of(column.cast(pa.timestamp("us", "UTC")), names=["a"]),
                }
            )
            == 4
        )

    def test_ignores_bytes_hidden_under_a_null(self):
        shown = pa.array(["secret", "b"])
        hidden = pa.Array.from_buffers(
            pa.string(), 2, [pa.py_buffer(b"\x02"), *shown.buffers()[1:]]
        )

        assert hidden.to_pylist() == [None, "b"]
        assert hash_of(hidden) == hash_of(pa.array([None, "b"]))

    def test_ignores_numbers_hidden_under_a_null(self):
        shown = pa.array([7, 8], pa.int64())
        hidden = pa.Array.from_buffers(
            pa.int64(), 2, [pa.py_buffer(b"\x02"), shown.buffers()[1]]
        )

        assert hash_of(hidden) == hash_of(pa.array([None, 8], pa.int64()))

    def test_of_no_rows_still_knows_the_columns(self):
        assert hash_of(pa.array([], pa.int64())) != hash_of(pa.array([], pa.string()))

    def test_refuses_a_type_it_cannot_vouch_for(self):
        by_name = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))

        with pytest.raises(StorageError, match=r"have no content hash. Cast them, say to text"):
            hash_of(by_name)

    def test_does_not_depend_on_how_a_computation_laid_rows_out(self, rng):
        numbers = pa.array(rng.integers(0, 99, 1_000))
        table = pa.table({"n": numbers, "text": pc.cast(numbers, pa.string())})
        shuffled = table.take(pa.array(rng.permutation(1_000)))

        again = shuffled.take(pc.sort_indices(shuffled, [("n", "ascending")]))

        in_order = table.take(pc.sort_indices(table, [("n", "ascending")]))
        assert content_hash(again.to_batches()) == content_hash(in_order.to_batches())
