"""Rows of a source become rows of the contract; what cannot be read says so."""

import json

import pyarrow as pa
import pytest
from ads import given_of, mapping_of, rows_of

from ml_assets.errors import ProblemError
from ml_assets.ingestion.mapping import Hits, add_hits, add_unknown, apply

NUMBER = {"kind": "number"}
AREA = {**NUMBER, "to": "m2"}
DATE = {"kind": "date", "dates": ["%Y %B", "%d.%m.%Y", "%d/%m/%Y", "%Y%m"]}
SIDES, UNDER, SUM = (
    {"ranges": each} for each in ({"sides": True}, {"under": 0.5}, {"sum": True})
)


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({}, "  Kelowna ", "Kelowna"),
        (NUMBER, "1,200", "1200"),
        ({**NUMBER, "decimal": ","}, "1.200,5", "1200.5"),
        ({"kind": "integer"}, "3.0", "3"),
        (AREA, "1200 sqft", "111.483648"),
        (AREA, "130 m2", "130"),
        ({**AREA, "unit": "acre"}, "0.5", "2023.43630494"),
        ({**AREA, "unit": "acre"}, "7 m²", "7"),
        ({**AREA, **SIDES}, "30x40 FT", "111.483648"),
        ({**AREA, **UNDER}, "under 1/2 acre", "1011.71815247"),
        ({**AREA, **UNDER, "cut_at": "|"}, "1 ha|under 1/2 acre", "10000"),
        ({**NUMBER, **SUM}, "3 + 1", "4"),
        (DATE, "1990 May", "1990-05"),
        (DATE, "1990-05", "1990-05"),
        (DATE, "3/12/2016", "2016-12-03"),
        (DATE, "14.07.2020", "2020-07-14"),
        (DATE, "1990", "1990"),
        ({**DATE, "precision": "day"}, "201812", "2018-12-01"),
        ({**DATE, "precision": "year"}, "14.07.2020", "2020"),
        ({**DATE, "precision": "time"}, "14.07.2020", "2020-07-14T00:00:00Z"),
        (DATE, "2020-07-14T23:30:00-02:00", "2020-07-15T01:30:00Z"),
        ({"codes": {"h": "house"}}, "h", "house"),
        ({"part": "city"}, "15 Star Thistle, Irvine, CA 92604", "Irvine"),
        ({"part": "city"}, "15 Star Thistle", None),
        ({"missing": "?"}, "?", None),
        ({}, "N/A", None),
        (NUMBER, None, None),
    ],
)
def test_reads(read, rule, text, value):
    assert read(rule, text) == value


@pytest.mark.parametrize(
    ("rule", "text", "fault"),
    [
        (NUMBER, "abc", "it: 'abc' is no number"),
        (NUMBER, "12 m2", "it: '12 m2' is no number"),
        (NUMBER, "3 + 1", "it: '3 + 1' is no number"),
        (NUMBER, "12,00", "it: '12,00' is no number"),
        (NUMBER, "$12", "it: '$12' is no number"),
        ({"kind": "integer"}, "5.5", "it: '5.5' is no whole number"),
        (AREA, "3 squares", "it: unknown unit 'squares' in '3 squares'"),
        (AREA, "3 km", "it: unknown unit 'km' in '3 km'"),
        (AREA, "3", "it: '3' says no unit"),
        (AREA, "30x40 FT", "it: '30x40 FT' is no number"),
        (AREA, "under 1/2 acre", "it: 'under 1/2 acre' is no number"),
        (DATE, "30.02.2020", "it: '30.02.2020' is no date of %Y %B, %d.%m.%Y"),
        ({**DATE, "precision": "time"}, "1990 May", "it: '1990 May' says no day"),
        ({"codes": {"h": "house"}}, "x", "it: unknown code 'x'"),
    ],
)
def test_refuses_with_the_column_and_the_text(read, rule, text, fault):
    assert read(rule, text).startswith(fault)


