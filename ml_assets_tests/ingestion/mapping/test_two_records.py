"""Two records of one home that disagree in shape, words and units, and in one fact."""

import json

import pytest
from ads import given_of, mapping_of
from one_home import FLAT, NESTED

from ml_assets.errors import SourceError
from ml_assets.ingestion.json_rows import JSONRows
from ml_assets.ingestion.mapping import apply
from ml_assets.ingestion.reading import Reading

MAPPING = mapping_of(
    {
        "rooms": {"path": "room", "kind": "number"},
        "built_on": {"path": "built_date", "kind": "date", "dates": "%Y %B"},
        "built_year": {
            "path": "built_date",
            "kind": "date",
            "dates": "%Y %B",
            "precision": "year",
        },
        "cooling": {"path": ["cooling_system", "temprature system.cooler"]},
        "heating": {"path": ["heating_system", "temprature system.heater"]},
        "street": [{"path": "address.street"}, {"path": "address", "part": "street"}],
        "city": [{"path": "address.city"}, {"path": "address", "part": "city"}],
        "region": [{"path": "address.state"}, {"path": "address", "part": "state"}],
        "postcode": [{"path": "address.zip code"}, {"path": "address", "part": "zip_code"}],
        "price_usd": {"path": "price", "kind": "number"},
        "garage_spaces": {"path": "garage_spaces", "kind": "integer"},
        "area_m2": {"path": "area", "kind": "number", "to": "m2"},
    },
    strict=True,
)


@pytest.fixture
def raw(tmp_path):
    """Raw rows of a JSON text."""

    def rows(text):
        path = tmp_path / "homes.json"
        path.write_text(text)
        columns = tuple(MAPPING.raw_columns)
        reading = Reading(
            columns=columns,
            names={name: name for name in columns},
            required=(),
            entity_id="id",
            event_time="at",
            missing=(),
            date_formats=(),
            grain="weekly",
            rest="_rest",
        )
        (batch,) = JSONRows(path, reading).batches()
        return batch

    return rows


@pytest.fixture
def mapped(raw):
    """Both records, each from the file of its own source."""
    return [apply(MAPPING, raw(json.dumps([record]))) for record in (FLAT, NESTED)]


def test_become_equal_but_for_the_fact_they_disagree_about(mapped):
    flat, nested = (each.rows.to_pylist()[0] for each in mapped)

    assert [each.faults.to_pylist() for each in mapped] == [[None], [None]]
    assert [each.unknown for each in mapped] == [{}, {}]
    assert flat == {
        "rooms": "2",
        "built_on": "1990-05",
        "built_year": "1990",
        "cooling": "Electric",
        "heating": "heat pump",
        "street": "15 Star Thistle",
        "city": "Irvine",
        "region": "CA",
        "postcode": "92604",
        "price_usd": "130000",
        "garage_spaces": "2",
        "area_m2": "111.483648",
    }
    assert {name for name in flat if flat[name] != nested[name]} == {"area_m2"}
    assert nested["area_m2"] == "130"
    assert float(nested["area_m2"]) / float(flat["area_m2"]) - 1 == pytest.approx(
        0.166, abs=5e-4
    )


def test_keep_what_each_of_them_said(mapped):
    given = [given_of(each)[0] for each in mapped]

    assert [each["area_m2"]["text"] for each in given] == ["1200 sqft", "130 m2"]
    assert [each["built_year"]["text"] for each in given] == ["1990-05", "1990 May"]


def test_are_refused_where_one_is_no_json(raw):
    cut = json.dumps([FLAT, NESTED], indent=1).rsplit("}", 2)[0]

    with pytest.raises(
        SourceError, match=r"homes\.json is not JSON: .* in line \d+, column \d+"
    ):
        raw(cut)


def test_are_quarantined_with_a_key_that_nobody_knows(raw):
    mapped = apply(MAPPING, raw(json.dumps([{**NESTED, "address": {"town": "Irvine"}}])))

    assert mapped.faults.to_pylist() == ["unknown path address.town"]


def test_are_quarantined_with_a_column_that_nobody_knows(raw):
    mapped = apply(MAPPING, raw(json.dumps([{**NESTED, "Pool": {"m2": 12.50}}, NESTED])))

    assert mapped.faults.to_pylist() == ["unknown path Pool", None]
    assert mapped.unknown == {"Pool": 1}
