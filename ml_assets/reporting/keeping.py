"""Where the reports of a home are kept: one HTML file for each version, written anew when asked for."""

from pathlib import Path

from ml_assets.errors import StorageError
from ml_assets.reporting.page import render
from ml_assets.reporting.report import Report
from ml_assets.storage import Home

FOLDER = "reports"


def report_path(home: Home, problem: str, version: str) -> Path:
    """The file of a version's report in its home."""
    return home.path / FOLDER / problem / f"{version}.html"


def keep_report(home: Home, report: Report, to: Path | None = None) -> Path:
    """Write the page; a file that is there already is replaced whole.

    Args:
        home: Whose folder of reports it goes to.
        report: The facts.
        to: Another file instead.

    Raises:
        StorageError: If the file cannot be written.
    """
    path = to or report_path(home, report.card.problem, report.card.version)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render(report), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"The report cannot be written to {path}: {error.strerror}. Name another file with --to."
        ) from error
    return path
