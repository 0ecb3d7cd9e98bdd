"""Records of one home become one record; nothing is lost, and what they still dispute is found."""

import datetime as dt
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loans import CONFIG, LOANS

from ml_assets.errors import ProblemError, SourceError
from ml_assets.ingestion.duplicates import Rules, merge
from ml_assets.ingestion.duplicates.scores import pairwise_scores
from ml_assets.problem import Config
from ml_assets.problem.duplicates import Duplicates
from ml_assets_bench.planted import RULES, SCHEMA, planted

LAW = settings(deadline=None, max_examples=3)
TOWNS = given(seed=st.integers(0, 10_000))
MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SAME_PLACE = {
    "street": "15 Star Thistle",
    "postcode": "92604",
    "bedrooms": 2,
    "built_year": 1990,
}


def record(listing_id, source="agency", **said):
    row = dict.fromkeys(SCHEMA.names) | {"listed_at": MONDAY, "price_usd": 130_000.0}
    return row | {"listing_id": listing_id, "source": source} | said


def table(*records):
    return pa.Table.from_pylist(list(records), SCHEMA)


def declared(**changed):
    values = RULES.declared.model_dump(exclude_defaults=True) | changed
    return RULES._replace(declared=Duplicates.model_validate(values))


def town(seed, rows=200):
    return planted(rows, np.random.default_rng(seed))


def members(merged):
    """Canonical id of every record."""
    return {
        member["id"]: row["listing_id"]
        for row in merged.canonical.to_pylist()
        for member in json.loads(row["_members"])
    }


FLAT = record("flat-1", **SAME_PLACE, area_m2=1200 * 0.09290304)
NESTED = record(
    "nested-1", "portal", **SAME_PLACE | {"street": "15 STAR THISTLE"}, area_m2=130.0
)


class TestTheTwoRecordsOfOneHome:
    def test_become_one_canonical_row(self):
        merged = merge(table(NESTED, FLAT), RULES)

        (row,) = merged.canonical.to_pylist()
        assert (row["listing_id"], row["source"]) == ("flat-1", "agency")
        assert row["area_m2"] == pytest.approx(111.48, abs=0.01)
        assert json.loads(row["_members"]) == [
            {"id": "flat-1", "source": "agency"},
            {"id": "nested-1", "source": "portal"},
        ]
        assert json.loads(row["_won"])["area_m2"] == "agency"
        assert merged.merged == {"portal": 1}

    def test_leave_a_finding_of_areas_that_are_16_6_percent_apart(self):
        merged = merge(table(FLAT, NESTED), RULES)

        (found,) = merged.findings.to_pylist()
        assert found.pop("apart") == pytest.approx(0.166, abs=0.0005)
        assert float(found.pop("left_value")) == pytest.approx(111.48, abs=0.01)
        assert found == {
            "canonical_id": "flat-1",
            "column": "area_m2",
            "limit": 0.05,
            "left_id": "flat-1",
            "left_source": "agency",
            "right_value": "130.0",
            "right_id": "nested-1",
            "right_source": "portal",
        }


class TestLaws:
    @LAW
    @TOWNS
    def test_records_in_are_canonical_and_merged_for_every_source(self, seed):
        records = town(seed).records

        merged = merge(records, RULES)

        came = Counter(records["source"].to_pylist())
        assert Counter(merged.canonical["source"].to_pylist()) + Counter(merged.merged) == came
        assert sorted(members(merged)) == sorted(records["listing_id"].to_pylist())

    @LAW
    @TOWNS
    def test_the_order_of_records_changes_nothing(self, seed):
        records = town(seed).records
        turned = records.take(np.random.default_rng(seed).permutation(len(records)))

        merged = merge(turned, RULES)

        again = merge(records, RULES)
        assert merged.canonical.equals(again.canonical)
        assert merged.findings.equals(again.findings)

    @LAW
    @TOWNS
    def test_a_canonical_value_is_one_that_a_member_said_and_its_source_won(self, seed):
        records = town(seed).records
        by_id = {row["listing_id"]: row for row in records.to_pylist()}

        merged = merge(records, RULES)

        for row in merged.canonical.to_pylist():
            told = [by_id[each["id"]] for each in json.loads(row["_members"])]
            won = json.loads(row["_won"] or "{}")
            for name in set(SCHEMA.names) - {"listing_id", "source", "listed_at"}:
                saying = [each for each in told if each[name] == row[name]]
                assert saying
                assert name not in won or won[name] in {each["source"] for each in saying}

    @LAW
    @TOWNS
    def test_a_finding_is_about_two_records_of_one_home(self, seed):
        merged = merge(town(seed).records, RULES)

        home = members(merged)
        for found in merged.findings.to_pylist():
            assert home[found["left_id"]] == home[found["right_id"]] == found["canonical_id"]
            assert found["apart"] > found["limit"]


