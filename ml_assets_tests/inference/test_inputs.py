"""Laws of the input part of a contract: one row read directly is a row read by way of a table."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.typing import Series

from ml_assets.errors import InvalidRows
from ml_assets.inference.inputs import MOST_BROKEN, Inputs
from ml_assets.inference.remembering import MOST_REMEMBERED
from ml_assets.problem import Config, Problem, problems

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Parcel(pandera.DataFrameModel):
    """Every kind of column, and every kind of rule."""

    parcel: Series[str] = pandera.Field(unique=True, metadata={"role": "id"})
    sent: Series[UTC_TIME] = pandera.Field(
        ge=pd.Timestamp("2020-01-01", tz="UTC"), metadata={"role": "time"}
    )
    country: Series[str] = pandera.Field(
        isin=["DE", "FR", "İT"], metadata={"role": "input"}, description="Where to."
    )
    street: Series[str] = pandera.Field(
        nullable=True, str_contains="a", str_startswith="P", metadata={"role": "input"}
    )
    code: Series[str] = pandera.Field(
        nullable=True, str_matches=r"^\d{3,5}$", notin=["000"], metadata={"role": "input"}
    )
    weight_kg: Series[float] = pandera.Field(
        gt=0, in_range={"min_value": 0, "max_value": 40}, metadata={"role": "input"}
    )
    floor: Series[pd.Int64Dtype] = pandera.Field(
        nullable=True, ge=-1, le=60, ne=13, metadata={"role": "input"}
    )
    insured: Series[pd.BooleanDtype] = pandera.Field(nullable=True, metadata={"role": "input"})
    promised: Series[UTC_TIME] = pandera.Field(nullable=True, metadata={"role": "input"})
    zone: Series[str] = pandera.Field(nullable=True, metadata={"role": "sensitive"})
    late: Series[pd.BooleanDtype] = pandera.Field(
        nullable=False, metadata={"role": "target", "known_at": "delivered"}
    )

    @pandera.check("weight_kg", name="is a multiple of 0.5")
    def in_halves(cls, weight: pd.Series) -> pd.Series:  # noqa: N805
        return weight % 0.5 == 0

    @pandera.check("floor", element_wise=True, name="is a lucky floor")
    def lucky(cls, floor: int) -> bool:  # noqa: N805
        return floor != 4

    @pandera.dataframe_check(name="promised: is after sent")
    def promised_after_sent(cls, df: pd.DataFrame) -> pd.Series:  # noqa: N805
        return df["promised"].isna() | (df["promised"] >= df["sent"])

    @pandera.dataframe_check(name="insured parcels are light")
    def insured_are_light(cls, df: pd.DataFrame) -> pd.Series:  # noqa: N805
        return (df["weight_kg"] < 20) | ~df["insured"].fillna(value=False)

    @pandera.dataframe_check(name="late: needs a promise")
    def late_needs_promise(cls, df: pd.DataFrame) -> pd.Series:  # noqa: N805
        return df["promised"].notna() | ~df["late"].fillna(value=False)


def draw(rows, rng):
    """Parcels as a source would deliver them."""
    return pd.DataFrame(
        {
            "parcel": [f"p{number}" for number in range(rows)],
            "sent": "2026-01-0" + pd.Series(rng.integers(1, 9, rows)).astype(str),
            "country": rng.choice(["DE", "FR"], rows),
            "street": "Park lane",
            "code": "1234",
            "weight_kg": rng.choice(["0.5", "12", "1e1"], rows),
            "floor": rng.choice(["1", "2.0", None], rows),
            "insured": rng.choice(["Yes", "No", None], rows),
            "promised": None,
            "zone": "north",
            "late": rng.choice(["Yes", "No"], rows),
        }
    ).astype("str")


PARCELS = Problem(
    name="parcels",
    folder=None,
    contract=Parcel,
    features=lambda rows: rows[["weight_kg"]],
    sample=draw,
    config=Config.from_values(
        {
            "objective": "Deliver in time.",
            "owner": "tests",
            "moments": ["sent", "delivered"],
            "moment_of_prediction": "sent",
            "source": {
                "origin": "drawn",
                "terms": "none",
                "missing": ["", "N/A", "-1"],
                "date_formats": ["%d.%m.%Y", "%Y-%m-%d"],
            },
            "partitions": {"start": "2026-01-01"},
            "label": {"positive": "late", "delay_days": 1},
            "kpi": {"metric": "roc_auc", "formula": "", "floor": 0.5, "owner": "tests"},
            "metrics": ["roc_auc"],
            "training": {"estimators": {}, "encoders": {}},
        },
        where="the test",
    ),
)

CELLS = st.one_of(
    st.none(),
    st.text(max_size=18),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.dates(),
    st.sampled_from(
        [
            *(
                "DE",
                " DE",
                "İT",
                "P a",
                "Pa\n",
                "123",
                "123\n",
                "١٢٣",
                "000",
                "N/A",
                " N/A ",
                "\x1cN/A",
            ),
            *(
                "\u00a0",
                "\u3000N/A",
                "-1",
                "12",
                "+12.50",
                "1e400",
                "1_000",
                "0x10",
                "12.0",
                "1" * 19,
            ),
            *(
                "Yes",
                " No",
                "true",
                "TRUE",
                "2026-01-03",
                "31.01.2026",
                "30.02.2026",
                "2026-01-03T10:00",
            ),
            *(
                "2026-01-03T10:00:00+02:00",
                "0001-01-01T00:00:00+14:00",
                "ab\ud800",
                "«DE»",
                "nan",
                "inf",
            ),
        ]
    ),
    st.sampled_from(
        [np.float64(2.5), np.int64(7), np.bool_(True), pd.NA, pd.NaT, float("nan")]
    ),
    st.sampled_from(
        [pd.Timestamp("2026-05-05", tz="UTC"), pd.Timestamp("2026-05-05 10:00"), 13, 4]
    ),
    st.sampled_from([[1], {"a": 1}, b"DE", -1, -1.0, 1e16, 123456789012345678, 10**400]),
)

GOOD = {
    "parcel": "p1",
    "sent": "03.01.2026",
    "country": "DE",
    "street": "Park lane",
    "code": "123",
    "weight_kg": 2.5,
    "floor": 3,
    "insured": True,
    "promised": "2026-01-04",
}


@pytest.fixture(scope="module")
def inputs():
    return Inputs(PARCELS)


def rows_like(row):
    return st.dictionaries(st.sampled_from(list(row)), CELLS).map(lambda changes: row | changes)


@settings(max_examples=80, deadline=None)
@given(row=rows_like(GOOD))
def test_reads_a_row_as_a_table_of_one_is_read(inputs, row):
    directly = inputs.hold_one(row)

    (by_table,) = inputs.by_table([row])
    assert set(directly.broken) == set(by_table.broken)
    if not by_table.broken:
        assert directly.row == by_table.row


@settings(max_examples=40, deadline=None)
@given(some=st.lists(rows_like(GOOD), min_size=1, max_size=3))
def test_reads_many_rows_as_each_alone(inputs, some):
    rows = [GOOD, *some] * 3
    alone = [inputs.hold_one(row) for row in rows]

    if any(held.broken for held in alone):
        with pytest.raises(InvalidRows) as refused:
            inputs.hold(rows)
        broken = [(row, rule) for row, held in enumerate(alone) for rule in held.broken]
        assert [(each.row, each.rule) for each in refused.value.broken] == broken[:MOST_BROKEN]
    else:
        assert repr(inputs.hold(rows)) == repr([held.row for held in alone])


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_reads_sampled_rows_of_every_problem_directly(problem):
    inputs = Inputs(problem)
    sample = problem.sample(40, np.random.default_rng(0)).astype(object)
    rows = sample.where(sample.notna(), None).to_dict("records")

    held = inputs.hold(rows)

    assert inputs.not_direct is None
    assert held == [each.row for each in inputs.by_table(rows)]


class TestRememberedTexts:
    def test_are_read_as_at_first(self, inputs):
        row = {**GOOD, "street": "N/A", "floor": "12"}

        first, again = inputs.hold_one(row), inputs.hold_one(row)

        assert repr(again) == repr(first)

    def test_never_hide_a_broken_rule(self, inputs):
        row = {**GOOD, "country": "XX", "weight_kg": "none"}

        first, again = inputs.hold_one(row), inputs.hold_one(row)

        assert {"country", "weight_kg"} <= {rule.partition(":")[0] for rule in first.broken}
        assert again == first

    def test_are_bounded(self, complaints):
        inputs = Inputs(complaints)
        (column,) = [each for each in inputs._readers if each.name == "company"]

        for number in range(MOST_REMEMBERED + 50):
            inputs.hold_one({"issue": "fee", "company": f"Bank {number}"})

        assert 0 < len(column.known) <= MOST_REMEMBERED

    def test_are_neither_ids_nor_of_a_rule_that_may_change_its_mind(self, inputs):
        inputs.hold_one({**GOOD, "floor": "11"})

        remembering = {each.name for each in inputs._readers if each.known}

        assert {"country", "sent"} <= remembering
        assert not remembering & {"parcel", "floor"}


class TestWhatIsAsked:
    def test_ignores_what_is_known_later(self, inputs):
        (held,) = inputs.hold([GOOD | {"late": "who knows", "zone": 3}])

        assert held == inputs.hold([GOOD])[0]

    def test_takes_the_same_entity_twice_or_none_at_all(self, inputs):
        unnamed = {name: value for name, value in GOOD.items() if name != "parcel"}

        held = inputs.hold([GOOD, GOOD, unnamed])

        assert [row["parcel"] for row in held] == ["p1", "p1", None]

    def test_asks_only_rules_that_can_be_asked_by_then(self, inputs):
        assert inputs.hold_one(GOOD | {"promised": None}).broken == ()

    def test_says_why_a_rule_has_no_direct_path(self):
        class Ranked(Parcel):
            @pandera.check("weight_kg", name="is no outlier")
            def no_outlier(cls, weight: pd.Series) -> pd.Series:  # noqa: N805
                return weight <= weight.median() * 10

        inputs = Inputs(replace(PARCELS, contract=Ranked))

        assert "weight_kg: is no outlier" in inputs.not_direct
        assert "median" in inputs.not_direct
        assert inputs.hold([GOOD]) == [inputs.by_table([GOOD])[0].row]


class TestRefusals:
    def test_names_row_column_rule_and_value(self, inputs):
        rows = [
            GOOD,
            GOOD | {"country": "Germany"},
            GOOD | {"weight_kg": "heavy", "insured": False},
        ]

        with pytest.raises(InvalidRows) as caught:
            inputs.hold(rows)

        assert [tuple(each) for each in caught.value.broken] == [
            (1, "country", "country: isin(['DE', 'FR', 'İT'])", "'Germany'"),
            (2, "weight_kg", "weight_kg: is not a number", "'heavy'"),
        ]
        assert str(caught.value).startswith(
            "2 of 3 rows cannot be predicted. row 1: country: isin"
        )

    def test_names_the_column_that_was_probably_meant(self, inputs):
        with pytest.raises(InvalidRows, match=r"contry: is no column; did you mean country\?"):
            inputs.hold([GOOD | {"contry": "DE"}])

    def test_names_a_missing_column(self, inputs):
        row = {name: value for name, value in GOOD.items() if name != "sent"}

        with pytest.raises(InvalidRows, match="row 0: sent: is missing, got nothing"):
            inputs.hold([row])

    def test_does_not_list_more_than_a_caller_can_read(self, inputs):
        with pytest.raises(InvalidRows, match=r"1,000 rows .* more") as caught:
            inputs.hold([GOOD | {"country": "XX"}] * 1000)

        assert len(caught.value.broken) <= 100
