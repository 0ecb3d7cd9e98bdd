"""Laws of traced code: what it answers for one row is what pandas answers for a frame."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.errors import NotCompilable
from ml_assets.inference.rules import remembered
from ml_assets.inference.tracing import trace
from ml_assets.inference.transposition import columns_of

KINDS = {
    "name": "text",
    "other": "text",
    "area": "number",
    "rooms": "nullable",
    "paid": "boolean",
    "sent": "time",
    "received": "time",
}
DTYPES = {
    "text": "str",
    "number": "float64",
    "nullable": "Int64",
    "boolean": "boolean",
    "time": "datetime64[us, UTC]",
}

TEXTS = (
    st.none()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "",
            " ",
            "loan",
            " Loan ",
            "\tcard\n",
            "x\x1c",
            "\u3000wide\u2028",
            "İX",
            "STRASSE ß",
            "1-2",
        ]
    )
)
NUMBERS = (
    st.none() | st.floats(-1e6, 1e6, allow_subnormal=False) | st.sampled_from([0.0, 2.5, -3.0])
)
TIMES = st.none() | st.datetimes(
    *(dt.datetime(year, 1, 1) for year in (1990, 2100)),  # noqa: DTZ001 - hypothesis adds it
    timezones=st.just(dt.UTC),
)

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "other": TEXTS,
            "area": NUMBERS,
            "rooms": st.none() | st.integers(-1000, 1000),
            "paid": st.none() | st.booleans(),
            "sent": TIMES,
            "received": TIMES,
        }
    ),
    min_size=1,
    max_size=5,
)

DAY = pd.Timedelta(days=1)

EXPRESSIONS = {
    "strip": lambda rows: rows["name"].str.strip(),
    "lower": lambda rows: rows["name"].str.lower(),
    "upper": lambda rows: rows.name.str.upper(),
    "length": lambda rows: rows["name"].str.len(),
    "startswith": lambda rows: rows["name"].str.startswith("lo"),
    "endswith": lambda rows: rows["name"].str.endswith("n"),
    "contains": lambda rows: rows["name"].str.contains("o|d$"),
    "contains literally": lambda rows: rows["name"].str.contains(".", regex=False),
    "match": lambda rows: rows["name"].str.match(r"[a-z]{2,4}$"),
    "count": lambda rows: rows["name"].str.count(r"\s"),
    "replace text": lambda rows: rows["name"].str.replace("a", "bb"),
    "slice": lambda rows: rows["name"].str[1:3],
    "slice from the end": lambda rows: rows["name"].str.slice(-2),
    "fill text": lambda rows: rows["name"].fillna("unknown"),
    "fill text from another": lambda rows: rows["name"].fillna(rows["other"]),
    "replace one": lambda rows: rows["name"].replace("", "unknown"),
    "replace some": lambda rows: rows["name"].replace({"": "empty", "loan": "credit"}),
    "astype text": lambda rows: rows["name"].astype(str),
    "map to text": lambda rows: rows["name"].map({"loan": "a", "": "b"}).astype("str"),
    "map to number": lambda rows: rows["name"].map({"loan": 1.0, "": 2.0}),
    "map truth": lambda rows: rows["paid"].map({True: "yes", False: "no"}).astype("str"),
    "join texts": lambda rows: rows["name"] + "/" + rows["other"],
    "equal texts": lambda rows: rows["name"] == "loan",
    "unequal texts": lambda rows: rows["name"] != "loan",
    "texts in order": lambda rows: rows["name"] <= rows["other"],
    "is in": lambda rows: rows["name"].isin(["loan", ""]),
    "is missing": lambda rows: rows["name"].isna() & rows["paid"].notna(),
    "where": lambda rows: rows["name"].where(rows["area"] > 0, "small"),
    "where missing": lambda rows: rows["area"].where(rows["area"] > 0),
    "mask": lambda rows: rows["name"].mask(rows["area"].isna(), rows["other"]),
    "numpy where": lambda rows: np.where(rows["area"] > 1, rows["area"], 1.0),
    "numpy where text": lambda rows: np.where(rows["paid"].fillna(value=False), "y", "n"),
    "sum": lambda rows: rows["area"] + 2 * rows["area"] - 1,
    "quotient": lambda rows: rows["area"] / (rows["rooms"] + 0.5),
    "whole quotient": lambda rows: rows["area"] // 7,
    "remainder": lambda rows: rows["area"] % 7,
    "power": lambda rows: rows["area"] ** 2,
    "negative": lambda rows: -rows["area"].abs(),
    "reversed": lambda rows: 10 - rows["area"],
    "logarithm": lambda rows: np.log1p(rows["area"].clip(0, None)),
    "square root": lambda rows: np.sqrt(rows["area"].clip(0, 900).fillna(0)),
    "wave": lambda rows: np.sin(rows["sent"].dt.month * (2 * np.pi / 12)),
    "clip": lambda rows: rows["area"].clip(-1, 10),
    "clip nullable": lambda rows: rows["rooms"].clip(lower=0),
    "between": lambda rows: rows["area"].between(0, 3),
    "number of nullable": lambda rows: rows["rooms"].astype("float64") / 3,
    "compare nullable": lambda rows: (rows["rooms"] > 3).fillna(value=True),
    "compare numbers": lambda rows: (rows["area"] >= 3) | (rows["area"] < -3),
    "not": lambda rows: ~(rows["area"] == 0),
    "truths": lambda rows: (rows["paid"] | (rows["area"] > 0)).fillna(value=False),
    "both truths": lambda rows: (rows["paid"] & (rows["area"] > 0)).fillna(value=False),
    "flag as number": lambda rows: (rows["area"] > 0).astype(float) * 2,
    "days": lambda rows: (rows["sent"] - rows["received"]).dt.days,
    "seconds": lambda rows: (rows["sent"] - rows["received"]).dt.total_seconds() // 86_400,
    "span as days": lambda rows: (rows["sent"] - rows["received"]) / DAY,
    "later": lambda rows: rows["sent"] + DAY > rows["received"],
    "not before": lambda rows: rows["sent"].isna() | (rows["sent"] >= rows["received"] - DAY),
    "after a moment": lambda rows: rows["sent"] > pd.Timestamp("2015-04-01", tz="UTC"),
    "hour": lambda rows: rows["sent"].dt.hour,
    "weekday": lambda rows: rows["sent"].dt.day_of_week,
    "day of year": lambda rows: rows["sent"].dt.day_of_year,
    "quarter": lambda rows: rows["sent"].dt.quarter,
    "year": lambda rows: rows["sent"].dt.year,
}


def frame_of(rows):
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype=DTYPES[kind])
            for name, kind in KINDS.items()
        }
    )


def plain(value):
    """A value of either side: None, text, truth or number."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124
        return None
    return (
        value if isinstance(value, str) else pytest.approx(float(value), rel=1e-12, abs=1e-12)
    )


