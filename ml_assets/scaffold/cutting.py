"""How tables are cut by event time, and which rows are held out."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ml_assets.problem import Grain
from ml_assets.scaffold.columns import Looked, days_of
from ml_assets.scaffold.roles import Labels, Placed
from ml_assets.scaffold.sheet import Sheet

HELD_OUT = 0.2
PARTITIONS_WANTED = 6
ROWS_WANTED = 100
LARGE = 5_000
"""Rows of a month, from which on weeks and days have enough as well."""
WINDOWS: Mapping[Grain, str] = {"monthly": "%Y-%m", "weekly": "%G-%V", "daily": "%Y-%m-%d"}


class Cutting(NamedTuple):
    """How tables are cut by time, and how rows are held out."""

    grain: Grain
    start: dt.date
    partitions: int
    split: Literal["time", "entity"]
    max_label_difference: float
    why: str


def cutting_of(
    sheet: Sheet,
    looked: Looked,
    labels: Labels,
    columns: tuple[Placed, ...],
    *,
    undated: dt.date,
) -> Cutting:
    """Months, or weeks or days where these have rows enough; and a split that fits."""
    time = next(placed for placed in columns if placed.role == "time")
    known = labels.values[~np.isnan(labels.values)]
    if time.column is None:
        why = f"one, {undated}, the day of the file, since no column says when; the hash of the id decides what is held out"
        return Cutting("monthly", undated, 1, "entity", _difference_by_chance(known), why)
    days = _days(sheet, looked, time.name)
    counts = {grain: _counts(days, grain) for grain in ("monthly", "weekly", "daily")}
    grain: Grain = "monthly"
    finer: tuple[Grain, ...] = ("weekly", "daily")
    for other in finer:
        is_coarse = len(counts[grain]) < PARTITIONS_WANTED or _median(counts[grain]) > LARGE
        if is_coarse and _median(counts[other]) >= ROWS_WANTED:
            grain = other
    rows = counts[grain]
    why = f"{len(rows):,} partitions ({grain}) with {_median(rows):,} rows in the middle"
    if len(set(days)) < PARTITIONS_WANTED:
        difference = _difference_by_chance(known)
        why += "; too few days to hold the newest out, so the hash of the id decides"
        return Cutting(grain, min(days), len(rows), "entity", difference, why)
    return Cutting(
        grain, min(days), len(rows), "time", 0.15, f"{why}; the newest rows are held out"
    )


def _days(sheet: Sheet, looked: Looked, time: str) -> list[dt.date]:
    found = days_of(sheet.columns[time], looked.spelling)
    start = dt.date(1970, 1, 1)
    whole = np.floor(found[~np.isnan(found)]).astype(int).tolist()
    return [start + dt.timedelta(days=day) for day in whole]


def _counts(days: list[dt.date], grain: Grain) -> Counter[str]:
    of_day = Counter(days)
    counts: Counter[str] = Counter()
    for day, rows in of_day.items():
        counts[day.strftime(WINDOWS[grain])] += rows
    return counts


def _median(counts: Counter[str]) -> int:
    return int(np.median(list(counts.values())))


def _difference_by_chance(labels: np.ndarray) -> float:
    """A difference between train and test that a split by hash hardly ever gives."""
    test = len(labels) * HELD_OUT
    error = (1 / test + 1 / (len(labels) - test)) ** 0.5
    spread = float(labels.std()) if set(np.unique(labels)) <= {0.0, 1.0} else 1.0
    return float(min(1.0, max(0.15, round(4 * error * spread, 2))))