def test_names_every_reason_of_a_row():
    mapping = mapping_of(
        {"a": {"path": "a", **NUMBER}, "b": {"path": "b", "codes": {"1": "x"}}}
    )

    mapped = apply(mapping, rows_of(a=["no", "1"], b=["2", "1"]))

    assert mapped.faults.to_pylist() == ["a: 'no' is no number; b: unknown code '2'", None]
    assert mapped.rows.to_pylist() == [{"a": None, "b": None}, {"a": "1", "b": "x"}]


def test_keeps_what_the_reader_said_of_a_row():
    batch = rows_of(a=[None, "1"], _fault=["not JSON", None])

    mapped = apply(mapping_of({"a": {"path": "a"}}), batch)

    assert mapped.faults.to_pylist() == ["not JSON", None]


class TestPaths:
    COOLING = mapping_of({"cooling": {"path": ["cooling_system", "temprature system.cooler"]}})

    def test_are_found_flat_or_nested_in_one_source(self):
        batch = rows_of(
            cooling_system=["Electric", None, None, ""],
            temprature_system=[None, '{"cooler": "Gas"}', None, '{"Cooler": "Oil"}'],
        )

        mapped = apply(self.COOLING, batch)

        assert mapped.rows.column("cooling").to_pylist() == ["Electric", "Gas", None, "Oil"]

    def test_may_name_a_text_where_others_look_inside_of_it(self):
        mapping = mapping_of(
            {"city": [{"path": "address.city"}, {"path": "address", "part": "city"}]}
        )
        batch = rows_of(address=['{"city": "Irvine"}', "1 Main St, Kelowna, BC V1Y 1A1", "{}"])

        mapped = apply(mapping, batch)

        assert mapped.rows.column("city").to_pylist() == ["Irvine", "Kelowna", None]
        assert mapped.hits["ads.city.2"] == Hits(2, 1, 1, 1, 0)

    def test_keep_numbers_as_they_are_written(self):
        mapping = mapping_of({"price": {"path": "a.price"}, "sold": {"path": "a.sold"}})

        mapped = apply(mapping, rows_of(a=['{"price": 1.50, "sold": true}']))

        assert mapped.rows.to_pylist() == [{"price": "1.50", "sold": "true"}]

    def test_that_nobody_knows_are_counted_and_named(self):
        batch = rows_of(
            temprature_system=[
                '{"cooler": "Gas", "Boiler": {"fuel": "oil"}}',
                None,
                '{"Boiler": 1}',
            ],
            Roof=["flat", None, None],
            _rest=[None, '{"pool": {"m2": 12}, "view": null}', None],
        )

        mapped = apply(self.COOLING, batch)

        assert mapped.unknown == {"temprature_system.Boiler": 2, "Roof": 1, "pool": 1}
        assert mapped.faults.null_count == 3

    def test_that_nobody_knows_quarantine_a_strict_source(self):
        mapping = mapping_of({"a": {"path": "a.b"}}, strict=True, unmapped=["c"])
        batch = rows_of(a=['{"b": 1, "z": 2}', '{"b": 1}', "text"], c=["1", "2", "3"])

        mapped = apply(mapping, batch)

        assert mapped.faults.to_pylist() == ["unknown path a.z", None, "unknown path a"]

    def test_may_ask_where_a_row_comes_from(self):
        mapping = mapping_of(
            {"id": {"id_of": ["_file", "_row"]}, "at": {"path": "_delivered_at"}}
        )
        batch = rows_of(_file=["a.csv"], _delivered_at=["2020-07-14"])
        batch = batch.append_column("_row", pa.array([7]))

        mapped = apply(mapping, batch)

        assert mapped.rows.to_pylist() == [{"id": "ads:a.csv:7", "at": "2020-07-14"}]
        assert mapped.unknown == {}


PRICE = {
    "price": {**NUMBER, "path": "p", "currency": "EUR", "to": "USD", "dated_by": "on"},
    "on": {"path": "on"},
}


