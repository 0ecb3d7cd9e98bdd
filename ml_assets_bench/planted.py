"""Homes of which it is known which records are about the same one.

A town of streets with houses and blocks of flats. Flats of a block share street, number, place and
year, and often the layout: they are what a matcher takes for one home. Every home is told by one
source, some by a second and a third, which write streets differently, mistype, round, leave
things out, forget the number of the flat, and ask another price.
"""

import datetime as dt
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.duplicates import Rules
from ml_assets.problem.duplicates import Duplicates

KINDS = {"Street": "St.", "Road": "Rd", "Avenue": "Ave", "Lane": "Ln", "Drive": "Dr."}
SYLLABLES = ("al", "ber", "cor", "dan", "el", "fen", "gar", "hol", "is", "jun", "kel", "lor")
SQFT_PER_M2 = 10.7639
METRES_PER_DEGREE = 111_195
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)

DECLARED = Duplicates.model_validate(
    {
        "source": "source",
        "blocking": [
            ["street", "postcode"],
            ["street", "place"],
            ["place", "area_m2"],
            ["place", "price_usd"],
        ],
        "comparisons": {
            "source": {
                "kind": "equal",
                "only": "merge",
                "levels": [{"within": 0, "m": 0.05, "u": 0.5}],
            },
            "street": {"kind": "street"},
            "postcode": {"kind": "equal", "levels": [{"within": 0, "m": 0.98, "u": 0.95}]},
            "place": {"kind": "place"},
            "area_m2": {"kind": "number"},
            "price_usd": {
                "kind": "number",
                "only": "merge",
                "levels": [
                    {"within": 0.005, "m": 0.75, "u": 0.04},
                    {"within": 0.03, "m": 0.1, "u": 0.15},
                    {"within": 0.1, "m": 0.1, "u": 0.25},
                ],
            },
            "price_later": {
                "kind": "number",
                "only": "link",
                "columns": ["price_usd"],
                "levels": [
                    {"within": 0.005, "m": 0.35, "u": 0.04},
                    {"within": 0.03, "m": 0.2, "u": 0.15},
                    {"within": 0.1, "m": 0.2, "u": 0.25},
                ],
            },
            "bedrooms": {"kind": "equal"},
            "bathrooms": {"kind": "equal"},
            "built_year": {"kind": "equal", "levels": [{"within": 0, "m": 0.95, "u": 0.6}]},
        },
        "survivorship": {
            "trusted": ["agency", "portal", "crawler"],
            "rules": {"price_usd": "median", "street": "longest"},
            "together": [["latitude", "longitude"]],
        },
        "agreement": {
            "area_m2": {"by": "share", "limit": 0.05},
            "price_usd": {"by": "share", "limit": 0.01},
            "built_year": {"by": "difference"},
        },
    }
)
RULES = Rules(DECLARED, "listing_id", "listed_at")


class Planted(NamedTuple):
    """Records, and the home that each is about."""

    records: pa.Table
    truth: dict[str, int]


class Home(NamedTuple):
    """What is true of one home."""

    street: str
    kind: str
    number: int
    flat: int | None
    postcode: str
    latitude: float
    longitude: float
    area_m2: float
    price_usd: float
    bedrooms: int
    bathrooms: int
    built_year: int


def planted(records: int, rng: np.random.Generator) -> Planted:
    """Draw a town that is told in so many records."""
    rows: list[dict[str, object]] = []
    truth: dict[str, int] = {}
    homes = _homes(records, rng)
    for number, home in enumerate(homes):
        sources = ["agency", "portal", "crawler"]
        for source in sources[: 1 + int(rng.choice(3, p=[0.6, 0.3, 0.1]))]:
            row = _told(home, source, rng)
            row["listing_id"] = f"{source}-{rng.integers(2**40):013d}"
            rows.append(row)
            truth[str(row["listing_id"])] = number
            if len(rows) == records:
                order = rng.permutation(len(rows))
                return Planted(pa.Table.from_pylist(rows, SCHEMA).take(order), truth)
    raise AssertionError(f"{records} records need more than {len(homes)} homes")


