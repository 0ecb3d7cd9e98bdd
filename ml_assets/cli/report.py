"""`ml-assets report`: the page about one version, and its facts."""

import datetime as dt
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.cli.bars import shown_progress
from ml_assets.cli.printing import console, print_json, say
from ml_assets.problem import problem_named
from ml_assets.registry import version_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.reporting import Report


def read_report(
    problem_name: str, home: Home, version: str | None, *, now: dt.datetime
) -> "Report":
    """Gather the facts of a version; by default the champion, or the newest.

    A version that nobody analysed yet is analysed, which takes a while.
    """
    from ml_assets.analysis import analyse, known_analysis
    from ml_assets.cli.analysis import present
    from ml_assets.reporting import report_of

    problem = problem_named(problem_name)
    found = version_named(problem, home, version or present(problem, home))
    analysis = known_analysis(problem, home, found)
    if analysis is None:
        with shown_progress():
            analysis = analyse(problem, home, found, now=now)
    return report_of(problem, home, found, now=now, analysis=analysis)


def give_report(
    home: Home, report: "Report", *, to: Path | None, is_opened: bool, as_json: bool
) -> None:
    """Print the facts, or write the page, say where it is, and show it where that is wanted."""
    if as_json:
        print_json(report)
        return
    from ml_assets.reporting import keep_report

    path = keep_report(home, report, to)
    say(
        f"{report.title} ({report.card.version}): {path} ({path.stat().st_size / 1000:,.0f} kB)"
    )
    if is_opened and not webbrowser.open(path.resolve().as_uri()):
        console().print("No browser could be started; open the file yourself.")
