import shutil
import tempfile
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import fs

from ml_assets.errors import StorageError, TableNotFound, WriteConflict
from ml_assets.storage import Commit, Lake, content_hash
from ml_assets.storage.folder import Folder

TABLE = "complaints/raw"
KEYS = st.text(
    st.characters(blacklist_characters=",", blacklist_categories=["Cs"]),
    min_size=1,
    max_size=12,
)

ACTS = ("write", "other type", "delete", "by another")
"""What may happen to a partition."""


def commit(run_id="run-1", *, fingerprint="made", code_hash="code"):
    return Commit(run_id=run_id, code_hash=code_hash, fingerprint=fingerprint)


def rows_of(*amounts, **columns):
    return pa.table({"amount": pa.array(amounts, pa.int64()), **columns})


def on_disk(tmp_path):
    return Lake(str(tmp_path / "lake"))


def in_object_store(tmp_path):
    """A lake that reaches its files as those of an object store are reached."""
    url = f"file://{tmp_path}/store"
    lake = Lake(url)
    lake._folder = Folder(files=fs.PyFileSystem(DeltaStorageHandler(url)), local=None)
    return lake


@pytest.fixture(params=[on_disk, in_object_store])
def lake(request, tmp_path):
    return request.param(tmp_path)


class TestWriting:
    def test_replaces_one_partition_and_leaves_the_others(self, lake):
        lake.write(TABLE, "2015-03", rows_of(1, 2), commit=commit())
        lake.write(TABLE, "2015-04", rows_of(3), commit=commit())

        lake.write(TABLE, "2015-03", rows_of(9), commit=commit())

        assert lake.read(TABLE).to_pydict() == {
            "amount": [9, 3],
            "partition": ["2015-03", "2015-04"],
        }

    def test_says_what_the_partition_is_now(self, lake):
        before = datetime.now(UTC) - timedelta(seconds=2)  # noqa: TID251 - the file system's clock

        state = lake.write(
            TABLE, "2015-03", rows_of(1, 2), commit=commit(fingerprint="f", code_hash="c")
        )

        assert lake.partitions(TABLE) == {"2015-03": state}
        assert (state.partition, state.fingerprint, state.code_hash) == ("2015-03", "f", "c")
        assert state.content_hash == content_hash(rows_of(1, 2).to_batches())
        assert state.rows == 2
        assert state.bytes > 0
        assert before < state.written_at < before + timedelta(seconds=60)

    def test_commits_nothing_when_nothing_changed(self, lake):
        first = lake.write(TABLE, "2015-03", rows_of(1, 2), commit=commit("run-1"))

        again = lake.write(TABLE, "2015-03", rows_of(1, 2), commit=commit("run-2"))

        assert again == first
        assert [line.run_id for line in lake.history(TABLE)] == ["run-1", ""]
        assert len(lake._folder.subfolders(TABLE)) == 2

    def test_leaves_no_second_file_when_nothing_changed(self, tmp_path):
        lake = on_disk(tmp_path)
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        lake.write(TABLE, "2015-03", rows_of(1).to_reader(), commit=commit())

        assert len(list(tmp_path.rglob("*.parquet"))) == 1

    @pytest.mark.parametrize("changed", [{"fingerprint": "other"}, {"code_hash": "other"}])
    def test_commits_when_the_same_rows_come_from_something_else(self, lake, changed):
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        lake.write(TABLE, "2015-03", rows_of(1), commit=commit(**changed))

        state = lake.partitions(TABLE)["2015-03"]
        assert {name: getattr(state, name) for name in changed} == changed
        assert lake.version(TABLE) == 2

    def test_keeps_an_empty_partition(self, lake):
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        state = lake.write(TABLE, "2015-03", rows_of(), commit=commit())

        assert state.rows == 0
        assert lake.partitions(TABLE) == {"2015-03": state}
        assert lake.read(TABLE, partitions=["2015-03"]).num_rows == 0
        assert lake.read(TABLE).schema.names == ["amount", "partition"]

    def test_takes_a_reader_for_the_same_content_as_a_table(self, lake):
        rows = rows_of(*range(1_000))
        batches = rows.to_batches(max_chunksize=7)

        streamed = lake.write(
            TABLE, "a", pa.RecordBatchReader.from_batches(rows.schema, batches), commit=commit()
        )

        assert (
            streamed.content_hash == lake.write(TABLE, "b", rows, commit=commit()).content_hash
        )
        assert lake.read(TABLE, partitions=["a"], columns=["amount"]).equals(rows)

    def test_leaves_nothing_behind_when_the_rows_fail(self, tmp_path):
        def failing():
            yield rows_of(1).to_batches()[0]
            raise ValueError("the source broke")

        lake = on_disk(tmp_path)
        reader = pa.RecordBatchReader.from_batches(rows_of(1).schema, failing())

        with pytest.raises(ValueError, match="the source broke"):
            lake.write(TABLE, "2015-03", reader, commit=commit())

        assert lake.tables() == []
        assert list(tmp_path.rglob("*.parquet")) == []

    def test_refuses_to_overwrite_what_somebody_else_wrote_meanwhile(self, lake):
        def slow():
            yield rows_of(1).to_batches()[0]
            lake.write(TABLE, "2015-03", rows_of(7), commit=commit("the other"))

        lake.write(TABLE, "2015-04", rows_of(3), commit=commit())
        reader = pa.RecordBatchReader.from_batches(rows_of(1).schema, slow())

        with pytest.raises(
            WriteConflict, match=r"complaints/raw 2015-03 was written by somebody"
        ):
            lake.write(TABLE, "2015-03", reader, commit=commit("mine"))

        assert lake.read(TABLE, partitions=["2015-03"])["amount"].to_pylist() == [7]

    def test_agrees_with_somebody_who_wrote_the_same_meanwhile(self, lake):
        def slow():
            yield rows_of(1).to_batches()[0]
            lake.write(TABLE, "2015-03", rows_of(1), commit=commit("the other"))

        reader = pa.RecordBatchReader.from_batches(rows_of(1).schema, slow())

        state = lake.write(TABLE, "2015-03", reader, commit=commit("mine"))

        assert lake.partitions(TABLE) == {"2015-03": state}
        assert lake.history(TABLE)[0].run_id == "the other"

    def test_does_not_mind_other_partitions_written_meanwhile(self, lake):
        def slow():
            yield rows_of(1).to_batches()[0]
            lake.write(TABLE, "2015-04", rows_of(2), commit=commit())

        reader = pa.RecordBatchReader.from_batches(rows_of(1).schema, slow())

        lake.write(TABLE, "2015-03", reader, commit=commit())

        assert lake.read(TABLE)["amount"].to_pylist() == [1, 2]