SCHEMA = pa.schema(
    [
        ("listing_id", pa.string()),
        ("listed_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("street", pa.string()),
        ("postcode", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("area_m2", pa.float64()),
        ("price_usd", pa.float64()),
        ("bedrooms", pa.int64()),
        ("bathrooms", pa.int64()),
        ("built_year", pa.int64()),
    ]
)


def _homes(count: int, rng: np.random.Generator) -> list[Home]:
    """Homes, street by street: houses, and blocks whose flats have one of three layouts."""
    homes: list[Home] = []
    side = 0.05 * np.sqrt(count / 1_000)
    while len(homes) < count:
        street = "".join(rng.choice(SYLLABLES, 3)).capitalize()
        kind = str(rng.choice(list(KINDS)))
        corner = rng.uniform(0, side, 2)
        postcode = f"{10_000 + 100 * int(corner[0] / 0.05) + int(corner[1] / 0.05)}"
        per_m2 = rng.lognormal(8.2, 0.3)
        for number in range(1, 2 * int(rng.integers(10, 40)), 2):
            year = int(rng.integers(1900, 2025))
            place = corner + np.array([number * 1.2e-4, rng.normal(0, 3e-5)])
            flats = int(rng.integers(2, 9)) if rng.random() < 0.1 else 0
            layouts = [float(round(area, 1)) for area in rng.lognormal(4.3, 0.3, 3)]
            for flat in range(1, flats + 1) if flats else [None]:
                area = (
                    layouts[rng.integers(3)]
                    if flats
                    else float(round(rng.lognormal(4.9, 0.35), 1))
                )
                homes.append(
                    Home(
                        street=street,
                        kind=kind,
                        number=number,
                        flat=flat,
                        postcode=postcode,
                        latitude=40 + place[0],
                        longitude=-75 + place[1],
                        area_m2=area,
                        price_usd=float(round(area * per_m2 * rng.lognormal(0, 0.15), -3)),
                        bedrooms=max(1, round(area / 35)),
                        bathrooms=max(1, round(area / 80 + rng.normal(0, 0.4))),
                        built_year=year,
                    )
                )
    return homes


def _told(home: Home, source: str, rng: np.random.Generator) -> dict[str, object]:
    """What a source tells of a home: the agency nearly all, the others as they can."""
    row: dict[str, object] = {
        "listed_at": START + dt.timedelta(days=int(rng.integers(7))),
        "source": source,
        "street": _street(home, source, rng),
        "postcode": home.postcode,
        "latitude": home.latitude + rng.normal(0, 10) / METRES_PER_DEGREE,
        "longitude": home.longitude + rng.normal(0, 10) / METRES_PER_DEGREE,
        "area_m2": _area(home.area_m2, source, rng),
        "price_usd": home.price_usd,
        "bedrooms": home.bedrooms,
        "bathrooms": home.bathrooms,
        "built_year": home.built_year,
    }
    if source != "agency":
        if rng.random() < 0.2:
            row["price_usd"] = float(round(home.price_usd * rng.uniform(0.9, 1.02), -2))
        if rng.random() < 0.05:
            row["bedrooms"] = home.bedrooms + 1
        if rng.random() < 0.05:
            row["built_year"] = home.built_year + int(rng.integers(-2, 3))
    missing = 0.02 if source == "agency" else 0.12
    for names in (("street",), ("postcode",), ("latitude", "longitude"), ("area_m2",)):
        if rng.random() < missing:
            row |= dict.fromkeys(names)
    for name in ("bathrooms", "built_year", "bedrooms"):
        if rng.random() < 2 * missing:
            row[name] = None
    return row


def _street(home: Home, source: str, rng: np.random.Generator) -> str:
    """The street as a source writes it."""
    if source == "agency":
        flat = f"{home.flat}/" if home.flat else ""
        return f"{flat}{home.number} {home.street} {home.kind}"
    name = home.street
    if rng.random() < 0.1:
        place = int(rng.integers(len(name) - 1))
        name = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    flat = f", Apt {home.flat}" if home.flat and rng.random() < 0.8 else ""
    text = f"{home.number} {name} {KINDS[home.kind]}{flat}"
    return text.upper() if source == "crawler" else text


def _area(area_m2: float, source: str, rng: np.random.Generator) -> float:
    """The area after a source rounded it in its own unit, or measured it otherwise."""
    if rng.random() < 0.03 and source != "agency":
        return float(round(area_m2 * rng.uniform(0.85, 1.15), 1))
    if source == "portal":
        return round(area_m2 * SQFT_PER_M2 / 10) * 10 / SQFT_PER_M2
    return float(round(area_m2)) if source == "crawler" else area_m2
