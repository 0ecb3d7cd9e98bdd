import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.problem import problem_named
from ml_assets.problems.homes.hooks import as_the_client_counts, in_square_metres
from ml_assets.problems.homes.source import draw_homes, sample
from ml_assets.validation import hold_to_contract


@pytest.fixture
def homes():
    return problem_named("homes")


@pytest.fixture
def held(homes):
    """The verdict on one home that differs from a sampled one in some cells."""

    def hold(**cells):
        df = sample(1, np.random.default_rng(0)).assign(**cells)
        columns = {
            name: pa.array(df[name], pa.string(), from_pandas=True) for name in homes.fields
        }
        return hold_to_contract(homes, pa.table(columns))

    return hold


class TestTheContract:
    @pytest.mark.parametrize(
        ("column", "cell"),
        [
            ("price_usd", "0"),
            ("area_m2", "1"),
            ("latitude", "470"),
            ("built_on", "May 1990"),
            ("location", ""),
        ],
    )
    def test_refuses_what_no_home_has(self, held, column, cell):
        assert any(rule.startswith(column) for rule in held(**{column: cell}).broken)

    @pytest.mark.parametrize("cell", ["1990", "1990-05", "1990-05-17"])
    def test_knows_a_day_as_exactly_as_the_source_does(self, held, cell):
        assert held(built_on=cell).broken == {}


class TestFeatures:
    @pytest.fixture
    def rows(self, homes):
        drawn = sample(50, np.random.default_rng(0))
        columns = {n: pa.array(drawn[n], pa.string(), from_pandas=True) for n in homes.fields}
        valid = hold_to_contract(homes, pa.table(columns)).valid
        return valid.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)

    def test_tell_cities_of_the_same_name_apart(self, homes, rows):
        features = homes.features(rows.assign(city="Perth"))

        assert set(features["city"]) == {f"{place}: Perth" for place in rows["location"]}

    def test_count_years_at_the_day_of_the_offer(self, homes, rows):
        features = homes.features(rows.assign(built_year=2000.0))

        assert (features["built_years_ago"] == rows["listed_at"].dt.year - 2000).all()

    def test_do_not_know_the_street_or_the_source(self, homes, rows):
        other = homes.features(rows.assign(street="1 Other Road", source="other"))

        pd.testing.assert_frame_equal(other, homes.features(rows))


class TestHooks:
    def test_take_square_feet(self):
        row = in_square_metres({"area_sqft": "1200", "location": "USA"})

        assert row == {"area_m2": pytest.approx(111.48, abs=0.01), "location": "USA"}

    def test_leave_a_row_of_the_contract_as_it_is(self):
        row = {"area_m2": 130.0, "location": "Spain"}

        assert in_square_metres(dict(row)) == row

    @pytest.mark.parametrize(
        ("row", "price"),
        [
            ({"location": "USA"}, "$500,000"),
            ({"location": "Spain"}, "€460,000"),
            ({"location": "Spain", "currency": "usd"}, "$500,000"),
            ({"location": "Nowhere", "currency": "shells"}, "$500,000"),
        ],
    )
    def test_answer_in_the_money_of_the_client_or_the_place(self, row, price):
        assert as_the_client_counts(500_000.0, row)["price"] == price

    def test_say_what_a_square_metre_costs(self):
        shown = as_the_client_counts(500_000.0, {"location": "USA", "area_m2": 100.0})

        assert shown["per_m2"] == "$5,000"

    @given(price=st.floats(-1e9, 1e9))
    def test_never_show_less_than_nothing(self, price):
        assert "-" not in as_the_client_counts(price, {"location": "USA"})["price"]


def test_larger_homes_are_drawn_dearer():
    drawn = draw_homes(500, np.random.default_rng(0))

    assert np.corrcoef(np.log(drawn["area_m2"]), np.log(drawn["price_usd"]))[0, 1] > 0.5