class TestKeys:
    @pytest.mark.parametrize(
        "key",
        [
            "Germany|2015-03",
            "New York",
            "Ünï/çödé",
            "a'b\"c",
            "100%",
            "%41",
            "x=1",
            "[a]*?",
            "..",
            "a\\b",
            "tab\there",
            "日本",
        ],
    )
    def test_keeps_any_text(self, lake, key):
        lake.write(TABLE, key, rows_of(1), commit=commit())
        lake.write(TABLE, "other", rows_of(2), commit=commit())

        lake.write(TABLE, key, rows_of(3), commit=commit())

        assert set(lake.partitions(TABLE)) == {key, "other"}
        assert lake.read(TABLE, partitions=[key]).to_pydict() == {
            "amount": [3],
            "partition": [key],
        }
        counted = (
            lake.connect().execute("select partition, amount from complaints.raw").fetchall()
        )
        assert sorted(counted) == sorted([(key, 3), ("other", 2)])

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(keys=st.sets(KEYS, min_size=1, max_size=3))
    def test_never_takes_one_key_for_another(self, tmp_path, keys):
        lake = Lake(tempfile.mkdtemp(dir=tmp_path))

        for number, key in enumerate(sorted(keys)):
            lake.write(TABLE, key, rows_of(number), commit=commit())

        written = dict(zip(sorted(keys), range(len(keys)), strict=True))
        rows = lake.read(TABLE).to_pydict()
        assert dict(zip(rows["partition"], rows["amount"], strict=True)) == written

    @pytest.mark.parametrize("key", ["", "a,b", "__HIVE_DEFAULT_PARTITION__"])
    def test_refuses_what_others_could_not_read(self, lake, key):
        with pytest.raises(StorageError, match="A partition key is text without a comma"):
            lake.write(TABLE, key, rows_of(1), commit=commit())

    def test_refuses_a_key_too_long_for_a_folder(self, lake):
        with pytest.raises(StorageError, match="at most 240 characters once percent-encoded"):
            lake.write(TABLE, "ü" * 41, rows_of(1), commit=commit())

    def test_refuses_a_folder_that_delta_would_look_for_elsewhere(self, tmp_path):
        with pytest.raises(
            StorageError, match=r"a%20b cannot hold a lake.*It would look in .*a b"
        ):
            Lake(str(tmp_path / "a%20b"))

    def test_works_in_a_folder_with_an_awkward_name(self, tmp_path):
        lake = Lake(str(tmp_path / "a=b [c] *it's* 100%"))
        lake.write(TABLE, "Germany|2015-03", rows_of(1), commit=commit())

        found = lake.connect().sql("from complaints.raw").to_arrow_table()

        assert found.to_pydict() == {"amount": [1], "partition": ["Germany|2015-03"]}


