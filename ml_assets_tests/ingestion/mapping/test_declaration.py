"""A mapping file says what it means, or is refused with what is wrong."""

import pytest
from ads import mapping_of

from ml_assets.errors import ProblemError
from ml_assets.ingestion.mapping import Mapping, mappings_of, rules_of


def refusal(columns, **more):
    with pytest.raises(ProblemError) as error:
        mapping_of(columns, **more)
    return str(error.value)


class TestRefusals:
    def test_name_the_nearest_key(self):
        said = refusal({"area_m2": {"pth": "area"}})

        assert "columns.area_m2.0.pth: unknown key; did you mean 'path'?" in said

    def test_name_the_nearest_section(self):
        assert "umapped: unknown key; did you mean 'unmapped'?" in refusal(
            {"city": {"path": "town"}}, umapped=[]
        )

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            ({}, "needs one of path, id_of and constant, got 0 of them"),
            ({"path": "a", "constant": "b"}, "got 2 of them"),
            ({"path": "a", "unit": "m2", "to": "m2"}, "unit needs kind: number or integer"),
            ({"path": "a", "kind": "number", "unit": "m2"}, "unit needs `to`"),
            ({"path": "a", "kind": "date", "codes": {"1": "x"}}, "codes needs kind: text"),
            ({"path": "a", "precision": "day"}, "precision needs kind: date"),
            (
                {"path": "a", "kind": "number", "currency": "EUR", "to": "USD"},
                "currency and dated_by",
            ),
            (
                {"path": "a", "codes": {"1": "x"}, "part": "city"},
                "codes and part cannot be in one rule",
            ),
        ],
    )
    def test_say_which_keys_do_not_go_together(self, rule, said):
        assert said in refusal({"it": rule})

    def test_want_a_column_with_days_for_rates(self):
        price = {"path": "p", "kind": "number", "currency": "EUR", "to": "USD"}

        said = refusal({"price": {**price, "dated_by": "sold_at"}})

        assert "columns.price: dated_by 'sold_at' is no mapped column with days" in said

    def test_name_the_nearest_column_of_the_contract(self):
        mapping = mapping_of({"area_sqm": {"path": "area"}})

        with pytest.raises(ProblemError, match="no column 'area_sqm'; did you mean 'area_m2'"):
            mapping.require_columns(["area_m2", "city"])


class TestFiles:
    def test_are_called_as_the_source(self, tmp_path):
        text = "{origin: o, terms: t, columns: {city: {path: town}}}"
        (tmp_path / "ads.yaml").write_text(text)

        assert mappings_of(tmp_path).keys() == {"ads"}

    def test_may_say_numbers_and_dates_without_quotes(self, tmp_path):
        text = "{origin: o, terms: t, columns: {a: {path: a, codes: {1: 2}}, b: {constant: 2020-07-14}}}"
        (tmp_path / "ads.yaml").write_text(text)

        mapping = Mapping.from_file(tmp_path / "ads.yaml")

        assert mapping.columns["a"][0].codes == {"1": "2"}
        assert mapping.columns["b"][0].constant == "2020-07-14"

    def test_refuse_what_yaml_makes_of_yes_and_no(self, tmp_path):
        text = "{origin: o, terms: t, columns: {a: {path: a, codes: {yes: warm}}}}"
        (tmp_path / "ads.yaml").write_text(text)

        with pytest.raises(ProblemError, match="should be a valid string"):
            Mapping.from_file(tmp_path / "ads.yaml")


def test_raw_keeps_every_column_that_a_path_begins_with():
    mapping = mapping_of(
        {"cooling": {"path": "temprature system.cooler"}, "id": {"id_of": ["_row", "MLS"]}},
        unmapped=["Built Date"],
    )

    assert mapping.raw_columns == {
        "temprature_system": "temprature system",
        "mls": "MLS",
        "built_date": "Built Date",
    }


def test_every_rule_is_in_the_catalogue_in_words():
    mapping = mapping_of(
        {
            "cooling": [{"path": ["a", "b.c"]}, {"constant": "none"}],
            "sold_at": {"path": "on", "kind": "date", "dates": "%d.%m.%Y", "precision": "day"},
            "kind": {"path": "type", "codes": {"h": "house", "u": "flat"}},
        }
    )

    assert {rule.id: rule.says for rule in rules_of(mapping)} == {
        "ads.cooling": "'a' or else 'b.c'",
        "ads.cooling.2": "'none' in every row",
        "ads.sold_at": "'on' as a date (%d.%m.%Y, ISO 8601), as exact as a day",
        "ads.kind": "'type', 2 codes to categories",
    }
