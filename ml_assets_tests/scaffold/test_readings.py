"""What texts say is guessed from all of them, and read as the platform reads it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.inference.values import UNREADABLE, reader
from ml_assets.problem import Field
from ml_assets.problem.config import Source
from ml_assets.scaffold.readings import (
    STYLES,
    Marks,
    missing_texts,
    number,
    number_marks,
    truths,
)
from ml_assets.validation.casting import cast

AMOUNT = Field("amount", "input", "asked", "number", True, False, "")

values = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20)
styles = st.sampled_from(STYLES)
signs = st.sampled_from(["", "$", "€"])
units = st.sampled_from(["", " m2", " sqft", "kg", "%"])


def written(value, style, *, decimals=2, sign="", unit=""):
    """A number as a source with some style writes it."""
    text = f"{abs(value) / 100:,.{decimals}f}"
    text = text.replace(",", "G").replace(".", style.decimal).replace("G", style.thousands)
    return ("-" if value < 0 else "") + sign + text + unit


class TestNumbers:
    @settings(max_examples=60, deadline=None)
    @given(values=values, style=styles, sign=signs, unit=units)
    def test_are_read_as_they_were_meant(self, values, style, sign, unit):
        texts = [written(value, style, sign=sign, unit=unit) for value in values]

        marks = number_marks(texts)

        assert [number(text, marks) for text in texts] == [value / 100 for value in values]

    @settings(max_examples=60, deadline=None)
    @given(values=values, style=styles, sign=signs, unit=units, noise=st.text(max_size=8))
    def test_are_the_same_to_the_guess_to_the_gate_and_to_the_service(
        self, values, style, sign, unit, noise
    ):
        texts = [*(written(v, style, sign=sign, unit=unit) for v in values), noise.strip()]
        marks = style._replace(around=tuple(filter(None, {sign, unit.strip()})))
        source = marks.source.model_copy(update={"missing": []})

        guessed = [number(text.strip(), marks) for text in texts]
        cells = cast(pa.chunked_array([texts], pa.string()), AMOUNT, source).cells.to_pylist()

        assert cells == guessed
        answered = [_answered(text, source) for text in texts]
        assert all(one in (other, "?") for one, other in zip(answered, guessed, strict=True))

    @given(st.lists(st.integers(0, 99_999), min_size=1))
    def test_with_leading_zeros_are_names(self, numbers):
        assert number_marks([f"0{number}" for number in numbers]) is None

    @pytest.mark.parametrize(
        ("texts", "marks"),
        [
            (["1,234", "2,500"], Marks(".", ",")),
            (["1,5", "2,75"], Marks(",", "")),
            (["1.234,5", "7"], Marks(",", ".")),
            (["0.125", "3"], Marks(".", "")),
            (["1 200", "3"], Marks(".", " ")),
            (["$1,200", "$3"], Marks(".", ",", ("$",))),
            (["1e5", "2.5E-3"], Marks(".", "")),
        ],
    )
    def test_are_written_in_one_of_some_styles(self, texts, marks):
        assert number_marks(texts) == marks

    @pytest.mark.parametrize(
        "texts",
        [
            ["12 m2", "3 sqft"],
            ["$5", "€7"],
            ["2015-03-02"],
            ["10.0.0.1"],
            ["555 1234"],
            ["12:30"],
            ["1", "two"],
            ["12345678901234567"],
            [],
        ],
        ids=lambda texts: " ".join(texts) or "nothing",
    )
    def test_are_nothing_else(self, texts):
        assert number_marks(texts) is None


def _answered(text, source):
    """What the service reads of a text; "?" where it leaves the text to Arrow."""
    try:
        found = reader(AMOUNT, source)(text)
    except ValueError:
        return "?"
    return None if found is UNREADABLE else found


class TestTruths:
    @pytest.mark.parametrize(
        "words",
        [("Yes", "No"), ("y", "N"), ("TRUE", "false"), ("1", "0"), ("1.0", "0"), ("on", "off")],
    )
    def test_are_told_by_their_words(self, words):
        yes, no = words

        assert truths([no, yes]) == ({yes}, {no})

    @pytest.mark.parametrize("texts", [["yes"], ["1", "2"], ["yes", "off"], ["0", "0.0"], []])
    def test_need_both_sides(self, texts):
        assert truths(texts) is None


class TestMissing:
    def test_is_a_question_mark_among_numbers(self):
        assert "?" in missing_texts({"rooms": ["1", "?", "3"], "y": ["a", "b"]}, target="y")

    def test_is_a_dash_only_where_the_rest_are_numbers(self):
        columns = {"rooms": ["1", "-", "3"], "grade": ["A", "unknown"], "y": ["a", "b"]}

        found = missing_texts(columns, target="y")

        assert "-" in found
        assert "unknown" not in found

    def test_is_no_value_of_a_target_that_has_two(self):
        columns = {"rooms": ["1", "-", "3"], "approved": ["+", "-"]}

        assert "-" not in missing_texts(columns, target="approved")

    def test_is_said_also_of_what_the_next_file_may_have(self):
        found = missing_texts({"y": ["a", "b"]}, target="y")

        assert {"", "N/A", "NaN", "None", "null"} <= set(found)


def test_marks_that_are_one_are_refused():
    with pytest.raises(ValueError, match="decimal and thousands cannot both be ','"):
        Source(origin="", terms="", decimal=",", thousands=",")


def test_a_number_stays_a_gap_where_the_source_is_silent():
    texts = pa.chunked_array([["1,200", "12"]], pa.string())

    found = cast(texts, AMOUNT, Source(origin="", terms=""))

    assert found.cells.to_pylist() == [None, 12.0]
    assert found.uncast.tolist() == np.array([True, False]).tolist()
