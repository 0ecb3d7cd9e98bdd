"""A first mapping from a sample: it loads, it reads the sample, and it says what is a guess."""

import json
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
import yaml
from pandera.typing import Series

from ml_assets.ingestion.mapping import Mapping, apply, draft
from ml_assets.ingestion.mapping.drafting import sample_of
from ml_assets.problem import Config, Problem


def column(role="input"):
    return pa.Field(nullable=True, metadata={"role": role})


class Home(pa.DataFrameModel):
    """One row per listing."""

    listing_id: Series[str] = column("id")
    listed_at: Series[pd.DatetimeTZDtype("us", "UTC")] = column("time")
    price_usd: Series[float] = column("target")
    area_m2: Series[float] = column()
    rooms: Series[float] = column()
    built_on: Series[str] = column()
    built_year: Series[pd.Int64Dtype] = column()
    street: Series[str] = column()
    city: Series[str] = column()
    postcode: Series[str] = column()
    condition: Series[str] = column()


VALUES = {
    "objective": "",
    "owner": "tests",
    "kind": "regression",
    "moments": ["listed"],
    "moment_of_prediction": "listed",
    "source": {"origin": "", "terms": "", "aliases": {"condition": ["shape"]}},
    "partitions": {"grain": "weekly", "start": "2015-01-01"},
    "label": {"positive": "", "delay_days": 0},
    "kpi": {"metric": "mae", "formula": "", "floor": 0, "owner": "tests"},
    "metrics": ["mae"],
    "training": {"estimators": {}, "encoders": {}},
}


@pytest.fixture(scope="module")
def homes():
    return Problem(
        name="homes",
        folder=Path(__file__).parent,
        contract=Home,
        features=lambda rows: rows,
        sample=lambda n, rng: pd.DataFrame(),  # noqa: ARG005
        config=Config.from_values(VALUES, where="tests"),
    )


@pytest.fixture
def drafted(homes, tmp_path):
    """The draft of a file, as text and loaded."""

    def drafting(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        text = draft(path, homes)
        mapping = Mapping.from_values({"source": "ads", **yaml.safe_load(text)}, where=name)
        mapping.require_columns(list(homes.fields))
        return text, mapping, sample_of(path).batch

    return drafting


GERMAN = (
    "Objekt;Preis;Wohnfläche;Zimmer;Baujahr;PLZ;Ort;Datum;Farbe\n"
    "a1;498.000 €;106,5 m²;5,5;2005;88697;Bermatingen;14.07.2020;rot\n"
    "a2;75.000 €;80 m²;3;1990;79098;Freiburg;13.07.2020;\n"
)


def test_reads_german_names_dates_and_decimals(drafted):
    text, mapping, batch = drafted("de.csv", GERMAN.encode("cp1252"))

    rule = mapping.columns["price_usd"][0]
    assert (rule.path, rule.currency, rule.to, rule.dated_by) == (
        ["Preis"],
        "EUR",
        "USD",
        "listed_at",
    )
    without_price = mapping.model_copy(
        update={"columns": {n: r for n, r in mapping.columns.items() if n != "price_usd"}}
    )
    row = apply(without_price, batch).rows.to_pylist()[0]
    assert {name: row[name] for name in ("area_m2", "rooms", "city", "postcode")} == {
        "area_m2": "106.5",
        "rooms": "5.5",
        "city": "Bermatingen",
        "postcode": "88697",
    }
    assert row["listed_at"] == "2020-07-14"
    assert "reads 100% of 2, such as '106,5 m²' -> '106.5'" in text
    assert "# condition: nothing found" in text
    assert [each.split(".")[-1] for each in mapping.unmapped] == ["Objekt", "Farbe"]


def test_looks_inside_of_nested_records_and_addresses(drafted):
    rows = [
        {
            "Id": str(i),
            "Building": {"SizeInterior": "505 sqft", "Rooms": "3 + 1"},
            "Property": {"Address": "504 King Street W|Kitchener, Ontario N2H5L8"},
            "built date": "1990 May",
        }
        for i in range(3)
    ]

    _, mapping, batch = drafted("ca.json", json.dumps(rows))

    row = apply(mapping, batch).rows.to_pylist()[0]
    assert row["listing_id"] == "ads:0"
    assert (row["area_m2"], row["rooms"], row["built_on"]) == ("46.9160352", "4", "1990-05")
    assert (row["street"], row["city"], row["postcode"]) == (
        "504 King Street W",
        "Kitchener",
        "N2H5L8",
    )


def test_takes_the_unit_from_the_name(drafted, tmp_path):
    table = pd.DataFrame({"sqft_living": [1180, 2570], "shape": ["good", "poor"]})
    table.to_parquet(tmp_path / "kc.parquet")

    _, mapping, batch = drafted("kc.parquet", (tmp_path / "kc.parquet").read_bytes())

    assert apply(mapping, batch).rows.column("area_m2").to_pylist()[0] == "109.6255872"
    assert mapping.columns["condition"][0].path == ["shape"]
    assert mapping.columns["listing_id"][0].id_of == ["_file", "_row"]
