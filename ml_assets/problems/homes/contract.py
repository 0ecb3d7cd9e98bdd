"""What a valid home is: one row per offer or sale, in one set of units whatever its source.

Strict where a wrong value would do harm (id, time, location, price, sizes that no home has), lenient
where sources differ by nature: most of them leave most columns out.

`known_at` says when a fact is known: `listed` (the home is offered), `sold` (the price is paid).
"""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")

HOME_TYPES = (
    "house",
    "apartment",
    "townhouse",
    "duplex",
    "multi-family",
    "bungalow",
    "villa",
    "farmhouse",
    "other",
)
CONDITIONS = ("new", "very good", "renovated", "good", "average", "fair", "poor")


class Home(pa.DataFrameModel):
    """One row per offer or sale of a home."""

    listing_id: Series[str] = pa.Field(
        unique=True,
        str_length={"min_value": 1, "max_value": 300},
        metadata={"role": "id", "known_at": "listed"},
        description="The source and what it calls the offer or sale.",
    )
    listed_at: Series[UTC_TIME] = pa.Field(
        ge=pd.Timestamp("2000-01-01", tz="UTC"),
        lt=pd.Timestamp("2100-01-01", tz="UTC"),
        metadata={"role": "time", "known_at": "listed"},
        description="When it was offered or sold; a day, so midnight UTC.",
    )
    location: Series[str] = pa.Field(
        str_length={"min_value": 1, "max_value": 80},
        metadata={"role": "input", "known_at": "listed", "categories": "open"},
        description="The country.",
    )
    source: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "ignored", "known_at": "listed", "categories": "open"},
        description="Whose record leads the row.",
    )
    price_usd: Series[float] = pa.Field(
        nullable=True,
        gt=1_000,
        lt=1e9,
        metadata={"role": "target", "known_at": "sold"},
        description="Asked or paid, in US dollars of the day.",
    )
    area_m2: Series[float] = pa.Field(
        nullable=True,
        ge=8,
        le=5_000,
        metadata={"role": "input", "known_at": "listed"},
        description="To live in.",
    )
    land_m2: Series[float] = pa.Field(
        nullable=True,
        ge=0,
        le=1e8,
        metadata={"role": "input", "known_at": "listed"},
        description="Of the lot.",
    )
    rooms: Series[float] = pa.Field(
        nullable=True,
        ge=0,
        le=200,
        metadata={"role": "input", "known_at": "listed"},
        description="Without kitchen and bathrooms.",
    )
    bedrooms: Series[float] = pa.Field(
        nullable=True, ge=0, le=200, metadata={"role": "input", "known_at": "listed"}
    )
    bathrooms: Series[float] = pa.Field(
        nullable=True,
        ge=0,
        le=200,
        metadata={"role": "input", "known_at": "listed"},
        description="One without a shower may count as less than one.",
    )
    garage_spaces: Series[float] = pa.Field(
        nullable=True, ge=0, le=2_000, metadata={"role": "input", "known_at": "listed"}
    )
    built_year: Series[float] = pa.Field(
        nullable=True, ge=1_000, le=2_100, metadata={"role": "input", "known_at": "listed"}
    )
    built_on: Series[str] = pa.Field(
        nullable=True,
        str_matches=r"^\d{4}(-\d\d){0,2}$",
        metadata={"role": "ignored", "known_at": "listed", "categories": "free"},
        description="As exactly as the source knows it: a year, a month or a day.",
    )
    home_type: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "input", "known_at": "listed", "categories": HOME_TYPES},
    )
    condition: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "input", "known_at": "listed", "categories": CONDITIONS},
    )
    heating: Series[str] = pa.Field(
        nullable=True, metadata={"role": "input", "known_at": "listed", "categories": "open"}
    )
    cooling: Series[str] = pa.Field(
        nullable=True, metadata={"role": "input", "known_at": "listed", "categories": "open"}
    )
    street: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 300},
        metadata={"role": "ignored", "known_at": "listed", "categories": "free"},
        description="With the house number; by it homes are found again, and none is priced.",
    )
    city: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 200},
        metadata={"role": "input", "known_at": "listed", "categories": "open"},
    )
    district: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 200},
        metadata={"role": "input", "known_at": "listed", "categories": "open"},
        description="Above the city or part of it: a county, a council; coarser than a postcode.",
    )
    region: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 200},
        metadata={"role": "input", "known_at": "listed", "categories": "open"},
        description="State or province.",
    )
    postcode: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 20},
        metadata={"role": "input", "known_at": "listed", "categories": "free"},
    )
    latitude: Series[float] = pa.Field(
        nullable=True, ge=-90, le=90, metadata={"role": "input", "known_at": "listed"}
    )
    longitude: Series[float] = pa.Field(
        nullable=True, ge=-180, le=180, metadata={"role": "input", "known_at": "listed"}
    )
