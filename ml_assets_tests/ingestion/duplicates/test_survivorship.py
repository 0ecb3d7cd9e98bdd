"""Of what sources say of one field, one value stays."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.errors import SourceError
from ml_assets.ingestion.duplicates.survivorship import Said, survivor

START = datetime(2026, 1, 5, tzinfo=UTC)
RULES = ["newest", "trusted", "longest", "median", "most_frequent"]
NUMBERS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("xyz"), st.integers(0, 3)), min_size=1
)


def said(*values):
    return [
        Said(value=value, row=f"{row:03}", source=source, said_at=START + timedelta(days=day))
        for row, (value, source, day) in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("rule", "values", "row"),
    [
        ("newest", [(1, "x", 0), (2, "y", 2), (3, "z", 1)], "001"),
        ("trusted", [(1, "z", 0), (2, "y", 2), (3, "x", 1)], "001"),
        ("longest", [("Elm St", "x", 0), ("St", "y", 0), ("Elm Street", "z", 0)], "002"),
        ("median", [(9, "x", 0), (1, "y", 0), (3, "z", 0), (4, "x", 1)], "002"),
        ("most_frequent", [(9, "x", 0), (1, "y", 0), (1, "z", 0)], "001"),
    ],
)
def test_lets_the_value_stay_that_the_rule_prefers(rule, values, row):
    winner = survivor(said(*values), rule, trusted=["y", "x"])

    assert winner.row == row


@given(values=NUMBERS, rule=st.sampled_from(RULES), data=st.data())
def test_chooses_what_somebody_said_whatever_the_order(values, rule, data):
    rows = said(*values)
    shuffled = data.draw(st.permutations(rows))

    winner = survivor(shuffled, rule, trusted=["y", "x"])

    assert winner in rows
    assert winner == survivor(rows, rule, trusted=["y", "x"])


def test_refuses_a_median_of_texts():
    with pytest.raises(SourceError, match="Texts have no median; choose another rule"):
        survivor(said(("a", "x", 0)), "median")


def test_refuses_to_choose_from_nothing():
    with pytest.raises(SourceError, match="No row says a value"):
        survivor([], "newest")
