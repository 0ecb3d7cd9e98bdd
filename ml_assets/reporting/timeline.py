"""A problem's versions over time: how good each was, from how much data, and when it answered."""

import datetime as dt
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from ml_assets.evaluation.weaknesses import number
from ml_assets.problem import Problem
from ml_assets.registry import Evaluation, Release, evaluations, releases, versions
from ml_assets.storage import Home


class Period(NamedTuple):
    """When a version answered."""

    since: dt.datetime
    until: dt.datetime | None
    """None while it does."""
    kind: str
    """Of the release that began it: promotion, rollback or forced."""


class Station(NamedTuple):
    """One version on the way."""

    number: str
    version: str
    created_at: dt.datetime
    trigger: str
    rows: int
    """Of its training set, test rows included."""
    kpi: float | None
    """On its own test rows; None where it was not measured."""
    low: float | None
    high: float | None
    answered: tuple[Period, ...]


def timeline(problem: Problem, home: Home) -> tuple[Station, ...]:
    """Every version, oldest first."""
    log = releases(problem, home)
    measured = {one.version: one for one in evaluations(problem, home)}
    return tuple(
        Station(
            number=one.number,
            version=one.version,
            created_at=one.created_at,
            trigger=one.trigger,
            rows=sum(one.manifest.data.rows.values()),
            **_kpi(problem, measured.get(one.version)),
            answered=periods(log, one.version),
        )
        for one in versions(problem, home)
    )


def periods(log: Sequence[Release], version: str) -> tuple[Period, ...]:
    """When a version answered, by the release log, oldest first."""
    return tuple(
        Period(one.at, later.at if later else None, one.kind)
        for one, later in zip_longest(log, log[1:])
        if one.to_version == version
    )


def _kpi(problem: Problem, measured: Evaluation | None) -> dict[str, float | None]:
    if measured is None:
        return {"kpi": None, "low": None, "high": None}
    if (found := measured.kpi) is not None:
        return {"kpi": found.value, "low": found.low, "high": found.high}
    return {
        "kpi": number(measured.metrics["test"][problem.config.kpi.metric]),
        "low": None,
        "high": None,
    }
