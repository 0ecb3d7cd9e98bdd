from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.config import config_context
from pandera.typing import Series

from ml_assets.validation import hold_to_contract
from ml_assets.validation.duplicates import repeated

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class House(pa.DataFrameModel):
    """A contract with every kind of column and rule."""

    id: Series[str] = pa.Field(unique=True, metadata={"role": "id"})
    sold_at: Series[UTC_TIME] = pa.Field(metadata={"role": "time"})
    price_usd: Series[float] = pa.Field(gt=0, nullable=True, metadata={"role": "target"})
    rooms: Series[int] = pa.Field(ge=1, metadata={"role": "input"})
    has_garden: Series[pd.BooleanDtype] = pa.Field(nullable=True, metadata={"role": "input"})
    street: Series[str] = pa.Field(metadata={"role": "input"})
    number: Series[str] = pa.Field(nullable=True, metadata={"role": "input"})

    @pa.dataframe_check(name="price_usd: is less than a room is worth")
    def worth_it(cls, df):  # noqa: N805
        return ~(df["price_usd"] < 10 * df["rooms"].astype("float64"))

    class Config:
        unique = ("street", "number")


class Anything(pa.DataFrameModel):
    """A contract that promises nothing."""

    id: Series[str] = pa.Field(nullable=True, metadata={"role": "id"})
    note: Series[str] = pa.Field(nullable=True, metadata={"role": "input"})


class SelfDefeating(pa.DataFrameModel):
    """A contract with a check that cannot be asked."""

    id: Series[str] = pa.Field(metadata={"role": "id"})

    @pa.check("id", name="is prime")
    def is_prime(cls, _):  # noqa: N805
        message = "nobody knows"
        raise ZeroDivisionError(message)


class Average(pa.DataFrameModel):
    """A contract with a check over the table as a whole."""

    id: Series[str] = pa.Field(metadata={"role": "id"})

    @pa.check("id", name="has two rows")
    def has_two_rows(cls, ids):  # noqa: N805
        return bool(len(ids) == 2)


HOUSE = {
    "id": "a",
    "sold_at": "2015-03-02",
    "price_usd": "250000",
    "rooms": "4",
    "has_garden": "Yes",
    "street": "Elm",
    "number": "1",
}


@pytest.fixture
def houses(complaints):
    return replace(complaints, name="houses", contract=House)


@pytest.fixture
def held(houses, as_raw):
    """The verdict on some houses, each with what is unusual about it."""

    def hold(*unusual, problem=houses, **others):
        rows = [
            {**HOUSE, "id": str(place), "number": str(place), **each}
            for place, each in enumerate(unusual)
        ]
        return hold_to_contract(problem, as_raw(pd.DataFrame(rows)), **others)

    return hold