class TestSchema:
    def test_grows_by_columns(self, lake):
        lake.write(TABLE, "a", rows_of(1), commit=commit())

        lake.write(TABLE, "b", rows_of(2, state=["NY"]), commit=commit())

        assert lake.read(TABLE).to_pydict() == {
            "amount": [1, 2],
            "state": [None, "NY"],
            "partition": ["a", "b"],
        }

    def test_keeps_a_column_that_no_partition_has_any_more(self, lake):
        lake.write(TABLE, "a", rows_of(1), commit=commit())
        lake.write(TABLE, "b", rows_of(2, state=["NY"]), commit=commit())

        lake.delete(TABLE, "b", commit=commit())

        assert lake.read(TABLE)["state"].to_pylist() == [None]
        states = lake.connect().execute("select state from complaints.raw").fetchall()
        assert states == [(None,)]

    def test_starts_anew_when_a_type_changes(self, lake):
        lake.write(TABLE, "a", rows_of(1), commit=commit())
        lake.write(TABLE, "b", rows_of(2), commit=commit())
        before = lake.version(TABLE)

        lake.write(TABLE, "a", pa.table({"amount": ["many"]}), commit=commit())

        assert lake.read(TABLE).to_pydict() == {"amount": ["many"], "partition": ["a"]}
        assert lake.history(TABLE, limit=1)[0].operation == "restart"
        assert lake.read(TABLE, version=before)["amount"].to_pylist() == [1, 2]

    def test_never_leaves_two_types_in_one_table(self, lake):
        def slow():
            yield pa.RecordBatch.from_pydict({"amount": ["many"]})
            lake.write(TABLE, "b", rows_of(2), commit=commit())

        lake.write(TABLE, "a", rows_of(1), commit=commit())
        reader = pa.RecordBatchReader.from_batches(pa.schema([("amount", pa.string())]), slow())

        lake.write(TABLE, "a", reader, commit=commit())

        assert lake.read(TABLE).to_pydict() == {"amount": ["many"], "partition": ["a"]}


