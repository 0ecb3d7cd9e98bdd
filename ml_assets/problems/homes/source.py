"""Homes that nobody lives in: drawn so that their price follows from what is known of them.

For demos, tests and examples. What sources tell of such homes, each in its own way, is in `told`.
"""

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd

from ml_assets.problems.homes.contract import CONDITIONS

DAYS = 28
START = dt.date(2016, 3, 7)
GAPS = {
    "land_m2": 0.3,
    "rooms": 0.5,
    "garage_spaces": 0.3,
    "condition": 0.4,
    "heating": 0.5,
    "cooling": 0.7,
    "built_year": 0.1,
    "area_m2": 0.05,
}
"""Share of the cells that sources leave out."""


class City(NamedTuple):
    """A place that homes are drawn in."""

    location: str
    region: str
    name: str
    postcode: str
    latitude: float
    longitude: float
    level: float
    """Price of a square metre in US dollars, about."""


CITIES = (
    City("USA", "WA", "Seattle", "98103", 47.66, -122.34, 3_900),
    City("USA", "WA", "Bellevue", "98004", 47.61, -122.21, 4_700),
    City("USA", "WA", "Renton", "98055", 47.45, -122.20, 2_300),
    City("USA", "WA", "Auburn", "98002", 47.31, -122.21, 1_800),
    City("Australia", "VIC", "Brunswick", "3056", -37.77, 144.96, 6_100),
    City("Australia", "VIC", "Carlton", "3053", -37.80, 144.97, 7_200),
    City("Australia", "VIC", "Werribee", "3030", -37.90, 144.66, 2_900),
    City("Canada", "ON", "Waterloo", "N2L 2R7", 43.46, -80.52, 2_400),
    City("Canada", "ON", "Toronto", "M5V 2T6", 43.65, -79.38, 4_900),
)
STREETS = (
    "Maple",
    "Cedar",
    "Lake",
    "Hill",
    "Church",
    "Star Thistle",
    "Station",
    "Mill",
    "Park",
)
KINDS = ("Street", "Avenue", "Road", "Lane", "Drive")
TYPES = np.array(["house", "apartment", "townhouse"])
WORTH = {"new": 0.15, "very good": 0.10, "good": 0.05, "fair": -0.08, "poor": -0.2}
"""What a condition adds to the logarithm of the price."""
SCATTER = 0.10


def sample(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw rows in the columns of the contract, as texts, as `raw` has them.

    Args:
        n: How many.
        rng: Decides everything.
    """
    homes = draw_homes(n, rng)
    homes.insert(0, "listing_id", [f"drawn:{number}" for number in range(n)])
    homes["source"] = "drawn"
    homes["listed_at"] = pd.to_datetime(homes["listed_at"]).dt.strftime("%Y-%m-%d")
    homes["built_on"] = homes["built_year"].astype("int64").astype(str)
    for column, share in GAPS.items():
        homes[column] = homes[column].astype(object).mask(rng.random(n) < share, None)
    texts = homes.map(_text).astype(pd.StringDtype(na_value=np.nan))
    return texts.drop(columns="built_month")


def draw_homes(
    n: int,
    rng: np.random.Generator,
    *,
    locations: tuple[str, ...] = ("USA", "Australia", "Canada"),
    start: dt.date = START,
    days: int = DAYS,
) -> pd.DataFrame:
    """Draw homes with everything that is true of them.

    Args:
        n: How many.
        rng: Decides everything.
        locations: Where they are.
        start: First day that one is listed on.
        days: How many days that goes on.

    Returns:
        n rows: the columns of the contract except `listing_id`, `source` and `built_on`;
        `listed_at` are days, sorted, and `built_month` is from 1 to 12.
    """
    cities = [city for city in CITIES if city.location in locations]
    place = rng.integers(len(cities), size=n)
    area = rng.lognormal(4.75, 0.4, n).clip(28, 600).round(1)
    bedrooms = np.clip((area / 38 + rng.normal(0, 0.6, n)).round(), 1, 8)
    condition = rng.choice(np.array(CONDITIONS), n)
    built = rng.integers(1900, 2015, n)
    homes = pd.DataFrame(
        {
            "listed_at": _days(start, days, n, rng),
            **_addresses(cities, place, rng),
            "area_m2": area,
            "land_m2": (area * rng.uniform(1.2, 6, n)).round(),
            "rooms": bedrooms + 1,
            "bedrooms": bedrooms,
            "bathrooms": np.clip((bedrooms / 1.8).round(), 1, 5),
            "garage_spaces": rng.integers(0, 4, n).astype("float64"),
            "built_year": built.astype("float64"),
            "built_month": rng.integers(1, 13, n),
            "home_type": TYPES[rng.choice(3, n, p=[0.6, 0.25, 0.15])],
            "condition": condition,
            "heating": rng.choice(np.array(["gas", "heat pump", "electric"]), n),
            "cooling": rng.choice(np.array(["none", "air conditioning"]), n),
        }
    )
    level = np.log([city.level for city in cities])[place]
    worth = pd.Series(condition).map(WORTH).fillna(0.0).to_numpy()
    logarithm = level + 0.85 * np.log(area) + 0.6 + worth - 0.001 * (2016 - built)
    return homes.assign(price_usd=np.exp(logarithm + SCATTER * rng.normal(size=n)).round(-2))


def _days(start: dt.date, days: int, n: int, rng: np.random.Generator) -> list[dt.date]:
    return [start + dt.timedelta(days=int(day)) for day in np.sort(rng.integers(days, size=n))]


def _addresses(
    cities: list[City], place: np.ndarray, rng: np.random.Generator
) -> dict[str, object]:
    """Where homes are: no two have the same number in the same street."""
    n = len(place)
    names = [f"{street} {kind}" for street in STREETS for kind in KINDS]
    number = rng.permutation(np.arange(1, 20 * n + 1))[:n] if n else np.zeros(0, np.int64)
    street = rng.integers(len(names), size=n)
    chosen = [cities[i] for i in place]
    return {
        "location": [city.location for city in chosen],
        "street": [f"{one} {names[i]}" for one, i in zip(number, street, strict=True)],
        "city": [city.name for city in chosen],
        "district": [f"{city.name} district" for city in chosen],
        "region": [city.region for city in chosen],
        "postcode": [city.postcode for city in chosen],
        "latitude": np.round([c.latitude for c in chosen] + rng.normal(0, 0.02, n), 5),
        "longitude": np.round([c.longitude for c in chosen] + rng.normal(0, 0.02, n), 5),
    }


def _text(value: object) -> str | None:
    """A value as a source writes it."""
    return None if value is None or value != value else str(value)  # noqa: PLR0124 - only NaN is not itself
