"""What Dagster shows of an analysis: the pictures beside the metrics, the page beside the champion."""

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from quick import GOOD


@pytest.fixture(scope="module")
def run(deployed):
    with deployed() as deployment:
        deployment.deliver(*GOOD)
        yield deployment.refresh(GOOD)


def shown_of(run, noun):
    (found,) = run.asset_materializations_for_node(f"complaints__{noun}")
    return found.metadata


def test_metrics_show_the_pictures_of_the_report(run):
    shown = shown_of(run, "metrics")

    drawn = {name: each.value for name, each in shown.items() if name.startswith("picture_")}
    assert {"picture_roc", "picture_calibration", "picture_importance"} <= set(drawn)
    for markdown in drawn.values():
        (encoded,) = re.findall(r"data:image/svg\+xml;base64,([^)]+)", markdown)
        assert ET.fromstring(base64.b64decode(encoded)).tag.endswith("svg")
        assert len(markdown) < 70_000


def test_the_champion_leads_to_the_report_with_its_decision(run):
    shown = shown_of(run, "champion")

    page = Path(shown["report"].value).read_text()
    assert "<h2>Model card</h2>" in page
    assert f"Release: {shown['outcome'].value}" in page