class TestReading:
    def test_gives_partitions_in_the_order_of_their_keys(self, lake):
        for key in ("c", "a", "b"):
            lake.write(TABLE, key, rows_of(ord(key), 0), commit=commit())

        found = lake.read(TABLE)

        assert found["partition"].to_pylist() == ["a", "a", "b", "b", "c", "c"]
        assert found["amount"].to_pylist() == [97, 0, 98, 0, 99, 0]

    def test_gives_only_the_partitions_and_columns_asked_for(self, lake):
        for key in ("a", "b", "c"):
            lake.write(TABLE, key, rows_of(1, state=[key]), commit=commit())

        found = lake.read(TABLE, partitions=["c", "a"], columns=["state"])

        assert found.to_pydict() == {"state": ["a", "c"]}

    def test_gives_an_old_version(self, lake):
        lake.write(TABLE, "a", rows_of(1), commit=commit())
        version = lake.version(TABLE)
        lake.write(TABLE, "a", rows_of(2), commit=commit())

        assert lake.read(TABLE, version=version)["amount"].to_pylist() == [1]
        assert lake.partitions(TABLE, version=version)["a"] != lake.partitions(TABLE)["a"]

    def test_gives_at_most_so_many_rows_at_a_time(self, lake):
        lake.write(TABLE, "a", rows_of(*range(10)), commit=commit())

        sizes = [batch.num_rows for batch in lake.batches(TABLE, rows=4)]

        assert sizes == [4, 4, 2]

    def test_sees_what_another_process_wrote(self, lake, tmp_path):
        lake.write("loans/raw", "2015-03", rows_of(1), commit=commit())
        other = on_disk(tmp_path) if lake._folder.local else in_object_store(tmp_path)

        for number in range(3):
            other.write("loans/raw", f"2015-0{number + 4}", rows_of(number), commit=commit())

            assert lake.read("loans/raw", columns=["amount"]).num_rows == number + 2

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        acts=st.lists(
            st.tuples(st.sampled_from("cab"), st.sampled_from(ACTS)), min_size=2, max_size=8
        )
    )
    def test_knows_after_every_write_what_a_newcomer_reads(self, tmp_path, acts):
        url = tempfile.mkdtemp(dir=tmp_path)
        writing, another = Lake(url), Lake(url)

        for number, (partition, act) in enumerate(acts):
            lake = another if act == "by another" else writing
            if act == "delete":
                lake.delete(TABLE, partition, commit=commit())
            else:
                amount = str(number) if act == "other type" else number
                lake.write(TABLE, partition, pa.table({"amount": [amount]}), commit=commit())

            live = list(Lake(url).partitions(TABLE).items())
            assert list(writing.partitions(TABLE).items()) == live
            assert list(another.partitions(TABLE).items()) == live

    def test_is_not_taken_in_by_another_table_at_the_same_place(self, tmp_path):
        lake, other = on_disk(tmp_path), on_disk(tmp_path)
        lake.write("loans/raw", "2015-03", rows_of(1), commit=commit())
        shutil.rmtree(tmp_path / "lake" / "loans")

        assert lake.partitions("loans/raw") == {}
        for partition in ("2016-01", "2016-02", "2016-03"):
            other.write("loans/raw", partition, rows_of(2), commit=commit())
        assert list(lake.partitions("loans/raw")) == ["2016-01", "2016-02", "2016-03"]

    def test_says_which_tables_there_are(self, lake):
        lake.write("homes/raw", "a", rows_of(1), commit=commit())

        with pytest.raises(TableNotFound, match=r"no table homes/validated. It has: homes/raw"):
            lake.read("homes/validated")

    def test_says_which_partitions_there_are(self, lake):
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        with pytest.raises(TableNotFound, match=r"no partition 2015-05. It has 1: 2015-03"):
            lake.read(TABLE, partitions=["2015-05"])

    def test_says_which_columns_there_are(self, lake):
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        with pytest.raises(TableNotFound, match=r"no column sate. It has amount, partition"):
            lake.read(TABLE, columns=["sate"])

    def test_says_which_versions_there_are(self, lake):
        lake.write(TABLE, "2015-03", rows_of(1), commit=commit())

        with pytest.raises(TableNotFound, match=r"no version 99\. The newest is 1"):
            lake.read(TABLE, version=99)

    def test_has_nothing_to_say_of_a_table_that_is_not_there(self, lake):
        assert lake.partitions(TABLE) == {}
        assert lake.version(TABLE) is None
        assert lake.tables() == []

    def test_refuses_a_name_that_is_no_table(self, lake):
        with pytest.raises(StorageError, match=r"named <problem>/<noun>.*got ../raw"):
            lake.write("../raw", "a", rows_of(1), commit=commit())

    def test_refuses_a_table_that_something_else_appended_to(self, tmp_path):
        lake = on_disk(tmp_path)
        lake.write(TABLE, "a", rows_of(1), commit=commit())
        delta = DeltaTable(f"{lake.url}/{TABLE}")
        keys = {
            "partition": ["a"],
            "content_hash": ["x"],
            "fingerprint": ["x"],
            "code_hash": ["x"],
        }

        from deltalake import write_deltalake

        write_deltalake(delta, pa.table({**keys, "amount": [2]}), mode="append")

        with pytest.raises(
            StorageError, match="has 2 files for 1 partitions, one each is allowed"
        ):
            lake.read(TABLE)