class TestEveryRule:
    @pytest.mark.parametrize(
        ("column", "cell", "rule"),
        [
            ("price_usd", "a lot", "price_usd: is not a number"),
            ("price_usd", "1e999", "price_usd: is not a number"),
            ("price_usd", "1,5", "price_usd: is not a number"),
            ("rooms", "-1", "rooms: greater_than_or_equal_to(1)"),
            ("price_usd", "39", "price_usd: is less than a room is worth"),
            ("rooms", "4.5", "rooms: is not a whole number"),
            ("rooms", "99999999999999999999", "rooms: is not a whole number"),
            ("rooms", "0", "rooms: greater_than_or_equal_to(1)"),
            ("rooms", None, "rooms: is missing"),
            ("rooms", "N/A", "rooms: is missing"),
            ("has_garden", "perhaps", "has_garden: is neither yes nor no"),
            ("sold_at", "30.02.2015", "sold_at: is not a time"),
            ("sold_at", "02/30/2015", "sold_at: is not a time"),
            ("sold_at", "2015", "sold_at: is not a time"),
            ("sold_at", "", "sold_at: is missing"),
            ("street", None, "street: is missing"),
            ("street", "  ", "street: is missing"),
        ],
    )
    def test_quarantines_the_row_that_breaks_it(self, held, column, cell, rule):
        verdict = held({}, {column: cell}, {})

        assert verdict.quarantined["id"].to_pylist() == ["1"]
        assert verdict.quarantined["reasons"].to_pylist() == [rule]
        assert verdict.broken == {rule: 1}
        assert verdict.valid["id"].to_pylist() == ["0", "2"]

    @pytest.mark.parametrize(
        ("column", "cell", "value"),
        [
            ("price_usd", " 1.5e6 ", 1_500_000.0),
            ("price_usd", "+40.", 40.0),
            ("price_usd", "N/A", None),
            ("rooms", "12.0", 12),
            ("rooms", "+4", 4),
            ("has_garden", "false", False),
            ("has_garden", "1", True),
            ("has_garden", "None", None),
            ("number", "12 b ", "12 b "),
            ("number", "null", None),
        ],
    )
    def test_keeps_the_row_that_holds_it(self, held, column, cell, value):
        verdict = held({column: cell})

        assert verdict.valid[column].to_pylist() == [value]
        assert verdict.broken == {}

    @pytest.mark.parametrize(
        ("cell", "moment"),
        [
            ("03/31/2015", "2015-03-31T00:00:00+00:00"),
            ("2015-03-31", "2015-03-31T00:00:00+00:00"),
            ("2015-03-31T22:30:00-05:00", "2015-04-01T03:30:00+00:00"),
            ("2015-03-31T22:30:00Z", "2015-03-31T22:30:00+00:00"),
        ],
    )
    def test_reads_times_into_utc(self, held, cell, moment):
        verdict = held({"sold_at": cell})

        assert [each.isoformat() for each in verdict.valid["sold_at"].to_pylist()] == [moment]

    def test_names_every_rule_that_a_row_broke(self, held):
        verdict = held({"price_usd": "?", "rooms": "0", "street": None})

        assert set(verdict.quarantined["reasons"][0].as_py().split("; ")) == {
            "price_usd: is not a number",
            "rooms: greater_than_or_equal_to(1)",
            "street: is missing",
        }

    def test_does_not_call_a_cell_missing_that_could_not_be_cast(self, held):
        verdict = held({"rooms": "four"})

        assert verdict.broken == {"rooms: is not a whole number": 1}

    def test_keeps_broken_rows_as_they_came(self, held):
        verdict = held({"price_usd": " ?? ", "rooms": "04"})

        row = verdict.quarantined.to_pylist()[0]
        assert (row["price_usd"], row["rooms"]) == (" ?? ", "04")
        assert (row["_file"], row["_row"]) == ("complaints.csv", 1)

    def test_shows_what_broken_rows_say_and_where_they_are_from(self, held):
        verdict = held({}, {"price_usd": "a lot"})

        assert verdict.broken_rules[0].examples == ("'a lot' in complaints.csv row 2",)

    def test_quarantines_rows_of_another_partition(self, held):
        verdict = held({}, {"sold_at": "2015-04-01"}, partition="2015-03")

        assert verdict.broken == {"sold_at: belongs to another partition": 1}


class TestDuplicates:
    def test_the_first_of_exact_copies_stays(self, held):
        verdict = held({"id": "a", "number": "7"}, {}, {"id": "a", "number": "7"})

        assert verdict.valid["id"].to_pylist() == ["a", "1"]
        assert verdict.quarantined["_row"].to_pylist() == [3]
        assert "id: is a copy of an earlier row" in verdict.broken

    def test_all_rows_that_contradict_each_other_go(self, held):
        verdict = held({"id": "a"}, {}, {"id": "a", "price_usd": "1000"}, {"id": "a"})

        assert verdict.valid["id"].to_pylist() == ["1"]
        assert verdict.broken == {"id: is shared by rows that contradict each other": 3}

    def test_rows_without_an_id_are_no_copies_of_each_other(self, held):
        verdict = held({"id": None}, {"id": None})

        assert verdict.broken == {"id: is missing": 2}

    def test_several_columns_together_may_have_to_be_unique(self, held):
        verdict = held({"number": "5"}, {"number": "5"}, {"number": "5", "street": "Oak"})

        assert verdict.valid["id"].to_pylist() == ["2"]
        assert verdict.broken == {
            "street, number: is shared by rows that contradict each other": 2
        }

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_are_found_across_chunks(self, houses, as_raw, size):
        ids = ["a", "b", "a", "c", "b", "a", "d"]
        rows = [{**HOUSE, "id": each, "number": each} for each in ids]
        rows[4]["price_usd"] = "1000"
        raw = as_raw(pd.DataFrame(rows))
        chunks = [raw.slice(start, size) for start in range(0, len(raw), size)]

        found = repeated(houses, lambda columns: [each.select(columns) for each in chunks])
        verdicts = []
        for chunk in chunks:
            verdicts.append(hold_to_contract(houses, chunk, duplicated=found))
            found = tuple(key.after(chunk) for key in found)

        kept = [each for verdict in verdicts for each in verdict.valid["id"].to_pylist()]
        assert kept == ["a", "c", "d"]

    def test_of_faulty_rows_do_not_count(self, houses, as_raw):
        rows = pd.DataFrame([{**HOUSE, "id": "a"}, {**HOUSE, "id": "a", "rooms": "9"}])
        raw = as_raw(rows, faults=[None, "ragged: 9 fields, 7 expected"])

        verdict = hold_to_contract(houses, raw)

        assert verdict.valid["id"].to_pylist() == ["a"]


