"""A problem's partitions, as Dagster counts them."""

import datetime as dt

import dagster as dg

from ml_assets.problem.config import Grain, Partitions

CRON: dict[Grain, str] = {"daily": "0 0 * * *", "weekly": "0 0 * * 1", "monthly": "0 0 1 * *"}
FORMAT: dict[Grain, str] = {"daily": "%Y-%m-%d", "weekly": "%Y-%m-%d", "monthly": "%Y-%m"}


def partitions_of(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    """Every partition from the configured start to the one that is going on now."""
    return dg.TimeWindowPartitionsDefinition(
        start=_first_day(partitions).strftime(FORMAT[partitions.grain]),
        cron_schedule=CRON[partitions.grain],
        fmt=FORMAT[partitions.grain],
        end_offset=1,
    )


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