class TestDuckDB:
    def test_has_a_view_of_every_table(self, lake):
        lake.write("complaints/raw", "a", rows_of(1, 2), commit=commit())
        lake.write("homes/training_set", "all", rows_of(5), commit=commit())

        found = lake.connect().execute("""
            select sum(c.amount), any_value(h.amount)
            from complaints.raw c, homes.training_set h
        """)

        assert found.fetchall() == [(3, 5)]

    def test_reads_times_in_utc(self, lake, now):
        rows = pa.table({"sent_at": pa.array([now], pa.timestamp("us", "UTC"))})
        lake.write(TABLE, "a", rows, commit=commit())

        found = lake.connect().execute("select sent_at, hour(sent_at) from complaints.raw")

        assert found.fetchall() == [(now, 8)]

    def test_scans_the_partitions_asked_for(self, tmp_path):
        lake = on_disk(tmp_path)
        for key in ("a", "b"):
            lake.write(TABLE, key, rows_of(ord(key)), commit=commit())

        found = lake.connect().execute(
            f"select amount from {lake.scan(TABLE, partitions=['b'])}"
        )

        assert found.fetchall() == [(98,)]

    def test_refuses_to_scan_what_is_not_on_this_machine(self, tmp_path):
        lake = in_object_store(tmp_path)
        lake.write(TABLE, "a", rows_of(1), commit=commit())

        with pytest.raises(StorageError, match="Use `connect`, or `batches`"):
            lake.scan(TABLE)


class TestHistory:
    def test_is_a_ledger_of_who_wrote_what(self, lake):
        lake.write(TABLE, "a", rows_of(1, 2), commit=commit("run-1"))
        lake.write(
            TABLE, "a", rows_of(3), commit=commit("run-2", fingerprint="f", code_hash="c")
        )
        lake.delete(TABLE, "a", commit=commit("run-3"))

        ledger = lake.history(TABLE)

        assert [
            (line.operation, line.run_id, line.partitions, line.rows) for line in ledger
        ] == [
            ("delete", "run-3", ("a",), 0),
            ("write", "run-2", ("a",), 1),
            ("write", "run-1", ("a",), 2),
            ("create", "", (), 0),
        ]
        assert (ledger[1].fingerprint, ledger[1].code_hash) == ("f", "c")
        assert ledger[1].content_hash == content_hash(rows_of(3).to_batches())
        assert [line.version for line in ledger] == [3, 2, 1, 0]

    def test_is_as_long_as_asked_for(self, lake):
        for number in range(4):
            lake.write(TABLE, "a", rows_of(number), commit=commit(f"run-{number}"))

        assert [line.run_id for line in lake.history(TABLE, limit=2)] == ["run-3", "run-2"]

    def test_outlives_a_checkpoint_and_a_clean_up(self, tmp_path):
        lake = on_disk(tmp_path)
        for number in range(3):
            lake.write(TABLE, "a", rows_of(number), commit=commit(f"run-{number}"))
        delta = DeltaTable(f"{lake.url}/{TABLE}")

        delta.create_checkpoint()
        delta.cleanup_metadata()

        assert lake.partitions(TABLE)["a"].rows == 1
        assert lake.read(TABLE, version=1)["amount"].to_pylist() == [0]
        assert len(lake.history(TABLE)) == 4

    def test_is_not_needed_to_know_what_is_live(self, tmp_path):
        lake = on_disk(tmp_path)
        for number in range(3):
            state = lake.write(TABLE, "a", rows_of(number), commit=commit(f"run-{number}"))
        DeltaTable(f"{lake.url}/{TABLE}").create_checkpoint()

        for line in (tmp_path / "lake" / TABLE / "_delta_log").glob("*.json"):
            line.unlink()

        assert lake.partitions(TABLE) == {"a": state}


