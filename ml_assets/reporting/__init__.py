"""What a version is worth, as one page that opens anywhere.

`report_of` gathers what the registry and the analysis know already; `pictures` draws it; `render`
makes one HTML file of both, which asks no other host for anything and needs no script. Nothing is
measured here: a number that nobody measured is reported as not measured.
"""

from ml_assets.reporting.card import Card, card_of
from ml_assets.reporting.keeping import keep_report, report_path
from ml_assets.reporting.page import render
from ml_assets.reporting.pictures import Picture, pictures
from ml_assets.reporting.report import Report, report_of
from ml_assets.reporting.timeline import Period, Station, timeline

__all__ = [
    "Card",
    "Period",
    "Picture",
    "Report",
    "Station",
    "card_of",
    "keep_report",
    "pictures",
    "render",
    "report_of",
    "report_path",
    "timeline",
]
