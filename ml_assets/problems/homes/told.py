"""What four sources tell of the same drawn homes, each in its own words, units and shape.

Each function takes rows of `source.draw_homes` and gives what its source would deliver of them; which
homes a source knows, and what it gets wrong, is decided by whoever calls it. The mappings of these
sources are in `sources/`.
"""

import json
from pathlib import Path

import pandas as pd

SQFT_PER_M2 = 10.7639
GRADES = {"poor": "1", "fair": "2", "average": "3", "good": "4", "very good": "5"}
MELBOURNE = {"house": "h", "apartment": "u", "townhouse": "t"}
AUD_PER_USD = 1.33


def kc_house(homes: pd.DataFrame) -> pd.DataFrame:
    """Sales of a county: square feet, MM/DD/YYYY, coordinates and no street."""
    sqft = (homes["area_m2"] * SQFT_PER_M2).round().astype(int)
    return pd.DataFrame(
        {
            "id": [f"{7_000_000 + number}" for number in homes.index],
            "date": pd.to_datetime(homes["listed_at"]).dt.strftime("%m/%d/%Y"),
            "price": homes["price_usd"].round(1),
            "bedrooms": homes["bedrooms"].astype(int),
            "bathrooms": homes["bathrooms"],
            "sqft_living": sqft,
            "sqft_lot": (homes["land_m2"] * SQFT_PER_M2).round().astype(int),
            "condition": homes["condition"].map(GRADES).fillna("3"),
            "yr_built": homes["built_year"].astype(int),
            "zipcode": homes["postcode"],
            "lat": homes["latitude"],
            "long": homes["longitude"],
        }
    )


def melbourne(homes: pd.DataFrame) -> pd.DataFrame:
    """Results of auctions: square metres, Australian dollars, D/MM/YYYY, one letter a type."""
    days = pd.to_datetime(homes["listed_at"])
    return pd.DataFrame(
        {
            "Suburb": homes["city"],
            "Address": homes["street"],
            "Rooms": homes["rooms"].astype(int),
            "Type": homes["home_type"].map(MELBOURNE),
            "Price": (homes["price_usd"] * AUD_PER_USD).round(-2),
            "Date": days.dt.day.astype(str) + days.dt.strftime("/%m/%Y"),
            "Postcode": homes["postcode"],
            "CouncilArea": homes["district"],
            "Bedroom2": homes["bedrooms"],
            "Bathroom": homes["bathrooms"],
            "Car": homes["garage_spaces"],
            "Landsize": homes["land_m2"],
            "BuildingArea": homes["area_m2"],
            "YearBuilt": homes["built_year"],
            "Lattitude": homes["latitude"],
            "Longtitude": homes["longitude"],
        }
    )


def agency(homes: pd.DataFrame) -> list[dict[str, object]]:
    """Flat records of agents: square feet in words, the address in one text."""
    return [
        {
            "id": f"A-{number}",
            "listed": home["listed_at"].isoformat(),
            "country": home["location"],
            "room": int(home["rooms"]),
            "bedrooms": int(home["bedrooms"]),
            "bathrooms": int(home["bathrooms"]),
            "built_date": f"{home['built_year']:.0f}-{home['built_month']:02d}",
            "cooling_system": home["cooling"],
            "heating_system": home["heating"],
            "address": f"{home['street']}, {home['city']}, {home['region']} {home['postcode']}",
            "lat": home["latitude"],
            "lon": home["longitude"],
            "price": f"{home['price_usd']:.0f}",
            "garage_spaces": int(home["garage_spaces"]),
            "area": f"{home['area_m2'] * SQFT_PER_M2:.0f} sqft",
        }
        for number, home in zip(homes.index, homes.to_dict("records"), strict=True)
    ]


def portal(homes: pd.DataFrame) -> list[dict[str, object]]:
    """Nested records of a portal: square metres in words, "1990 May", the address in parts."""
    return [
        {
            "id": f"P-{number}",
            "listed": home["listed_at"].isoformat(),
            "room": int(home["rooms"]),
            "bedrooms": int(home["bedrooms"]),
            "bathrooms": int(home["bathrooms"]),
            "built date": pd.Timestamp(
                int(home["built_year"]), int(home["built_month"]), 1
            ).strftime("%Y %B"),
            "temprature system": {"cooler": home["cooling"], "heater": home["heating"]},
            "address": {
                "country": home["location"],
                "state": home["region"],
                "city": home["city"],
                "street": home["street"],
                "zip code": home["postcode"],
            },
            "position": {"lat": home["latitude"], "lon": home["longitude"]},
            "price": f"{home['price_usd']:.0f}",
            "garage_spaces": int(home["garage_spaces"]),
            "area": f"{home['area_m2']:.0f} m2",
        }
        for number, home in zip(homes.index, homes.to_dict("records"), strict=True)
    ]


def write_csv(path: Path, rows: pd.DataFrame) -> None:
    """Write rows as a CSV, whole at once, unless it is there as it should be."""
    _write(path, rows.to_csv(index=False, lineterminator="\n"))


def write_lines(path: Path, records: list[dict[str, object]]) -> None:
    """Write records as JSON lines, whole at once, unless it is there as it should be."""
    _write(path, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in records))


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
