"""What holds for every mapping, whatever the texts are."""

import pyarrow as pa
import pytest
from ads import RATES, mapping_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.ingestion.mapping import apply, rules_of
from ml_assets.ingestion.mapping.amounts import significant
from ml_assets.ingestion.mapping.units import conversion

UNIT_PAIRS = [("sqft", "m2"), ("acre", "ha"), ("mile", "km"), ("degF", "degC"), ("ft", "inch")]
PRICE = {"kind": "number", "currency": "EUR", "to": "USD", "dated_by": "sold_on"}
MAPPING = mapping_of(
    {
        "id": {"id_of": ["id", "nested.id"]},
        "price": {"path": "price", **PRICE},
        "sold_on": {"path": "sold", "kind": "date", "dates": ["%d.%m.%Y"], "precision": "day"},
        "area": [
            {"path": ["area", "nested.area"], "kind": "number", "unit": "m2", "to": "m2"},
            {"path": "acres", "kind": "number", "unit": "acre", "to": "m2", "decimal": ","},
        ],
        "rooms": {"path": "rooms", "kind": "integer", "ranges": {"sum": True}},
        "kind": [
            {"path": "kind", "codes": {"h": "house"}, "cut_at": "|"},
            {"constant": "flat"},
        ],
        "city": {"path": "address", "part": "city"},
    },
    strict=True,
    unmapped=["note"],
)
TEXTS = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "1,200",
            "12 sqft",
            "3 + 1",
            "14.07.2020",
            "€5",
            "h|x",
            "1e400",
            "-0",
            "1 Main St, Irvine, CA 92604",
            '{"id": 1, "area": "3 acres", "z": null}',
            '{"id',
            "NaN",
        ]
    )
)
NAMES = ["id", "nested", "price", "sold", "area", "acres", "rooms", "kind", "address", "other"]


relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def batches(draw):
    """Some of the columns, and as many rows of each."""
    length = draw(st.integers(0, 6))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    return rows_of(
        **{n: draw(st.lists(TEXTS, min_size=length, max_size=length)) for n in names}
    )


@relaxed
@given(batch=batches())
def test_as_many_rows_come_out_as_went_in(batch):
    mapped = apply(MAPPING, batch, rates=RATES)

    assert {len(mapped.rows), len(mapped.faults), len(mapped.given)} == {len(batch)}


@relaxed
@given(batch=batches())
def test_a_row_does_not_depend_on_its_neighbours(batch):
    mapped = apply(MAPPING, batch, rates=RATES)

    for i in range(len(batch)):
        alone = apply(MAPPING, batch.slice(i, 1), rates=RATES)
        assert alone.rows.to_pylist() == [mapped.rows.to_pylist()[i]]
        assert alone.faults.to_pylist() == [mapped.faults[i].as_py()]
        assert alone.given.to_pylist() == [mapped.given[i].as_py()]


@relaxed
@given(batch=batches())
def test_every_row_that_a_rule_is_asked_about_has_a_value_or_none_or_a_reason(batch):
    mapped = apply(MAPPING, batch, rates=RATES)

    assert mapped.hits.keys() == {rule.id for rule in rules_of(MAPPING)}
    for hits in mapped.hits.values():
        assert hits.applied + hits.missing + hits.refused == hits.rows
        assert 0 <= hits.converted <= hits.applied
        assert min(hits) >= 0
    for column in MAPPING.columns:
        assert mapped.hits[f"ads.{column}"].rows == len(batch)


@relaxed
@given(batch=batches())
def test_a_value_that_is_refused_is_no_value(batch):
    mapped = apply(MAPPING, batch, rates=RATES)

    for row, fault in zip(mapped.rows.to_pylist(), mapped.faults.to_pylist(), strict=True):
        for column, value in row.items():
            if fault and any(each.startswith(f"{column}: ") for each in fault.split("; ")):
                assert value is None


@pytest.mark.parametrize(("here", "there"), UNIT_PAIRS)
@relaxed
@given(value=st.floats(0.001, 1e9))
def test_a_value_converted_there_and_back_is_the_value(here, there, value):
    back = conversion(there, here).of(conversion(here, there).of(value))

    assert back == pytest.approx(value, rel=1e-9, abs=1e-9)


@relaxed
@given(value=st.floats(-1e15, 1e15))
def test_what_floats_add_is_taken_off_and_nothing_else(value):
    (found,) = significant(pa.array([value]).to_numpy())

    assert found == pytest.approx(value, rel=1e-11, abs=1e-21)
