"""Weeks of homes, as four sources deliver them, and what is wrong with some of the weeks.

A county (USA) and an auctioneer (Australia) tell of every home of theirs; agents and a portal tell of
some of the same homes again, in other units and words. What each planted fault should come to is for
`homes_story`.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ml_assets.problems.homes import told
from ml_assets.problems.homes.source import draw_homes

FIRST_WEEK = dt.date(2016, 3, 7)
BOTH = ("USA", "Australia")
BY_AGENTS, BY_PORTAL = 0.3, 0.3
"""Share of the homes that a second and a third source tell of."""
TOO_LARGE = 1.166
"""As where 1,200 square feet are called 130 square metres."""


@dataclass(frozen=True, kw_only=True)
class Week:
    """One week of deliveries.

    Attributes:
        number: From 1; decides the days, the homes and the names of the files.
        rows: Homes in each location.
        locations: Where there are homes; those in none of `BOTH` are the portal's alone.
        is_broken: The county's feed says areas in a unit that nobody knows.
        wrong_areas: Homes whose area the portal tells `TOO_LARGE`.
        unknown_units: Homes whose area the portal tells in a unit that nobody knows.
    """

    number: int
    rows: int = 60
    locations: tuple[str, ...] = BOTH
    is_broken: bool = False
    wrong_areas: int = 0
    unknown_units: int = 0

    @property
    def start(self) -> dt.date:
        """Its Monday."""
        return FIRST_WEEK + dt.timedelta(weeks=self.number - 1)

    def partition(self, location: str) -> str:
        """Key of the partition of a location."""
        return f"{location}|{self.start:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was delivered of a week.

    Attributes:
        homes: True homes by location.
        records: Rows by source.
        wrong: Ids of the portal's records whose area is wrong.
        unknown: Ids of those whose area is in an unknown unit.
    """

    homes: dict[str, int]
    records: dict[str, int]
    wrong: tuple[str, ...]
    unknown: tuple[str, ...]


def deliver_week(folder: Path, week: Week) -> Told:
    """Write the files of a week, those that are not there already; they are always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([20_160_307, week.number])
    homes = pd.concat(
        [
            draw_homes(week.rows, rng, locations=(place,), start=week.start, days=7)
            for place in week.locations
        ],
        ignore_index=True,
    )
    homes.index += 10_000 * week.number
    others = homes[~homes["location"].isin(BOTH)]
    usual = homes.drop(others.index)
    by_agents = usual.sample(frac=BY_AGENTS, random_state=2)
    by_portal = pd.concat([usual.sample(frac=BY_PORTAL, random_state=1), others]).sort_index()
    # A wrong area is found where enough else says that it is the same home, such as its street.
    again = by_portal.index.intersection(by_agents.index)
    wrong = again[: week.wrong_areas]
    unknown = by_portal.index.difference(again)[: week.unknown_units]
    records = {
        "kc_house": _county(folder, week, homes[homes["location"] == "USA"]),
        "melbourne": _auctions(folder, week, homes[homes["location"] == "Australia"]),
        "agency": _agents(folder, week, by_agents),
        "portal": _portal(folder, week, by_portal, wrong=wrong, unknown=unknown),
    }
    counts = homes["location"].value_counts()
    return Told(
        homes={str(place): int(count) for place, count in counts.items()},
        records=records,
        wrong=tuple(f"portal:P-{number}" for number in wrong),
        unknown=tuple(f"portal:P-{number}" for number in unknown),
    )


def _county(folder: Path, week: Week, homes: pd.DataFrame) -> int:
    rows = told.kc_house(homes).astype({"sqft_living": object})
    if week.is_broken:
        rows.loc[rows.index[::2], "sqft_living"] = "12 chains"
    told.write_csv(folder / f"kc_house_{week.start}.csv", rows)
    return len(rows)


def _auctions(folder: Path, week: Week, homes: pd.DataFrame) -> int:
    told.write_csv(folder / f"melb_{week.start}.csv", told.melbourne(homes))
    return len(homes)


def _agents(folder: Path, week: Week, homes: pd.DataFrame) -> int:
    told.write_lines(folder / f"agency_{week.start}.jsonl", told.agency(homes))
    return len(homes)


def _portal(
    folder: Path, week: Week, homes: pd.DataFrame, *, wrong: pd.Index, unknown: pd.Index
) -> int:
    records = dict(zip(homes.index, told.portal(homes), strict=True))
    for number in wrong:
        records[number]["area"] = f"{homes['area_m2'][number] * TOO_LARGE:.0f} m2"
    for number in unknown:
        records[number]["area"] = "3 chains"
    told.write_lines(folder / f"portal_{week.start}.jsonl", list(records.values()))
    return len(records)
