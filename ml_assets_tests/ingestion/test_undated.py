"""A source that does not say when: all of its rows are of the day that config.yaml says."""

import pytest

HEADER = ("visit_id", "state")


@pytest.fixture
def undated(revised):
    return revised(undated="2015-03-07")


class TestAFileWithoutEventTimes:
    def test_is_one_partition_where_the_day_is_said(
        self, take_in, undated, deliver, as_csv, raw
    ):
        deliver("a.csv", as_csv(("1", "CA"), ("2", "TX"), header=HEADER))

        found = take_in(problem=undated)

        assert [each.partition for each in found.partitions] == ["2015-03"]
        assert raw("visit_id", "visited_at") == [("1", "2015-03-07"), ("2", "2015-03-07")]

    def test_is_refused_where_nobody_says_the_day(self, take_in, deliver, as_csv):
        deliver("a.csv", as_csv(("1", "CA"), header=HEADER))

        (refused,) = take_in().refused_files

        assert "lacks a column that every source must have: visited_at" in refused.reason

    def test_is_placed_by_its_rows_as_soon_as_it_says_when(
        self, take_in, undated, deliver, as_csv, raw
    ):
        deliver("a.csv", as_csv(("1", "CA"), header=HEADER))
        take_in(problem=undated)
        deliver("b.csv", as_csv(("1", "CA", "04/01/2015"), header=(*HEADER, "visited_at")))

        take_in(problem=undated)

        assert raw("visit_id", "visited_at") == [("1", "04/01/2015")]
