"""A problem's partitions, as Dagster counts them."""

import datetime as dt
from collections.abc import Iterable

import dagster as dg

from ml_assets.problem import Declared, Grain, Key
from ml_assets.problem.config import Partitions

CRON: dict[Grain, str] = {"daily": "0 0 * * *", "weekly": "0 0 * * 1", "monthly": "0 0 1 * *"}
FORMAT: dict[Grain, str] = {"daily": "%Y-%m-%d", "weekly": "%Y-%m-%d", "monthly": "%Y-%m"}


LOCATION = "location"
WINDOW: dict[Grain, str] = {"daily": "on", "weekly": "week", "monthly": "month"}
"""Names of the other dimension; Dagster spells keys in the order of the dimensions' names."""


def partitions_of(declared: Declared) -> dg.PartitionsDefinition:
    """A problem's partitions: windows of event time, each for every location where it has some."""
    windows = windows_of(declared.config.partitions)
    if declared.config.partitions.by is None:
        return windows
    both = {LOCATION: locations_of(declared), WINDOW[declared.config.partitions.grain]: windows}
    return dg.MultiPartitionsDefinition(both)


def windows_of(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    """Every window from the configured start to the one that is going on now."""
    return dg.TimeWindowPartitionsDefinition(
        start=_first_day(partitions).strftime(FORMAT[partitions.grain]),
        cron_schedule=CRON[partitions.grain],
        fmt=FORMAT[partitions.grain],
        end_offset=1,
    )


def locations_of(declared: Declared) -> dg.DynamicPartitionsDefinition:
    """The locations of a problem that Dagster was told of."""
    return dg.DynamicPartitionsDefinition(name=f"{declared.name}_locations")


def possible(declared: Declared, partitions: Iterable[str]) -> list[str]:
    """Those of some partitions whose window lies between the configured start and now."""
    windows = set(windows_of(declared.config.partitions).get_partition_keys())
    return [each for each in partitions if Key.of(each).window in windows]


def locations_among(partitions: Iterable[str]) -> list[str]:
    """The locations of some partitions, sorted; none where keys have none."""
    return sorted({location for each in partitions if (location := Key.of(each).location)})


def batches_of(problem: str) -> dg.DynamicPartitionsDefinition:
    """The feedback batches of a problem that Dagster was told of."""
    return dg.DynamicPartitionsDefinition(name=f"{problem}_feedback")


def experiments_of(problem: str) -> dg.DynamicPartitionsDefinition:
    """The experiments of a problem that Dagster was told of."""
    return dg.DynamicPartitionsDefinition(name=f"{problem}_experiments")


def _first_day(partitions: Partitions) -> dt.date:
    """First day of the partition that the configured start falls into."""
    match partitions.grain:
        case "daily":
            return partitions.start
        case "weekly":
            return partitions.start - dt.timedelta(days=partitions.start.weekday())
        case "monthly":
            return partitions.start.replace(day=1)
