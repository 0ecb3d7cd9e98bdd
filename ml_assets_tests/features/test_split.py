import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loans import LOANS, draw, with_config

from ml_assets.errors import InsufficientData
from ml_assets.features import assign_split
from ml_assets.features.split import EventDay, place_of, split_rule
from ml_assets.problem.config import Split


def shares(assigned):
    return {name: float((assigned == name).mean()) for name in ("train", "validation", "test")}


@pytest.fixture
def rows(rng):
    return draw(3_000, rng)


BY_ENTITY = with_config(LOANS, split={"by": "entity"})


class TestByTime:
    def test_holds_out_the_newest_rows(self, rows):
        assigned = assign_split(LOANS, rows)

        days = rows["applied_at"].dt.date
        assert days[assigned == "train"].max() < days[assigned == "validation"].min()
        assert days[assigned == "validation"].max() < days[assigned == "test"].min()
        assert shares(assigned) == pytest.approx(
            {"train": 0.64, "validation": 0.16, "test": 0.2}, abs=0.01
        )

    def test_never_cuts_a_day_in_two(self, rows):
        daily = rows.assign(applied_at=rows["applied_at"] + pd.Timedelta(hours=3))

        assigned = assign_split(LOANS, daily)

        assert assigned.groupby(daily["applied_at"].dt.date).nunique().max() == 1

    def test_needs_three_days(self, rows):
        two_days = rows[rows["applied_at"].dt.date < dt.date(2020, 1, 3)]

        with pytest.raises(InsufficientData, match="needs at least 3 event days, got 2"):
            assign_split(LOANS, two_days)

    def test_gives_each_split_a_day_when_there_are_three(self):
        days = [EventDay(dt.date(2020, 1, day), 10) for day in (1, 2, 3)]

        rule = split_rule(Split(), days)

        assert rule == (dt.date(2020, 1, 2), dt.date(2020, 1, 3))

    def test_holds_nothing_out_when_told_so(self, rows):
        everything = with_config(LOANS, split={"test_share": 0.0, "validation_share": 0.0})

        assert set(assign_split(everything, rows)) == {"train"}


class TestByEntity:
    def test_holds_out_the_shares_that_were_asked_for(self, rows):
        assert shares(assign_split(BY_ENTITY, rows)) == pytest.approx(
            {"train": 0.64, "validation": 0.16, "test": 0.2}, abs=0.03
        )

    def test_leaves_every_row_in_its_place_when_more_arrive(self, rows, rng):
        more = pd.concat([rows, draw(2_000, rng, start="2021-01-01")], ignore_index=True)

        before, after = assign_split(BY_ENTITY, rows), assign_split(BY_ENTITY, more)

        assert after[: len(before)].equals(before)


@pytest.mark.parametrize("problem", [LOANS, BY_ENTITY], ids=["time", "entity"])
class TestLawsOfEveryRule:
    @settings(deadline=None, max_examples=20)
    @given(seed=st.integers(0, 1_000), entities=st.integers(30, 100))
    def test_never_separates_an_entity(self, problem, seed, entities):
        rng = np.random.default_rng(seed)
        rows = draw(200, rng).assign(loan_id=rng.integers(entities, size=200).astype(str))

        assigned = assign_split(problem, rows)

        assert assigned.groupby(rows["loan_id"].to_numpy()).nunique().max() == 1

    def test_is_a_function_of_the_rows_and_not_of_their_order(self, problem, rows):
        turned = rows.sample(frac=1, random_state=1)

        assert assign_split(problem, turned).sort_index().equals(assign_split(problem, rows))


def test_places_are_spread_evenly_and_known_by_heart():
    """The place of an id must never change, or yesterday's test rows are tomorrow's train rows."""
    sql = f"select {place_of('id')} from (select unnest(['a', 'b', '']) as id)"

    found = [row[0] for row in duckdb.sql(sql).fetchall()]

    assert found == pytest.approx([0.0498269633, 0.5739040372, 0.8285759002], abs=1e-9)
