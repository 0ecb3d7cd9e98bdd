from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ml_assets.errors import StorageError
from ml_assets.storage import Commit, Lake, content_hash

COMMIT = Commit(run_id="run-1", code_hash="code", fingerprint="made")
MOMENT = datetime(2026, 11, 20, 8, tzinfo=UTC)
KEPT = {
    "text": pa.array(["a", None, ""]),
    "integer": pa.array([1, None, -3], pa.int64()),
    "small": pa.array([1, None, -3], pa.int8()),
    "number": pa.array([1.5, None, -0.5]),
    "boolean": pa.array([True, None, False]),
    "day": pa.array([0, None, 20_000], pa.date32()),
    "time": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
    "bytes": pa.array([b"a", None, b""]),
    "amount": pa.array([Decimal("1.25"), None, Decimal(0)], pa.decimal128(10, 2)),
    "tags": pa.array([["a", None], None, []]),
    "pair": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}]),
}
BROUGHT = {
    "large text": (pa.array(["a"], pa.large_string()), pa.string()),
    "view of text": (pa.array(["a"], pa.string_view()), pa.string()),
    "category": (pa.array(["a"]).dictionary_encode(), pa.string()),
    "unsigned": (pa.array([7], pa.uint32()), pa.int64()),
    "half": (pa.array(np.array([0.5], np.float16)), pa.float32()),
    "nothing": (pa.nulls(1), pa.string()),
    "milliseconds": (
        pa.array([MOMENT], pa.timestamp("ms", "UTC")),
        pa.timestamp("us", "UTC"),
    ),
    "local time": (
        pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")),
        pa.timestamp("us", "UTC"),
    ),
    "large list": (pa.array([["a"]], pa.large_list(pa.large_string())), pa.list_(pa.string())),
}


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path))


@pytest.mark.parametrize("name", KEPT)
def test_keeps_values_and_type(lake, name):
    column = KEPT[name]

    lake.write("p/raw", "k", pa.table({name: column}), commit=COMMIT)

    back = lake.read("p/raw")[name]
    assert back.type == column.type
    assert back.to_pylist() == column.to_pylist()
    assert lake.connect().sql(f"select {name} from p.raw").to_arrow_table()[0].type == (
        column.type
    )


@pytest.mark.parametrize("name", BROUGHT)
def test_brings_other_types_to_one_it_holds(lake, name):
    column, kind = BROUGHT[name]

    lake.write("p/raw", "k", pa.table({name: column}), commit=COMMIT)

    back = lake.read("p/raw")[name]
    assert back.type == kind
    assert back.to_pylist() == column.cast(kind).to_pylist()


def test_keeps_rows_that_hash_as_what_was_written(lake):
    state = lake.write("p/raw", "k", pa.table(KEPT), commit=COMMIT)

    back = lake.read("p/raw", columns=list(KEPT))

    assert content_hash(back.to_batches()) == state.content_hash
    assert content_hash(pa.table(KEPT).to_batches()) == state.content_hash


def test_gives_a_column_of_nulls_the_type_it_has_in_the_table(lake):
    tagged = {"n": [1], "tags": [["a"]], "pair": [{"a": 1.5}]}
    lake.write("p/raw", "a", pa.table(tagged), commit=COMMIT)

    lake.write(
        "p/raw",
        "b",
        pa.table({"n": pa.nulls(1), "tags": [[]], "pair": [{"a": None}]}),
        commit=COMMIT,
    )

    assert list(lake.partitions("p/raw")) == ["a", "b"]
    assert lake.read("p/raw")["n"].type == pa.int64()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            pa.array([0], pa.timestamp("us")),
            r"Column c is timestamp\[us\].* Give it a time zone",
        ),
        (pa.array([0], pa.time64("us")), r"Column c is time64\[us\].* Cast it, say to text"),
        (
            pa.array([1], pa.timestamp("ns", "UTC")),
            r"Column c does not fit timestamp.*would lose data.*Round or cast it",
        ),
        (pa.array([2**64 - 1], pa.uint64()), "not in range"),
    ],
)
def test_refuses_what_it_cannot_keep_whole(lake, column, message):
    with pytest.raises(StorageError, match=message):
        lake.write("p/raw", "k", pa.table({"c": column}), commit=COMMIT)

    assert lake.tables() == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["partition"], "bring the column partition, which the lake adds itself. Rename it"),
        (["Fingerprint"], "bring the column fingerprint"),
        (["State", "state"], "must differ in more than case, got twice: state"),
        ([], "at least one column, got none"),
    ],
)
def test_refuses_column_names_it_cannot_tell_apart(lake, names, message):
    rows = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)

    with pytest.raises(StorageError, match=message):
        lake.write("p/raw", "k", rows, commit=COMMIT)
