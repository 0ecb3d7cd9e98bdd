"""What a person sees of the analysis of a version in Dagster: its pictures, and where the report is."""

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.errors import InsufficientData
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.registry import ModelVersion


def analysed(
    problem: Problem, home: Home, version: "ModelVersion", *, now: dt.datetime
) -> Said:
    """Analyse a version, and show the pictures of its report.

    A version with too few test rows for an analysis is still measured and judged; that is said.
    """
    from ml_assets.analysis import analyse
    from ml_assets.reporting import pictures, timeline
    from ml_assets.reporting.drawing import standalone

    try:
        found = analyse(problem, home, version, now=now)
    except InsufficientData as error:
        return {"not_analysed": dg.MetadataValue.text(str(error))}
    return {
        f"picture_{name}": metadata.plot(standalone(one.svg), text=one.title)
        for name, one in pictures(found, timeline(problem, home)).items()
    }


def reported(problem: Problem, home: Home, version: str) -> Said:
    """Write the report of an analysed version, with what was decided about it, and say where it is."""
    from ml_assets.analysis import known_analysis
    from ml_assets.registry import version_named
    from ml_assets.reporting import keep_report, report_of

    found = version_named(problem, home, version)
    analysis = known_analysis(problem, home, found)
    if analysis is None:
        return {}
    report = report_of(problem, home, found, now=analysis.at, analysis=analysis)
    return {"report": dg.MetadataValue.path(str(keep_report(home, report)))}
