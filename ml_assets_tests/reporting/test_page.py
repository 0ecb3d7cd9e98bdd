"""The report as a page: whole, self-contained, and harmless whatever the data says."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reported import HOSTILE, unmeasured

from ml_assets.reporting import keep_report, pictures, render, report_path
from ml_assets.reporting.drawing import Scale, standalone

VOID = {"meta", "br", "img", "link", "hr", "input"}
LOADING = {"src", "srcset", "data", "action", "poster", "background"}
MOST_BYTES = 500_000
MOST_PICTURE_BYTES = 50_000


class Page(HTMLParser):
    """Reads a page, and remembers what is in it."""

    def __init__(self, text):
        super().__init__()
        self.opened, self.wrong, self.tags, self.links, self.words = [], [], set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        names = {name for name, _ in attributes}
        self.wrong += [name for name in names if name in LOADING or name.startswith("on")]
        self.links += [value for name, value in attributes if name in ("href", "xlink:href")]
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.opened or self.opened.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def html(reported):
    return render(reported.report)


class TestPage:
    def test_is_well_formed_and_small(self, html):
        page = Page(html)

        assert (page.opened, page.wrong) == ([], [])
        assert len(html.encode()) < MOST_BYTES

    def test_asks_nobody_for_anything_and_runs_nothing(self, html):
        page = Page(html)

        assert page.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form"})
        assert all(link.startswith("#") for link in page.links)
        assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html) == []

    def test_leads_only_to_sections_that_there_are(self, html):
        page = Page(html)

        missing = [link for link in page.links if f'id="{link[1:]}"' not in html]
        assert page.links
        assert missing == []

    def test_has_a_section_for_everything(self, html):
        titles = re.findall(r"<h2>(.*?)</h2>", html)

        assert {
            "Model card",
            "Metrics",
            "Learning",
            "Slices, worst first",
            "Fairness by group",
            "Importance of features",
            "What if: an example",
            "Versions over time",
            "Decisions and releases",
        } <= set(titles)

    def test_shows_every_metric_with_its_interval_and_the_baseline(self, reported, html):
        text = Page(html).text

        for one in reported.report.analysis.metrics:
            assert one.name.replace("_", " ") in text
        assert "baseline" in text

    def test_is_the_same_text_for_the_same_facts(self, reported, html):
        assert render(reported.report) == html


class TestPictures:
    def test_are_well_formed_and_fit_into_metadata(self, reported):
        drawn = pictures(reported.report.analysis, reported.report.timeline)

        for picture in drawn.values():
            svg = standalone(picture.svg)
            assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
            assert len(svg) < MOST_PICTURE_BYTES

    def test_are_those_of_the_kind(self, people, prices):
        of_people = set(pictures(people.report.analysis, people.report.timeline))
        of_prices = set(pictures(prices.report.analysis, prices.report.timeline))

        assert of_people - of_prices == {"roc", "precision_recall", "calibration", "cost"}
        assert of_prices - of_people == {"scatter", "by_size"}

    def test_stay_inside_their_frame(self, reported):
        drawn = pictures(reported.report.analysis, reported.report.timeline)

        for picture in drawn.values():
            root = ET.fromstring(picture.svg)
            width, height = (float(root.get(name)) for name in ("width", "height"))
            for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
                assert 0 <= float(circle.get("cx")) <= width
                assert 0 <= float(circle.get("cy")) <= height


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.55, 0.71, [0.55, 0.6, 0.65, 0.7]),
        (-3, 900, [0, 200, 400, 600, 800]),
        (2, 2, []),
    ],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert Scale(low, high, 0, 100).ticks() == pytest.approx(ticks)


class TestHostileText:
    def test_stays_text_on_the_page(self, people):
        html = render(people.report)

        page = Page(html)
        assert HOSTILE in page.text
        assert page.tags.isdisjoint({"script", "img"})
        assert HOSTILE not in html

    def test_stays_text_in_pictures(self, people):
        slices = pictures(people.report.analysis)["slices"].svg

        titles = [
            each.text for each in ET.fromstring(slices).iter() if each.tag.endswith("title")
        ]
        assert any(HOSTILE in text for text in titles)


class TestWhatIsNotThere:
    def test_is_called_not_measured(self, reported):
        bare = unmeasured(reported.report)

        page = Page(render(bare))

        assert (page.opened, page.wrong) == ([], [])
        assert page.text.lower().count("not measured") > 8
        assert "not considered yet" in page.text

    def test_has_no_picture(self, reported):
        bare = unmeasured(reported.report)

        assert set(pictures(bare.analysis, bare.timeline)) == {"timeline"}


def test_a_report_is_kept_beside_the_home_and_replaced(people, tmp_path):
    first = keep_report(people.home, people.report)
    again = keep_report(people.home, people.report)
    elsewhere = keep_report(people.home, people.report, tmp_path / "new" / "page.html")

    card = people.report.card
    assert first == again == report_path(people.home, card.problem, card.version)
    assert first.read_text() == elsewhere.read_text() == render(people.report)
    assert [path.name for path in Path(first.parent).iterdir()] == [first.name]
