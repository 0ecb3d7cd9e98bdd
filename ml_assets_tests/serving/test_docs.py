"""The page that describes the service, in a real browser."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, client):
    """The page, and what it asked for and complained about."""
    page = browser.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(f"{client.base_url}/docs")
    page.wait_for_selector("h2")
    yield page
    page.close()


def test_lists_every_path_and_needs_nothing_from_elsewhere(page, client):
    described = client.get("/openapi.json").json()["paths"]

    listed = page.locator("details.path summary code").all_inner_texts()

    assert sorted(listed) == sorted(path for path, each in described.items() for _ in each)
    assert [url for url in page.asked if not url.startswith(str(client.base_url))] == []
    assert page.complaints == []


def test_sends_the_example_and_shows_the_answer(page):
    path = page.locator("details.path", has_text="Predict:")
    path.locator("summary").click()
    path.get_by_role("button", name="Send").click()

    answer = path.locator("form pre:not([hidden])").inner_text()

    assert '"prediction": 0.' in answer
    assert '"decision":' in answer
    assert page.complaints == []


def test_shows_a_refusal_as_one(page):
    path = page.locator("details.path", has_text="Predict:")
    path.locator("summary").click()
    path.get_by_label("body").fill('{"issue": ""}')
    path.get_by_role("button", name="Send").click()

    path.locator("p.wrong", has_text="422").wait_for()

    assert "issue: is missing" in path.locator("form pre").inner_text()