class TestWhichRecordsAreMerged:
    def test_finds_planted_duplicates(self):
        records, truth = town(7, rows=5_000)

        scores = pairwise_scores(members(merge(records, RULES)), truth)

        assert scores.precision >= 0.95
        assert scores.recall >= 0.90

    def test_keeps_neighbours_apart(self):
        flats = [
            record(f"flat-{flat}", source, **SAME_PLACE | {"street": f"{flat}/15 Star Thistle"})
            for flat, source in enumerate(["agency", "portal", "crawler"], start=1)
        ]

        assert merge(table(*flats), RULES).canonical.num_rows == 3

    def test_gives_a_flat_without_a_number_to_one_neighbour_only(self):
        first = record(
            "a", "agency", **SAME_PLACE | {"street": "1/15 Star Thistle"}, area_m2=70.0
        )
        second = record(
            "b", "crawler", **SAME_PLACE | {"street": "2/15 Star Thistle"}, area_m2=71.0
        )
        nameless = record("c", "portal", **SAME_PLACE, area_m2=71.0, bathrooms=1)
        loose = declared(merge_from=0.3)

        merged = merge(table(first, second, nameless), loose)

        assert members(merged) == {"a": "a", "b": "c", "c": "c"}

    def test_takes_a_record_that_comes_twice_for_one(self):
        merged = merge(table(FLAT, FLAT | {"price_usd": 131_000.0}), RULES)

        assert merged.canonical.num_rows == 1
        assert merged.merged == {"agency": 1}

    def test_merges_nothing_where_no_block_is_shared(self):
        merged = merge(table(FLAT, record("b", street="3 Elm Street", postcode="1")), RULES)

        assert merged.compared == 0
        assert merged.canonical["_won"].null_count == merged.canonical.num_rows == 2

    def test_leaves_a_crowded_block_out_and_counts_its_rows(self):
        crowd = [record(f"r-{n}", source=f"s{n}", **SAME_PLACE) for n in range(4)]

        merged = merge(table(*crowd), declared(most_rows_in_block=3))

        assert (merged.compared, merged.crowded, merged.canonical.num_rows) == (0, 4, 4)

    def test_has_nothing_to_say_of_no_records(self):
        merged = merge(table(), RULES)

        assert (merged.canonical.num_rows, merged.findings.num_rows) == (0, 0)


class TestWhoseValueStays:
    def test_takes_places_from_one_record(self):
        half = record("a", "agency", **SAME_PLACE, latitude=33.7)
        whole = record("b", "portal", **SAME_PLACE, latitude=33.70001, longitude=-117.8)

        merged = merge(table(half, whole), RULES)

        (row,) = merged.canonical.to_pylist()
        assert (row["listing_id"], row["latitude"], row["longitude"]) == ("a", 33.70001, -117.8)

    def test_fills_what_the_trusted_source_leaves_out(self):
        merged = merge(table(FLAT | {"bedrooms": None}, NESTED | {"bedrooms": 2}), RULES)

        (row,) = merged.canonical.to_pylist()
        assert row["bedrooms"] == 2
        assert json.loads(row["_won"])["bedrooms"] == "portal"


class TestRefusals:
    def test_refuses_records_without_a_compared_column(self):
        with pytest.raises(SourceError, match="compared by street, which they lack"):
            merge(table(FLAT).drop_columns(["street"]), RULES)

    def test_refuses_records_without_an_id(self):
        with pytest.raises(SourceError, match="1 of 1 rows have no listing_id; quarantine"):
            merge(table(record(None)), RULES)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({}, "has no section duplicates"),
            ({"source": "portal"}, "names portal, which the contract lacks"),
            ({"survivorship": {"rules": {"story": "median"}}}, "the median of story"),
            ({"survivorship": {"rules": {"loan_id": "longest"}}}, "survivorship names loan_id"),
        ],
    )
    def test_refuses_rules_that_a_problem_cannot_keep(self, changed, message):
        section = {
            "source": "purpose",
            "blocking": [["story"]],
            "comparisons": {"story": {"kind": "text"}},
        }
        config = CONFIG | {"duplicates": section | changed if changed else None}
        problem = replace(LOANS, config=Config.from_values(config, where="the test"))

        with pytest.raises(ProblemError, match=message):
            Rules.of(problem)


def test_pays_for_splink_only_where_rows_are_compared():
    program = (
        "import sys, pyarrow as pa\n"
        "from ml_assets.ingestion.duplicates import merge\n"
        "from ml_assets_bench.planted import RULES, planted\n"
        "import numpy as np\n"
        "merge(planted(20, np.random.default_rng(0)).records.slice(0, 1), RULES)\n"
        "print('splink' in sys.modules, 'pandas' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split()[0] == "False"