TRACED = {name: trace(expression, KINDS)[""] for name, expression in EXPRESSIONS.items()}
REMEMBERED = {name: remembered(traced, KINDS) for name, traced in TRACED.items()}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_answers_what_pandas_answers(rows):
    frame = frame_of(rows)

    expected = {name: list(expression(frame)) for name, expression in EXPRESSIONS.items()}

    for place, row in enumerate(rows):
        differing = {
            name: (found, expected[name][place])
            for name, column in TRACED.items()
            if plain(found := column.value(row)) != plain(expected[name][place])
        }
        assert differing == {}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_answers_many_rows_as_each_alone(rows):
    columns = columns_of(rows, KINDS)

    differing = {
        name: repr(found)
        for name, column in TRACED.items()
        if repr(found := REMEMBERED[name].many(columns))
        != repr([column.value(row) for row in rows])
    }

    assert differing == {}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_remembers_only_what_is_so(rows):
    differing = {
        (name, place): repr(found)
        for name, column in TRACED.items()
        for place, row in enumerate(rows)
        if repr(found := REMEMBERED[name].one(row)) != repr(column.value(row))
    }

    assert differing == {}


@pytest.mark.parametrize("name", TRACED)
def test_reads_only_the_columns_that_it_names(name):
    row = dict.fromkeys(KINDS)
    column = TRACED[name]

    assert repr(column.value({each: row[each] for each in column.reads})) == repr(
        column.value(row)
    )


class TestFrames:
    def test_reads_a_frame_built_of_columns(self):
        def features(rows):
            return pd.DataFrame(
                {"size": np.log1p(rows["area"]), "kind": "home", "paid": rows["paid"]},
                index=rows.index,
            )

        traced = trace(features, KINDS)

        assert {name: column.kind for name, column in traced.items()} == {
            "size": "number",
            "kind": "text",
            "paid": "boolean",
        }
        assert traced["size"].value({"area": 0.0}) == 0.0
        assert traced["kind"].value({}) == "home"

    def test_reads_chosen_and_assigned_columns(self):
        traced = trace(
            lambda rows: rows[["name"]].assign(
                size=rows["area"] * 2, long=lambda made: made["name"].str.len()
            ),
            KINDS,
        )

        row = {"name": "loan", "area": 3.0}
        assert {name: column.value(row) for name, column in traced.items()} == {
            "name": "loan",
            "size": 6.0,
            "long": 4,
        }


def branches(rows):
    return rows["area"] if (rows["area"] > 0).any() else rows["rooms"]


def decides(rows):
    return rows["area"] or rows["rooms"]


def loops(rows):
    return pd.Series([name.strip() for name in rows["name"]])


REFUSED = {
    "a mean of the column": (lambda rows: rows["area"] - rows["area"].mean(), "mean"),
    "a rank": (lambda rows: rows["area"].rank(), "rank"),
    "a neighbor": (lambda rows: rows["area"].shift(1), "shift"),
    "an unknown method of texts": (lambda rows: rows["name"].str.title(), "str.title"),
    "a regular expression beyond": (
        lambda rows: rows["name"].str.contains(r"(?i)loan"),
        "a pattern beyond the simplest",
    ),
    "a replacement by pattern": (
        lambda rows: rows["name"].str.replace("a+", "b", regex=True),
        "a regular expression",
    ),
    "a branch": (branches, "any"),
    "a decision": (decides, "decides by the values of a column"),
    "a loop": (loops, "not iterable"),
    "a filter": (lambda rows: rows[rows["area"] > 0], "chosen by their values"),
    "an unknown column": (lambda rows: rows["areal"], "areal"),
    "a length": (lambda rows: rows["area"] * len(rows), "has no len"),
    "numbers as text": (lambda rows: rows["area"].astype(str), "from number to"),
    "texts against numbers": (lambda rows: rows["name"] == 3, "compares text with number"),
    "an aggregate of numpy": (lambda rows: np.add.reduce(rows["area"]), "add.reduce"),
    "another function of numpy": (lambda rows: np.median(rows["area"]), "median"),
    "a time without zone": (
        lambda rows: rows["sent"] > pd.Timestamp("2015-04-01"),
        "Timestamp",
    ),
    "another result": (lambda _: 3, "no frame"),
}


@pytest.mark.parametrize(("function", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_is_not_known_for_one_row(function, words):
    with pytest.raises(NotCompilable, match=words):
        trace(function, KINDS)
