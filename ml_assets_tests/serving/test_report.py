"""The report as the service gives it, and as a browser shows it with no network at all."""

import numpy as np
import pytest
from reported import PEOPLE, Reported, people_rows

from ml_assets.reporting import keep_report
from ml_assets.serving.app import application
from ml_assets.serving.keys import make_key
from ml_assets.storage import Home

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("reported"), environment={})
    return Reported(PEOPLE, home, people_rows(1_200, np.random.default_rng(0)))


@pytest.fixture
def path(reported):
    return f"/loans/versions/{reported.version.number}/report"


def app_of(reported, **options):
    return application(reported.home, [reported.problem], clock=lambda: reported.now, **options)


class TestService:
    def test_gives_the_page_with_a_policy_that_lets_nothing_run(self, reported, path, served):
        with served(app_of(reported)) as client:
            answer = client.get(path)

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith(POLICY)
        assert reported.version.version in answer.text

    def test_asks_for_a_key_that_may_predict(self, reported, path, served):
        secret = make_key(reported.home, "reader", ["predict"], now=reported.now)

        with served(app_of(reported, with_keys=True)) as client:
            without = client.get(path)
            with_key = client.get(path, headers={"Authorization": f"Bearer {secret}"})

        assert (without.status_code, with_key.status_code) == (401, 200)

    def test_says_how_to_analyse_what_was_not_analysed_yet(self, client):
        version = client.get("/complaints").json()["version"]

        answer = client.get(f"/complaints/versions/{version}/report")

        assert answer.status_code == 404
        assert "ml-assets report complaints --version" in answer.json()["detail"]

    def test_knows_no_version_that_there_is_not(self, client):
        assert client.get("/complaints/versions/9.9.9/report").status_code == 404


@pytest.fixture
def shown(browser, reported, tmp_path):
    """Opens the file in a window without network; what it complains about fails the test."""
    file = keep_report(reported.home, reported.report, tmp_path / "report.html")
    asked, complaints, contexts = [], [], []

    def show(**options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert set(asked) == {file.as_uri()}
    assert complaints == []


class TestBrowser:
    def test_shows_it_in_light_and_in_dark(self, shown):
        papers = [
            shown(color_scheme=scheme).evaluate(
                "getComputedStyle(document.body).backgroundColor"
            )
            for scheme in ("light", "dark")
        ]

        assert papers == ["rgb(246, 247, 246)", "rgb(19, 23, 22)"]

    def test_needs_no_sideways_scrolling_on_a_telephone(self, shown):
        page = shown(viewport={"width": 375, "height": 700})

        assert page.evaluate("document.documentElement.scrollWidth") == 375

    def test_prints_what_is_folded_on_the_screen(self, shown):
        page = shown(color_scheme="dark")
        folded = page.locator("details:not([open]) table").first

        hidden = folded.is_visible()
        page.emulate_media(media="print")

        assert (hidden, folded.is_visible()) == (False, True)
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 33, 31)"
        assert page.pdf(format="A4").startswith(b"%PDF")

    def test_runs_nothing_that_the_data_says(self, shown):
        page = shown()

        assert page.evaluate("window.broken") is None
        assert page.get_by_text("<script>window.broken = 1</script>").count() > 0
