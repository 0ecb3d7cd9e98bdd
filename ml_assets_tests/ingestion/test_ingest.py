"""What raw holds after files came: the newest version of every row, and all of them once."""

import hashlib
import json

import pytest

from ml_assets.errors import SourceError
from ml_assets.ingestion import ingest
from ml_assets.storage import Commit, Home

MARCH, APRIL = "03/01/2015", "04/01/2015"


def numbers(done):
    """Rows, superseded rows and whether it changed, by partition."""
    return {
        each.partition: (each.rows, each.superseded, each.changed) for each in done.partitions
    }


class TestNewFiles:
    def test_cuts_rows_by_the_day_of_their_event(self, deliver, as_csv, take_in, raw):
        deliver(
            "a.csv",
            as_csv(("1", MARCH, "NY", "x"), ("2", "2015-04-30T23:30:00-05:00", "NY", "y")),
        )

        done = take_in()

        assert numbers(done) == {"2015-03": (1, 0, True), "2015-05": (1, 0, True)}
        assert raw("visit_id", "_file", "_row", partition="2015-05") == [("2", "a.csv", 2)]

    def test_reads_a_folder_however_deep_and_leaves_unfinished_files_alone(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("2015/a.csv", as_csv(("1", MARCH, "NY", "x")))
        deliver("b.jsonl", json.dumps({"id": "2", "visited_at": APRIL, "state": "NY"}) + "\n")
        for name in (".hidden.csv", "c.csv.part", ".git/d.csv", "~$e.csv", "notes.md"):
            deliver(name, as_csv(("3", MARCH, "NY", "x")))

        take_in()

        assert raw("visit_id") == [("1",), ("2",)]

    def test_brings_only_the_partitions_asked_for_and_says_which_have_no_rows(
        self, deliver, as_csv, take_in, home
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))

        done = take_in(["2015-04", "2015-06"])

        assert list(home.lake.partitions("visits/raw")) == ["2015-04"]
        assert numbers(done) == {"2015-04": (1, 0, True)}
        assert done.missing == ("2015-06",)

    def test_brings_the_others_when_they_are_asked_for(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))
        take_in(["2015-04"])

        take_in(["2015-03"])

        assert raw("visit_id", "partition") == [("1", "2015-03"), ("2", "2015-04")]

    def test_changes_nothing_when_nothing_is_new(self, deliver, as_csv, take_in, home):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))
        before = {p.partition: p.state for p in take_in().partitions}
        version = home.lake.version("visits/raw")

        done = take_in(run_id="again")

        assert {p.partition: p.state for p in done.partitions} == before
        assert numbers(done) == {"2015-03": (1, 0, False), "2015-04": (1, 0, False)}
        assert (home.lake.version("visits/raw"), done.files) == (version, ())

    def test_reads_every_file_once_however_many_partitions_it_has(
        self, deliver, as_csv, take_in
    ):
        months = [
            f"{month:02d}/01/{year}" for year in range(2015, 2020) for month in range(1, 13)
        ]
        deliver("a.csv", as_csv(*((str(i), day, "NY", "x") for i, day in enumerate(months))))

        done = take_in()

        assert len(done.partitions) == 60
        assert [(file.file, file.rows) for file in done.files] == [("a.csv", 60)]

    def test_ingests_the_others_when_one_file_is_broken(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        deliver("b.csv", as_csv(("2", MARCH, "NY", "y")) + '3,03/03/2015,"cut')
        deliver("c.csv", as_csv(("4", MARCH, "NY", "z")))

        done = take_in()

        assert raw("visit_id") == [("1",), ("4",)]
        assert [refused.file for refused in done.refused_files] == ["b.csv"]

    def test_says_that_a_file_is_refused_for_as_long_as_it_is(self, deliver, take_in):
        deliver("a.csv", "")
        first = take_in()

        again = take_in()

        assert again.refused_files == first.refused_files
        assert again.files == ()

    def test_takes_a_refused_file_once_it_is_repaired(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", "")
        take_in()

        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        done = take_in()

        assert raw("visit_id") == [("1",)]
        assert done.refused_files == ()

    def test_makes_ids_where_the_source_has_none_and_says_so(self, deliver, take_in, raw):
        path = deliver("a.csv", f"visited_at,state\n{MARCH},NY\n{MARCH},NY\n")

        done = take_in()

        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        assert raw("visit_id") == [(f"{digest}-1",), (f"{digest}-2",)]
        assert not done.files[0].has_ids

    def test_says_when_no_source_is_registered(self, visits, home, now):
        with pytest.raises(SourceError, match="visits has no source"):
            ingest(visits, home, None, run_id="r", now=now)

    def test_reports_a_place_where_nothing_is_any_more(
        self, deliver, as_csv, take_in, inbox, raw
    ):
        path = deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()
        path.unlink()

        done = take_in()

        assert [refused.file for refused in done.refused_files] == [str(inbox)]
        assert raw("visit_id") == [("1",)]

    def test_keeps_its_ledger_on_a_server_as_well(
        self, deliver, as_csv, take_in, postgres_url, tmp_path
    ):
        home = Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": postgres_url})
        deliver("a.csv", as_csv(("1", MARCH, "NY", "old"), ("2", APRIL, "NY", "y")))
        deliver("b.csv", "")
        take_in(into=home)

        deliver("a.csv", as_csv(("1", APRIL, "NY", "new"), ("2", APRIL, "NY", "y")))
        take_in(into=home)
        done = take_in(into=home)

        assert home.lake.read("visits/raw")["note"].to_pylist() == ["y", "new"]
        assert ([f.file for f in done.refused_files], done.files) == (["b.csv"], ())


class TestRevisedRows:
    def test_keeps_the_newest_version_of_every_row(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "old"), ("2", MARCH, "NY", "y")))
        take_in()

        deliver("b.csv", as_csv(("1", MARCH, "NY", "new"), ("3", MARCH, "NY", "z")))
        done = take_in()

        assert raw("visit_id", "note", "_file") == [
            ("1", "new", "b.csv"),
            ("2", "y", "a.csv"),
            ("3", "z", "b.csv"),
        ]
        assert numbers(done) == {"2015-03": (3, 1, True)}
        assert done.partitions[0].files == ("a.csv", "b.csv")

    def test_comes_to_the_same_whether_files_come_together_or_one_by_one(
        self, deliver, as_csv, take_in, raw, tmp_path
    ):
        together = Home.open(tmp_path / "together", environment={})
        rows = [
            [("1", MARCH, "NY", "a"), ("2", MARCH, "NY", "b"), ("3", APRIL, "NY", "c")],
            [("1", MARCH, "NY", "a"), ("2", APRIL, "NY", "b2"), ("3", APRIL, "NY", "c")],
            [("1", MARCH, "NY", "a3"), ("3", APRIL, "NY", "c"), ("4", MARCH, "NY", "d")],
        ]
        for i, some in enumerate(rows):
            deliver(f"{i}.csv", as_csv(*some))
            one_by_one = take_in()

        at_once = take_in(into=together)

        assert raw("visit_id", "note", "_file") == [
            ("1", "a3", "2.csv"),
            ("2", "b2", "1.csv"),
            ("3", "c", "0.csv"),
            ("4", "d", "2.csv"),
        ]
        assert [p.state.content_hash for p in at_once.partitions] == [
            p.state.content_hash for p in one_by_one.partitions
        ]

    def test_rewrites_only_the_partitions_in_which_a_full_snapshot_says_something_new(
        self, deliver, as_csv, take_in, home
    ):
        deliver("all.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))
        take_in()
        version = home.lake.version("visits/raw")

        deliver("all.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "new")))
        done = take_in()

        assert numbers(done) == {"2015-03": (1, 1, False), "2015-04": (1, 1, True)}
        assert home.lake.version("visits/raw") == version + 1

    def test_shows_a_revision_in_the_history_of_the_table(self, deliver, as_csv, take_in, home):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "old")))
        take_in(run_id="first")
        version = home.lake.version("visits/raw")

        deliver("a.csv", as_csv(("1", MARCH, "NY", "new")))
        take_in(run_id="second")

        newest = home.lake.history("visits/raw")[0]
        assert (newest.run_id, newest.partitions) == ("second", ("2015-03",))
        before = home.lake.read("visits/raw", version=version)
        assert before["note"].to_pylist() == ["old"]

    def test_lets_a_row_leave_the_partition_that_it_is_no_longer_in(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", MARCH, "NY", "y")))
        take_in()

        deliver("b.csv", as_csv(("1", APRIL, "NY", "x")))
        done = take_in(["2015-04"])

        assert raw("visit_id", "partition") == [("1", "2015-04"), ("2", "2015-03")]
        assert done.moved == ("2015-03",)

    def test_leaves_a_partition_empty_that_has_lost_all_of_its_rows(
        self, deliver, as_csv, take_in
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()

        deliver("b.csv", as_csv(("1", APRIL, "NY", "x")))
        done = take_in()

        assert numbers(done) == {"2015-03": (0, 1, True), "2015-04": (1, 0, True)}

    def test_swaps_rows_between_partitions(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))
        take_in()

        deliver("b.csv", as_csv(("1", APRIL, "NY", "x"), ("2", MARCH, "NY", "y")))
        done = take_in()

        assert raw("visit_id", "partition") == [("1", "2015-04"), ("2", "2015-03")]
        assert numbers(done) == {"2015-03": (1, 1, True), "2015-04": (1, 1, True)}
        assert done.moved == ()

    def test_keeps_a_moved_row_where_it_is_until_its_new_partition_is_asked_for(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()
        deliver("b.csv", as_csv(("1", APRIL, "NY", "x"), ("2", MARCH, "NY", "y")))

        take_in(["2015-03"])

        assert raw("visit_id", "partition") == [("1", "2015-03"), ("2", "2015-03")]
        take_in(["2015-04"])
        assert raw("visit_id", "partition") == [("1", "2015-04"), ("2", "2015-03")]

    def test_does_not_let_an_older_file_that_comes_late_win(
        self, deliver, as_csv, take_in, raw
    ):
        deliver(
            "b.csv", as_csv(("1", APRIL, "NY", "new"), ("2", MARCH, "NY", "y")), written=200
        )
        take_in()

        deliver(
            "a.csv", as_csv(("1", MARCH, "NY", "old"), ("3", MARCH, "NY", "z")), written=100
        )
        done = take_in()

        assert raw("visit_id", "note") == [("1", "new"), ("2", "y"), ("3", "z")]
        assert numbers(done)["2015-03"] == (2, 1, True)

    def test_remembers_what_newer_files_confirmed_when_an_older_one_comes_late(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")), written=100)
        deliver("c.csv", as_csv(("1", MARCH, "NY", "x"), ("2", MARCH, "NY", "y")), written=300)
        take_in()

        deliver("b.csv", as_csv(("1", MARCH, "NY", "changed for a while")), written=200)
        take_in()

        assert raw("visit_id", "note") == [("1", "x"), ("2", "y")]

    def test_takes_what_comes_to_a_path_for_newer_than_what_was_there(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")), written=200)
        take_in()

        deliver("a.csv", as_csv(("1", MARCH, "NY", "y")), written=100)
        take_in()

        assert raw("visit_id", "note") == [("1", "y")]

    def test_takes_a_file_back(self, deliver, as_csv, take_in, raw):
        for note in ("right", "wrong", "right"):
            deliver("a.csv", as_csv(("1", MARCH, "NY", note)))
            take_in()

        assert raw("visit_id", "note") == [("1", "right")]

    def test_orders_files_that_come_together_by_time_then_name(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("c.csv", as_csv(("1", MARCH, "NY", "c"), ("2", MARCH, "NY", "c")), written=100)
        deliver("b.csv", as_csv(("1", MARCH, "NY", "b"), ("2", MARCH, "NY", "b")), written=200)
        deliver("a.csv", as_csv(("1", MARCH, "NY", "a")), written=200)

        take_in()

        assert raw("visit_id", "note") == [("1", "b"), ("2", "b")]

    def test_keeps_copies_of_an_id_within_a_file(self, deliver, as_csv, take_in, raw):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "a"), ("1", MARCH, "NY", "b")))
        take_in()

        deliver("b.csv", as_csv(("1", MARCH, "NY", "c"), ("1", MARCH, "NY", "d")))
        take_in()

        assert raw("visit_id", "note") == [("1", "c"), ("1", "d")]

    def test_does_not_take_a_copy_of_a_file_for_news(self, deliver, as_csv, take_in, raw):
        content = as_csv(("1", MARCH, "NY", "x"))
        deliver("a.csv", content)
        deliver("b.csv", as_csv(("1", MARCH, "NY", "y")))
        take_in()

        deliver("copy of a.csv", content)
        done = take_in()

        assert raw("visit_id", "note") == [("1", "y")]
        assert done.files == ()

    def test_keeps_the_rows_of_a_file_that_is_gone(self, deliver, as_csv, take_in, raw):
        path = deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", MARCH, "NY", "y")))
        take_in()
        path.unlink()

        deliver("b.csv", as_csv(("2", MARCH, "NY", "new")))
        take_in()

        assert raw("visit_id", "note") == [("1", "x"), ("2", "new")]

    def test_replaces_all_rows_of_a_revised_file_without_ids(self, deliver, take_in, raw):
        deliver("a.csv", f"visited_at,state\n{MARCH},NY\n{APRIL},NJ\n")
        take_in()

        deliver("a.csv", f"visited_at,state\n{MARCH},CA\n")
        take_in()

        assert raw("state") == [("CA",)]

    def test_adds_up(self, deliver, as_csv, take_in, rng):
        rows = [
            (str(rng.integers(50)), f"{rng.integers(1, 4):02d}/01/2015", "NY", str(i))
            for i in range(300)
        ]
        before = {}
        for i in range(6):
            deliver(f"{i}.csv", as_csv(*rows[i * 50 : (i + 1) * 50]))
            done = take_in()

            after = {p.partition: p.rows for p in done.partitions}
            given_way = sum(p.superseded for p in done.partitions)
            assert sum(before.values()) + 50 == sum(after.values()) + given_way
            before = after


class TestLostPartitions:
    def test_rebuilds_a_partition_that_was_deleted(self, deliver, as_csv, take_in, home):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x"), ("2", APRIL, "NY", "y")))
        deliver("b.csv", as_csv(("1", MARCH, "NY", "new")))
        before = take_in()
        nobody = Commit(run_id="x", code_hash="x", fingerprint="x")
        home.lake.delete("visits/raw", "2015-03", commit=nobody)

        done = take_in()

        assert [p.state[:3] for p in done.partitions] == [
            p.state[:3] for p in before.partitions
        ]
        assert [file.file for file in done.files] == ["a.csv", "b.csv"]

    def test_rebuilds_a_partition_that_somebody_else_wrote(
        self, deliver, as_csv, take_in, home, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "x")))
        take_in()
        table = home.lake.read("visits/raw").drop_columns(["partition"])
        stranger = Commit(run_id="x", code_hash="x", fingerprint="x")
        home.lake.write("visits/raw", "2015-03", table.slice(0, 0), commit=stranger)

        take_in()

        assert raw("visit_id") == [("1",)]

    def test_reads_files_again_when_they_are_read_another_way(
        self, deliver, as_csv, take_in, raw, revised
    ):
        deliver("a.csv", as_csv(("1", "03/04/2015", "NY", "x"), ("2", "03/05/2015", "NY", "y")))
        take_in()

        done = take_in(problem=revised(date_formats=["%d/%m/%Y"]))

        assert raw("visit_id", "partition") == [("1", "2015-04"), ("2", "2015-05")]
        assert [(p.partition, p.rows) for p in done.partitions] == [
            ("2015-03", 0),
            ("2015-04", 1),
            ("2015-05", 1),
        ]

    def test_reads_a_refused_file_again_when_an_alias_was_added(
        self, deliver, take_in, raw, revised
    ):
        deliver("a.csv", f"id,visited_at,bundesland\n1,{MARCH},BY\n")
        assert take_in().refused_files

        done = take_in(problem=revised(aliases={"state": ["Bundesland"], "visit_id": ["id"]}))

        assert raw("visit_id", "state") == [("1", "BY")]
        assert done.refused_files == ()


