"""A small regression for tests: for how much is a flat sold, in cities of very different prices?"""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.typing import Series

from ml_assets.features import build_training_set, materialize_partitions
from ml_assets.problem import Config, Problem
from ml_assets.storage import Commit

CITIES = {
    "Berlin": (8.4, 1.00, 0.10),
    "Bonn": (8.0, 0.90, 0.20),
    "Madrid": (8.2, 1.10, 0.15),
    "Sydney": (9.2, 1.05, 0.40),
    "Vaduz": (9.0, 0.80, 0.10),
}
"""Level of prices, what one more percent of area adds to them, and how much they scatter."""

SHARES = (0.40, 0.30, 0.19, 0.10, 0.01)
UTC_TIME = pd.DatetimeTZDtype("us", "UTC")
NOW = dt.datetime(2021, 7, 1, tzinfo=dt.UTC)


def draw(rows, rng, *, months=6, start="2020-01-01", cities=tuple(CITIES)):
    """Flats sold over some months, in the types of the contract."""
    shares = np.array([SHARES[list(CITIES).index(city)] for city in cities])
    location = rng.choice(cities, rows, p=shares / shares.sum())
    level, slope, scatter = np.array([CITIES[city] for city in location]).T
    area = rng.lognormal(4.2, 0.4, rows).round(1)
    rooms = np.clip((area / 25).round() + rng.integers(-1, 2, rows), 1, None)
    logarithm = level + slope * np.log(area) + 0.02 * rooms + scatter * rng.normal(size=rows)
    days = pd.date_range(start, periods=28 * months, freq="D", tz="UTC", unit="us")
    return pd.DataFrame(
        {
            "flat_id": [f"flat-{start}-{number:06d}" for number in range(rows)],
            "sold_at": days[np.sort(rng.integers(len(days), size=rows))],
            "location": location,
            "area_m2": np.where(rng.random(rows) < 0.05, np.nan, area),
            "rooms": rooms,
            "heating": rng.choice(np.array(["gas", "heat pump", None]), rows),
            "price_usd": np.exp(logarithm).round(2),
        }
    )


def as_texts(rows, rng):
    """Draw flats as a source delivers them."""
    drawn = draw(rows, rng)
    texts = drawn.astype(object).astype(str).where(drawn.notna(), None)
    return texts.assign(sold_at=drawn["sold_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


class Flat(pandera.DataFrameModel):
    """One row per sale."""

    flat_id: Series[str] = pandera.Field(
        unique=True, metadata={"role": "id", "known_at": "offered"}
    )
    sold_at: Series[UTC_TIME] = pandera.Field(metadata={"role": "time", "known_at": "offered"})
    location: Series[str] = pandera.Field(
        metadata={"role": "input", "known_at": "offered", "categories": "open"}
    )
    area_m2: Series[float] = pandera.Field(
        nullable=True, gt=0, metadata={"role": "input", "known_at": "offered"}
    )
    rooms: Series[float] = pandera.Field(
        ge=0, metadata={"role": "input", "known_at": "offered"}
    )
    heating: Series[str] = pandera.Field(
        nullable=True, metadata={"role": "input", "known_at": "offered"}
    )
    price_usd: Series[float] = pandera.Field(
        nullable=True, gt=0, metadata={"role": "target", "known_at": "sold"}
    )


def features(flats):
    """What is known of a flat when it is offered."""
    return flats[["location", "area_m2", "rooms", "heating"]]


CONFIG = {
    "objective": "Ask for a price that somebody pays.",
    "owner": "tests",
    "kind": "regression",
    "moments": ["offered", "sold"],
    "moment_of_prediction": "offered",
    "source": {"origin": "drawn", "terms": "none"},
    "partitions": {"grain": "monthly", "start": "2020-01-01"},
    "label": {"positive": "The price that was paid, in USD.", "delay_days": 0},
    "kpi": {
        "metric": "median_ape",
        "formula": "half of the answers are closer than this share of the price",
        "direction": "lower",
        "floor": 0.5,
        "owner": "tests",
    },
    "metrics": ["mae", "rmse", "mape", "r2", "coverage", "relative_width"],
    "slices": {"columns": ["location"], "min_rows": 50},
    "baseline": {"by": "location"},
    "promotion": {"resamples": 200},
    "training": {
        "min_rows": 100,
        "target": {"transform": "log"},
        "interval": {"coverage": 0.9, "by": "location", "min_rows": 50},
        "estimators": {
            "ridge": {"kind": "ridge"},
            "ridge_local": {"kind": "ridge", "local": {"by": "location", "min_rows": 100}},
        },
        "encoders": {
            "location": {"kind": "one_hot"},
            "area_m2": {"kind": "scale"},
            "rooms": {"kind": "scale"},
            "heating": {"kind": "one_hot"},
        },
    },
}

FLATS = Problem(
    name="flats",
    folder=Path(__file__).parent,
    contract=Flat,
    features=features,
    sample=as_texts,
    config=Config.from_values(CONFIG, where="the test"),
)


def admit(problem, home, rows):
    """Write rows to `validated` as the gate would; returns the partitions."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    keys = np.array([problem.partition_of(moment) for moment in rows["sold_at"]])
    partitions = sorted(set(keys))
    for partition in partitions:
        part = table.filter(pa.array(keys == partition))
        commit = Commit(run_id="gate", code_hash="gate", fingerprint=f"admitted {len(rows)}")
        home.lake.write(f"{problem.name}/validated", partition, part, commit=commit)
    return partitions


def learned_from(problem, home, rows, *, now=NOW):
    """Bring rows all the way to a training set."""
    partitions = admit(problem, home, rows)
    list(materialize_partitions(problem, home, partitions, run_id="features"))
    return build_training_set(problem, home, now=now, run_id="set")
