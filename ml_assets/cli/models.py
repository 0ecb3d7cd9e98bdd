"""Model versions and releases of a problem, and the two ways in which a person moves the champion."""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.errors import MLAssetsError
from ml_assets.problem import problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.problem import Problem
    from ml_assets.registry import Axes, Decision, ModelVersion, Release
    from ml_assets.reporting import Period

BY_HAND = "by hand"

TRIED_VERSIONS = 10
"""So many of the newest are loaded to see how they answer, beside the champion; each takes a moment."""

DIRECT = "direct"

SHOWN_DIGITS = 8
"""Of a hash, to be compared by eye; `--json` has it whole."""


class VersionFacts(NamedTuple):
    """One model version."""

    number: str
    version: str
    is_champion: bool
    estimator: str
    rows: int
    partitions: int
    excluded: int
    trigger: str
    created_at: dt.datetime
    metrics: Mapping[str, float]
    """On its test rows, the KPI first; empty when it was not measured."""
    why_number: str
    decision: str
    """The last decision about its promotion."""
    axes: "Axes"
    """Versions of its data, its pipeline and its hyperparameters; each changes by itself."""
    path: str | None
    """How it answers one row: direct, or which step takes the way through frames and why; None
    when it was not tried."""
    around: tuple[str, ...]
    """What it has beside one model of all rows: intervals, models of groups."""
    kpi_interval: tuple[float | None, float | None]
    """Interval of the KPI on its test rows; None where it was not measured."""
    answered: "tuple[Period, ...]"
    """When it answered, oldest first."""


def version_facts(problem_name: str, home: Home) -> list[VersionFacts]:
    """Every version of a problem, newest first."""
    from ml_assets.registry import axes_of, champion, decisions, evaluations, versions
    from ml_assets.reporting import timeline

    problem = problem_named(problem_name)
    answering = champion(problem, home)
    measured = {each.version: each.metrics["test"] for each in evaluations(problem, home)}
    decided = {each.version: each.message for each in decisions(problem, home)}
    stations = {each.version: each for each in timeline(problem, home)}
    found = versions(problem, home)
    tried = {each.version for each in (*found[-TRIED_VERSIONS:], answering) if each}
    return [
        VersionFacts(
            number=each.number,
            version=each.version,
            is_champion=answering is not None and answering.version == each.version,
            estimator=each.manifest.algorithm.estimator,
            rows=sum(each.manifest.data.rows.values()),
            partitions=len(each.manifest.data.partitions),
            excluded=len(each.manifest.data.excluded),
            trigger=each.trigger,
            created_at=each.created_at,
            metrics=measured.get(each.version, {}),
            why_number=each.number_reason,
            decision=decided.get(each.version, "was not considered yet"),
            axes=axes_of(each.manifest),
            path=_path(problem, home, each) if each.version in tried else None,
            around=around(each),
            kpi_interval=(stations[each.version].low, stations[each.version].high),
            answered=stations[each.version].answered,
        )
        for each in reversed(found)
    ]


def _path(problem: "Problem", home: Home, version: "ModelVersion") -> str:
    """How a version answers one row, seen by loading it."""
    from ml_assets.inference import load_predictor

    try:
        ways = load_predictor(problem, home, version.version).ways
    except MLAssetsError as error:
        return f"cannot be loaded: {error}"
    slow = [f"{part}: {why}" for part, why in ways._asdict().items() if why is not None]
    return "; ".join(slow) or DIRECT


def around(version: "ModelVersion") -> tuple[str, ...]:
    """What a version has beside one model of all rows, as sentences."""
    said, manifest = [], version.manifest
    if (intervals := manifest.intervals) is not None:
        share = f"Intervals hold {100 * intervals.coverage:g}% of the labels"
        own = f", as wide as each {intervals.by} needs: {', '.join(intervals.groups) or 'none'}"
        rest = f"; others by {intervals.shared.rows:,} calibrating rows"
        said.append(f"{share}{own if intervals.by else ''}{rest}.")
    if (local := manifest.local_rows) is not None:
        named = ", ".join(f"{name} ({rows:,} rows)" for name, rows in local.items())
        said.append(f"Models of their own: {named or 'no group has enough rows yet'}.")
    return tuple(said)


def print_versions(problem_name: str, found: list[VersionFacts], *, as_json: bool) -> None:
    """Print versions, newest first."""
    if as_json:
        print_json(found)
        return
    kpi = problem_named(problem_name).config.kpi.metric
    columns = [
        "number",
        "version",
        "champion",
        "estimator",
        "rows",
        "partitions",
        kpi,
        "path",
        "trigger",
        "at",
    ]
    rows = [
        (
            each.number,
            each.version,
            "yes" if each.is_champion else "",
            each.estimator,
            each.rows,
            each.partitions,
            each.metrics.get(kpi),
            each.path if each.path in (DIRECT, None) else "pipeline",
            each.trigger,
            each.created_at,
        )
        for each in found
    ]
    print_table(f"Models of {problem_name}", columns, rows, empty="none yet")
    if found:
        names = ["number", *found[0].axes._fields]
        hashes = [(each.number, *(one[:SHOWN_DIGITS] for one in each.axes)) for each in found]
        print_table("What they were made from", names, hashes)
    for each in found:
        if each.path not in (DIRECT, None):
            say(f"{each.number} goes through the pipeline. {each.path}")
    if found:
        say(" ".join([*found[0].around, found[0].decision]))


def release_facts(problem_name: str, home: Home) -> "list[Release]":
    """The release log, newest first."""
    from ml_assets.registry import releases

    return releases(problem_named(problem_name), home)[::-1]


def print_releases(problem_name: str, found: "list[Release]", *, as_json: bool) -> None:
    """Print who answered from when, who moved it, and why."""
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.deployment,
            each.at,
            each.kind,
            each.from_version,
            each.to_version,
            each.who,
        )
        for each in found
    ]
    columns = ["deployment", "at", "kind", "from", "to", "who"]
    print_table(f"Releases of {problem_name}", columns, rows, empty="none yet")
    for each in found:
        say(f"{each.deployment}: {each.why}")


def roll_back(
    problem_name: str, home: Home, *, to: str | None, why: str, who: str, now: dt.datetime
) -> "Release":
    """Let the version answer again that answered before."""
    from ml_assets.registry import rollback

    problem = problem_named(problem_name)
    return rollback(problem, home, now=now, who=who, why=why, run_id=BY_HAND, to=to)


def promote(
    problem_name: str,
    home: Home,
    version: str,
    *,
    reason: str | None,
    who: str,
) -> "Decision":
    """Consider a version for promotion; with a reason, release it against the judgement."""
    from ml_assets.cli.clock import now
    from ml_assets.serving.releasing import consider_release

    return consider_release(
        problem_named(problem_name),
        home,
        version,
        clock=now,
        who=who,
        run_id=BY_HAND,
        reason=reason,
    )
