"""What Dagster shows of an analysis: its pictures, and the page with what was decided."""

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import dagster as dg
import pytest

from ml_assets.defs.instance import dagster_home


@pytest.fixture
def shown(trained):
    """Metadata of the newest materialization of an asset."""
    with dg.DagsterInstance.from_config(str(dagster_home(trained.path))) as instance:
        yield (
            lambda noun: (
                instance.get_latest_materialization_event(
                    dg.AssetKey(["complaints", noun])
                ).asset_materialization.metadata
            )
        )


def test_the_analysis_shows_the_pictures_of_the_report(shown):
    said = shown("analysis")

    drawn = {name: each.value for name, each in said.items() if name.startswith("picture_")}
    assert {"picture_roc", "picture_calibration", "picture_importance"} <= set(drawn)
    for markdown in drawn.values():
        (encoded,) = re.findall(r"data:image/svg\+xml;base64,([^)]+)", markdown)
        assert ET.fromstring(base64.b64decode(encoded)).tag.endswith("svg")
        assert len(markdown) < 70_000


def test_it_leads_to_the_report_with_what_was_decided(shown):
    page = Path(shown("analysis")["report"].value).read_text()

    assert "<h2>Model card</h2>" in page
    assert f"Release: {shown('champion')['outcome'].value}" in page