class TestFaultyRows:
    def test_are_quarantined_for_their_fault_alone(self, houses, as_raw):
        rows = pd.DataFrame([{**HOUSE, "rooms": "broken"}, HOUSE])
        raw = as_raw(rows, faults=["ragged: 9 fields, 7 expected", None])

        verdict = hold_to_contract(houses, raw)

        assert verdict.quarantined["reasons"].to_pylist() == ["ragged: 9 fields, 7 expected"]
        assert verdict.broken == {"row: ragged": 1}
        assert len(verdict.valid) == 1


class TestAGateThatRanNoCheck:
    def test_says_so_when_the_contract_has_no_rule(self, complaints, as_raw):
        problem = replace(complaints, contract=Anything)
        raw = as_raw(pd.DataFrame({"id": ["a"], "note": ["b"]}))

        assert hold_to_contract(problem, raw).rules == 0

    def test_counts_the_rules_of_a_contract(self, held):
        # 4 kinds, 4 columns without gaps, 2 checks of cells, 1 of rows, 2 of uniqueness
        assert held({}).rules == 13

    def test_is_not_brought_about_by_switching_pandera_off(self, held):
        with config_context(validation_enabled=False):
            verdict = held({"rooms": "-1"})

        assert verdict.broken == {"rooms: greater_than_or_equal_to(1)": 1}


class TestATableThatCannotBeJudged:
    def test_lacks_a_column(self, houses, as_raw):
        raw = as_raw(pd.DataFrame([HOUSE]).drop(columns="rooms"))

        verdict = hold_to_contract(houses, raw)

        assert verdict.schema_failures[0].startswith("the table lacks the column rooms; it has")
        assert (len(verdict.valid), len(verdict.quarantined), verdict.rules) == (0, 1, 0)

    def test_has_a_check_that_fails_itself(self, complaints, as_raw):
        problem = replace(complaints, contract=SelfDefeating)

        verdict = hold_to_contract(problem, as_raw(pd.DataFrame({"id": ["a"]})))

        assert verdict.schema_failures == (
            'the check id: is prime failed itself: ZeroDivisionError("nobody knows")',
        )

    @pytest.mark.parametrize(("rows", "failures"), [(2, 0), (3, 1)])
    def test_breaks_a_rule_as_a_whole(self, complaints, as_raw, rows, failures):
        problem = replace(complaints, contract=Average)
        raw = as_raw(pd.DataFrame({"id": [str(row) for row in range(rows)]}))

        verdict = hold_to_contract(problem, raw)

        assert len(verdict.schema_failures) == failures


def test_every_row_is_in_one_half_in_its_order(complaints, as_raw, drawn, rng):
    df = drawn(500)
    df.loc[rng.choice(500, 40, replace=False), "state"] = "Texas"

    verdict = hold_to_contract(complaints, as_raw(df, list(complaints.fields)))

    texan = (df["state"] == "Texas").to_numpy()
    assert verdict.valid["complaint_id"].to_pylist() == list(df["complaint_id"][~texan])
    assert verdict.quarantined["complaint_id"].to_pylist() == list(df["complaint_id"][texan])
    assert np.array_equal(texan, [each is not None for each in verdict.reasons.to_pylist()])


def test_valid_rows_have_the_types_of_the_contract(held):
    types = {field.name: str(field.type) for field in held({}).valid.schema}

    assert types == {
        "id": "string",
        "sold_at": "timestamp[us, tz=UTC]",
        "price_usd": "double",
        "rooms": "int64",
        "has_garden": "bool",
        "street": "string",
        "number": "string",
    }


def test_judges_an_empty_table(houses, as_raw):
    nothing = as_raw(pd.DataFrame([HOUSE])).slice(0, 0)

    verdict = hold_to_contract(houses, nothing)

    assert (len(verdict.valid), len(verdict.quarantined), verdict.rules) == (0, 0, 0)
    assert verdict.quarantine_rate == 0.0
    assert verdict.reasons.to_pylist() == []
