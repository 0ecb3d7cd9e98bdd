"""What is there, and what of it raw does not have."""

import os

import pytest

from ml_assets.errors import SourceError
from ml_assets.ingestion import (
    discover,
    ingest,
    pending_files,
    pending_partitions,
    refused_files,
    register_source,
    source_partitions,
    sources,
)

MARCH, APRIL, BEFORE_START = "03/01/2015", "04/01/2015", "12/31/2014"


class TestDiscover:
    def test_lists_files_oldest_first_then_by_name(self, deliver, inbox):
        deliver("c.csv", "x", written=100)
        deliver("b.jsonl", "x", written=200)
        deliver("a.parquet", "x", written=200)

        found = discover(inbox)

        assert [(file.path.name, file.format) for file in found] == [
            ("c.csv", "csv"),
            ("a.parquet", "parquet"),
            ("b.jsonl", "json"),
        ]
        assert len({file.content_hash for file in found}) == 1

    def test_leaves_tables_of_a_lake_alone(self, deliver, inbox):
        deliver("a.csv", "x")
        deliver("lake/raw/_delta_log/0.json", "{}")
        deliver("lake/raw/partition=x/0.parquet", "x")

        assert [file.path.name for file in discover(inbox)] == ["a.csv"]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("missing.csv", "There is no file or folder"),
            ("empty", "has no data file; looked for .csv, .tsv"),
            ("a.xlsx", "a.xlsx is of no known format"),
        ],
    )
    def test_says_what_is_wrong_when_nothing_is_there(self, tmp_path, name, said):
        (tmp_path / "empty").mkdir()
        (tmp_path / "a.xlsx").touch()

        with pytest.raises(SourceError, match=said):
            discover(tmp_path / name)


class TestRegister:
    def test_remembers_places_once(self, visits, home, deliver, inbox):
        path = deliver("a.csv", "x")

        for place in (path, inbox, path):
            register_source(visits, home, place)

        assert sources(visits, home) == [inbox, path]

    def test_takes_a_folder_that_is_still_empty(self, visits, home, inbox):
        register_source(visits, home, inbox)

        assert pending_files(visits, home) == []
        assert source_partitions(visits, home) == []

    def test_refuses_what_is_not_there(self, visits, home, inbox):
        with pytest.raises(SourceError, match="There is no file or folder"):
            register_source(visits, home, inbox / "a.csv")

    def test_ingests_a_file_once_that_is_in_two_places(
        self, visits, home, deliver, as_csv, take_in
    ):
        register_source(visits, home, deliver("a.csv", as_csv(("1", MARCH, "NY", "x"))))

        done = take_in()

        assert [file.file for file in done.files] == ["a.csv"]


class TestPending:
    @pytest.fixture
    def pending(self, visits, home, inbox):
        register_source(visits, home, inbox)
        return lambda: [file.path.name for file in pending_files(visits, home)]

    def test_are_new_and_revised_files(self, deliver, as_csv, take_in, pending):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        deliver("b.csv", as_csv(("2", MARCH, "NY", "x")))
        assert pending() == ["a.csv", "b.csv"]

        take_in()
        assert pending() == []

        deliver("a.csv", as_csv(("1", MARCH, "NY", "y")))
        assert pending() == ["a.csv"]

    def test_are_those_of_which_some_partition_is_not_there_yet(
        self, deliver, as_csv, take_in, pending
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "x")))

        take_in(["2015-03"])
        assert pending() == ["a.csv"]

        take_in(["2015-04"])
        assert pending() == []

    def test_are_not_those_with_rows_from_before_the_first_partition(
        self, deliver, as_csv, take_in, pending
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", BEFORE_START, "NY", "x")))

        take_in(["2015-03"])

        assert pending() == []

    def test_are_not_refused_files_until_they_are_revised(self, deliver, take_in, pending):
        deliver("a.csv", "")
        take_in()
        assert pending() == []

        deliver("a.csv", "\n")
        assert pending() == ["a.csv"]

    def test_are_seen_when_a_file_changes_without_its_size_or_time(
        self, deliver, as_csv, take_in, pending
    ):
        path = deliver("a.csv", as_csv(("1", MARCH, "NY", "x")), written=100)
        take_in()

        path.write_bytes(path.read_bytes().replace(b"x\n", b"y\n"))
        os.utime(path, (100, 100))

        assert pending() == ["a.csv"]


class TestPendingPartitions:
    @pytest.fixture
    def pending(self, visits, home, inbox):
        register_source(visits, home, inbox)
        return lambda: pending_partitions(visits, home)

    def test_are_those_that_lack_rows_of_some_file(self, deliver, as_csv, take_in, pending):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "x")))
        assert pending() == ["2015-03", "2015-04"]

        take_in(["2015-04"])
        assert pending() == ["2015-03"]

        take_in()
        assert pending() == []

    def test_are_those_that_a_revised_file_has_left(self, deliver, as_csv, take_in, pending):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()

        deliver("a.csv", as_csv(("1", APRIL, "NY", "x")))
        assert pending() == ["2015-03", "2015-04"]

        take_in(["2015-03", "2015-04"])
        assert pending() == []


class TestRefusedFiles:
    def test_are_those_of_which_nothing_was_taken(self, visits, home, deliver, take_in, as_csv):
        deliver("a.csv", "")
        deliver("b.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()

        assert [each.file for each in refused_files(visits, home)] == ["a.csv"]

    def test_are_those_whose_rows_mostly_have_no_readable_time(
        self, visits, home, deliver, take_in, as_csv
    ):
        rows = [("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "x")]
        deliver("a.csv", as_csv(*rows, ("3", "soon", "NY", "x")))
        take_in()

        (refused,) = refused_files(visits, home)

        assert "1 of 3 rows have no readable visited_at" in refused.reason


class TestSourcePartitions:
    def test_are_those_that_readable_files_have_rows_of(
        self, visits, home, inbox, deliver, as_csv
    ):
        rows = [("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "x"), ("3", "soon", "NY", "x")]
        deliver("a.csv", as_csv(*rows))
        deliver("b.csv", as_csv(("4", "05/01/2015", "NY", "x")) + '"cut')
        register_source(visits, home, inbox)

        assert source_partitions(visits, home) == ["2015-03", "2015-04"]
        assert home.lake.tables() == []

    def test_look_into_a_file_once(self, visits, home, deliver, as_csv, now):
        path = deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        register_source(visits, home, path)
        source_partitions(visits, home)

        done = ingest(visits, home, ["2015-04"], run_id="r", now=now)

        assert (done.files, done.missing) == ((), ("2015-04",))