class TestRowsWithoutTime:
    def test_go_where_the_rest_of_their_file_goes(self, deliver, as_csv, take_in, raw):
        deliver(
            "a.csv",
            as_csv(("1", MARCH, "NY", "x"), ("2", "soon", "NY", "y"), ("3", "", "NY", "z")),
        )

        take_in()

        assert raw("visit_id", "partition") == [(i, "2015-03") for i in "123"]

    def test_are_kept_apart_when_their_file_has_several_partitions(
        self, deliver, as_csv, take_in, raw
    ):
        rows = [("1", MARCH, "NY", "x"), ("2", "soon", "NY", "y"), ("3", APRIL, "NY", "z")]
        deliver("a.csv", as_csv(*rows))

        done = take_in(["2015-03"])

        assert raw("visit_id", "partition") == [("1", "2015-03"), ("2", "unplaced")]
        assert done.unplaced_rows == 1

    def test_leave_when_a_newer_version_has_a_time(self, deliver, as_csv, take_in, raw):
        deliver(
            "a.csv",
            as_csv(("1", MARCH, "NY", "x"), ("2", "soon", "NY", "y"), ("3", APRIL, "NY", "z")),
        )
        take_in()

        deliver("b.csv", as_csv(("2", APRIL, "NY", "y")))
        done = take_in()

        assert raw("visit_id", "partition") == [
            ("1", "2015-03"),
            ("2", "2015-04"),
            ("3", "2015-04"),
        ]
        assert done.unplaced_rows == 0

    def test_are_no_reason_to_take_a_file_of_which_no_row_has_one(
        self, deliver, as_csv, take_in
    ):
        deliver("a.csv", as_csv(("1", "17.10.2015", "NY", "x"), ("2", "", "NY", "y")))

        (refused,) = take_in().refused_files

        assert (
            "not one of 2 rows has a visited_at that can be read, such as '17.10.2015'"
            in refused.reason
        )
        assert "%m/%d/%Y, or ISO 8601" in refused.reason