class TestDeleting:
    def test_takes_out_one_partition(self, lake):
        lake.write(TABLE, "a", rows_of(1), commit=commit())
        lake.write(TABLE, "b", rows_of(2), commit=commit())

        lake.delete(TABLE, "a", commit=commit())

        assert list(lake.partitions(TABLE)) == ["b"]
        assert lake.read(TABLE, version=2)["amount"].to_pylist() == [1, 2]

    def test_does_not_mind_what_is_not_there(self, lake):
        lake.delete(TABLE, "a", commit=commit())

        assert lake.tables() == []


class TestOnDisk:
    def test_notices_one_changed_byte(self, tmp_path):
        lake = on_disk(tmp_path)
        lake.write(TABLE, "a", rows_of(*range(10_000)), commit=commit())
        (file,) = tmp_path.rglob("*.parquet")
        content = bytearray(file.read_bytes())
        content[len(content) // 3] ^= 1
        file.write_bytes(content)

        with pytest.raises(StorageError, match=r"A file of complaints/raw is damaged.*again"):
            lake.read(TABLE)

    def test_keeps_only_what_is_live_after_a_purge(self, tmp_path):
        lake = on_disk(tmp_path)
        for number in range(3):
            lake.write(TABLE, "Germany|2015-03", rows_of(number), commit=commit())
        (next(tmp_path.rglob("*.parquet")).parent / "left_by_a_kill.parquet").touch()

        removed = lake.purge(TABLE, older_than=timedelta(0))

        assert removed == 3
        assert len(list(tmp_path.rglob("*.parquet"))) == 1
        assert lake.read(TABLE)["amount"].to_pylist() == [2]
        with pytest.raises(
            StorageError, match=r"Version 1 of complaints/raw needs a file that"
        ):
            lake.read(TABLE, version=1)

    def test_keeps_what_is_younger_than_asked_for(self, tmp_path):
        lake = on_disk(tmp_path)
        for number in range(3):
            lake.write(TABLE, "a", rows_of(number), commit=commit())

        assert lake.purge(TABLE, older_than=timedelta(days=1)) == 0
        assert lake.read(TABLE, version=1)["amount"].to_pylist() == [0]


class TestOpenness:
    def test_any_delta_client_can_read_it(self, tmp_path):
        lake = on_disk(tmp_path)
        lake.write(TABLE, "Germany|2015-03", rows_of(1, 2), commit=commit(fingerprint="f"))

        rows = pa.table(DeltaTable(f"{lake.url}/{TABLE}").scan()).to_pydict()

        assert rows["amount"] == [1, 2]
        assert rows["partition"] == ["Germany|2015-03"] * 2
        assert rows["fingerprint"] == ["f"] * 2

    def test_files_are_zstandard_parquet(self, tmp_path):
        lake = on_disk(tmp_path)
        lake.write(TABLE, "a", rows_of(1, 2), commit=commit())

        (file,) = tmp_path.rglob("*.parquet")

        assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"
