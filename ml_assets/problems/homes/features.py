"""What the model reads of a home when it is offered.

Left out on purpose: `street`, by which a model would only learn single homes by heart, and `source`,
which a home that somebody asks about has not.
"""

import numpy as np
import pandas as pd

UNKNOWN = "unknown"
"""What a missing category is called; the encoders learn it like any other."""

OLDEST_YEARS = 300
"""More years than this say nothing more."""

FIRST_MONTH = 12 * 2_000


def features(homes: pd.DataFrame) -> pd.DataFrame:
    """Describe each home by what is known when it is offered.

    Args:
        homes: Rows that hold the contract `Home`; n rows.

    Returns:
        n rows, same index, columns:
            location, home_type, condition, heating, cooling (str): Never null; "unknown".
            region, district, city, postcode (str): With their location before them, since names repeat;
                never null.
            log_area, log_land (float, log of m2, of land m2 + 1): Null where missing.
            rooms, bedrooms, bathrooms, garage_spaces (float): Null where missing.
            area_per_room (float, m2): Over rooms, or else bedrooms and one; null where missing.
            built_years_ago (float): At the day of the event; at most 300, below 0 before it is built.
            latitude, longitude (float, degrees): Null where missing.
            months (float): Since the year 2000, so that prices may rise.
    """
    location = _category(homes["location"])
    listed = homes["listed_at"]
    rooms = homes["rooms"].fillna(homes["bedrooms"] + 1)
    return pd.DataFrame(
        {
            "location": location,
            "region": _within(location, homes["region"]),
            "district": _within(location, homes["district"]),
            "city": _within(location, homes["city"]),
            "postcode": _within(location, homes["postcode"]),
            "home_type": _category(homes["home_type"]),
            "condition": _category(homes["condition"]),
            "heating": _category(homes["heating"]),
            "cooling": _category(homes["cooling"]),
            "log_area": np.log(homes["area_m2"]),
            "log_land": np.log1p(homes["land_m2"]),
            "rooms": homes["rooms"],
            "bedrooms": homes["bedrooms"],
            "bathrooms": homes["bathrooms"],
            "garage_spaces": homes["garage_spaces"],
            "area_per_room": homes["area_m2"] / rooms.clip(lower=1),
            "built_years_ago": (listed.dt.year - homes["built_year"]).clip(upper=OLDEST_YEARS),
            "latitude": homes["latitude"],
            "longitude": homes["longitude"],
            "months": (listed.dt.year * 12 + listed.dt.month - FIRST_MONTH).astype("float64"),
        },
        index=homes.index,
    ).astype(dict.fromkeys(NUMBERS, "float64"))


NUMBERS = (
    "log_area",
    "log_land",
    "rooms",
    "bedrooms",
    "bathrooms",
    "garage_spaces",
    "area_per_room",
    "built_years_ago",
    "latitude",
    "longitude",
    "months",
)


def _category(column: pd.Series) -> pd.Series:
    """Trim, and name what is missing."""
    return column.astype("str").str.strip().fillna(UNKNOWN).replace("", UNKNOWN)


def _within(location: pd.Series, column: pd.Series) -> pd.Series:
    """A name of a place, behind the name of its location."""
    return location + ": " + _category(column)