class TestMoney:
    def prices(self, rates, *rows):
        batch = rows_of(p=[p for p, _ in rows], on=[on for _, on in rows])
        return apply(mapping_of(PRICE), batch, rates=rates)

    def test_is_converted_at_the_rate_of_the_day_or_the_nearest_before(self, rates):
        mapped = self.prices(
            rates, ("100", "2020-07-10"), ("100", "2020-07-12"), ("€1,000", "2020-07-14T08:00Z")
        )

        assert mapped.rows.column("price").to_pylist() == ["110", "110", "1200"]

    def test_keeps_the_rate_and_its_day(self, rates):
        mapped = self.prices(rates, ("1,000", "2020-07-12"))

        assert given_of(mapped) == [
            {
                "price": {
                    "text": "1,000",
                    "currency": "EUR",
                    "rate": 1.1,
                    "rate_on": "2020-07-10",
                }
            }
        ]

    def test_is_of_the_currency_that_the_text_says(self, rates):
        mapped = self.prices(rates, ("30 CAD", "2020-07-10"), ("5 USD", "2020-07-10"))

        assert mapped.rows.column("price").to_pylist() == ["22", "5"]

    @pytest.mark.parametrize(
        ("price", "on", "fault"),
        [
            (
                "1",
                "2020-07-09",
                "price: no rate from EUR to USD on 2020-07-09 or shortly before",
            ),
            (
                "1",
                "2020-09-09",
                "price: no rate from EUR to USD on 2020-09-09 or shortly before",
            ),
            ("1 CHF", "2020-07-10", "price: no rate from CHF to USD on 2020-07-10"),
            ("1", None, "price: no day to take the rate of EUR from"),
            ("$1", "2020-07-10", "price: unknown currency '$' in '$1'"),
            ("1 each", "2020-07-10", "price: unknown currency 'each' in '1 each'"),
        ],
    )
    def test_is_refused_without_a_rate(self, rates, price, on, fault):
        assert self.prices(rates, (price, on)).faults[0].as_py().startswith(fault)

    def test_needs_no_table_where_it_is_in_the_right_currency(self):
        rules = {**PRICE, "price": {**PRICE["price"], "currency": "USD"}}

        mapped = apply(mapping_of(rules), rows_of(p=["$1,000", "5 EUR"], on=["2020-07-10"] * 2))

        assert mapped.rows.column("price").to_pylist() == ["1000", None]
        assert "no rate from EUR to USD" in mapped.faults[1].as_py()

    def test_needs_a_table_of_rates(self):
        with pytest.raises(
            ProblemError, match=r"columns\.price converts EUR and there is no table"
        ):
            self.prices(None, ("1", "2020-07-10"))


def test_keeps_the_text_of_the_source_where_it_was_converted():
    mapping = mapping_of(
        {
            "area_m2": {"path": "area", **AREA},
            "home": {"path": "type", "codes": {"h": "house"}},
            "city": {"path": "city"},
        }
    )

    mapped = apply(
        mapping, rows_of(area=["10 sqft", "5 m2"], type=["h", None], city=["A", "B"])
    )

    assert given_of(mapped) == [
        {"area_m2": {"text": "10 sqft", "unit": "sqft"}, "home": {"text": "h"}},
        {"area_m2": {"text": "5 m2", "unit": "m2"}},
    ]


def test_adds_up_what_was_done_in_several_batches():
    mapping = mapping_of({"a": {"path": "a", **NUMBER}})
    one, other = (
        apply(mapping, rows_of(a=texts, b=texts)) for texts in (["1", "x"], [None, "2"])
    )

    assert add_hits(one.hits, other.hits) == {"ads.a": Hits(4, 2, 0, 1, 1)}
    assert add_unknown(one.unknown, other.unknown) == {"b": 3}


def test_says_json_that_can_be_read():
    mapping = mapping_of({'a"b': {"path": "a", **NUMBER}})

    mapped = apply(mapping, rows_of(a=["1,000"]))

    assert json.loads(mapped.given[0].as_py()) == {'a"b': {"text": "1,000"}}