class TestFaultyRows:
    def test_supersede_nothing_and_are_not_superseded_by_id(
        self, deliver, as_csv, take_in, raw
    ):
        deliver("a.csv", as_csv(("1", MARCH, "NY", "good")))
        take_in()

        deliver("b.csv", as_csv(("1", MARCH, "NY", "bad", "stray"), ("2", MARCH, "NY", "x")))
        take_in()
        deliver("c.csv", as_csv(("1", MARCH, "NY", "newest")))
        take_in()

        assert raw("visit_id", "note", "_file") == [
            ("1", "bad", "b.csv"),
            ("1", "newest", "c.csv"),
            ("2", "x", "b.csv"),
        ]

    def test_give_way_to_a_newer_version_of_their_file(self, deliver, as_csv, take_in, raw):
        deliver(
            "a.csv",
            as_csv(
                ("1", MARCH, "NY", "x"),
                ("2", MARCH, "NY", "y", "stray"),
                ("", APRIL, "NY", "z"),
            ),
        )
        take_in()

        deliver(
            "a.csv",
            as_csv(("1", MARCH, "NY", "x"), ("2", MARCH, "NY", "y"), ("3", APRIL, "NY", "z")),
        )
        take_in()

        assert raw("visit_id", "note", "_fault") == [
            ("1", "x", None),
            ("2", "y", None),
            ("3", "z", None),
        ]
