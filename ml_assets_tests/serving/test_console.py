"""The console, as a person uses it: in a real browser, with a real service behind it."""

import re
import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from loans import LOANS, NOW, draw, learned_from, with_config
from playwright.sync_api import expect

from ml_assets.analysis import analyse
from ml_assets.feedback import record_feedback
from ml_assets.feedback.events import feedback_event
from ml_assets.feedback.history import newest_feedback
from ml_assets.registry import champion, ensure_model, tables
from ml_assets.serving.app import application
from ml_assets.serving.keys import make_key
from ml_assets.serving.releasing import consider_release

CAREFUL = with_config(LOANS, promotion={"approval": "needs_approval"})
expect.set_options(timeout=20_000)  # a machine that does other things needs a while
HOSTILE = (
    """<script>window.broken = 1</script><img src=x onerror="window.broken = 2">
"quotes" & 'apostrophes' </p></main> {{7*7}} ${7*7} """
    + "and a text long enough to be prose. " * 4
)


def wait_until(condition, seconds=20):
    """Wait for something that the service does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def opened(browser, url, *, expected="status of 4", **options):
    """A page whose every unexpected complaint, and every request to another host, fails the test."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.go = lambda name: page.goto(f"{url}/console/#/complaints/{name}")
    yield page
    elsewhere = [each for each in page.asked if not each.startswith((url, "data:"))]
    refusals = [each for each in page.complaints if expected not in each]
    context.close()
    assert (elsewhere, refusals) == ([], [])


@pytest.fixture
def page(browser, own_client):
    with opened(browser, str(own_client.base_url).rstrip("/")) as page:
        yield page


@pytest.fixture
def answers(own_client, rows):
    """Forty logged answers, of which the queue has the uncertain ones."""
    return own_client.post("/complaints/predict", json=rows).json()["predictions"]


@pytest.fixture
def told(own_world):
    return lambda: newest_feedback(own_world.problem, own_world.home, limit=50)


def measure(world, version):
    """Record what a version is worth, as evaluating it does."""
    metrics = {"roc_auc": 0.719, "log_loss": 0.615}
    row = {
        "problem": "complaints",
        "version": version.version,
        "training_set": "t",
        "champion": None,
        "metrics_code": "c",
        "at": world.clock(),
        "rows": 1281,
        "kpi": {"value": 0.719, "low": 0.692, "high": 0.747, "confidence": 0.95, "rows": 1281},
        "metrics": {"test": metrics, "train": metrics, "baseline": {"roc_auc": 0.5}},
        "slices": [
            {"column": "state", "value": state, "rows": 200, "metrics": {"roc_auc": value}}
            for state, value in (("VA", 0.665), ("CA", 0.77))
        ],
    }
    with world.home.store.begin() as connection:
        connection.execute(sa.insert(tables.evaluations).values(row))


class TestModels:
    def test_show_the_champion_beside_the_baseline_and_its_worst_slice(
        self, page, own_world, own_client
    ):
        champion = own_world.release(own_world.register(1))
        measure(own_world, champion)
        wait_until(lambda: own_client.get("/complaints").json()["version"] == champion.version)

        page.go("models")

        champion = page.get_by_role("region", name="Champion")
        expect(champion).to_contain_text("Answers since 2026-11-20 08:00: forced by test.")
        expect(champion).to_contain_text("0.692 to 0.747 with 95 % confidence, 1,281 rows")
        expect(champion).to_contain_text("direct look-ups")
        expect(page.get_by_role("row", name="roc auc ↑")).to_contain_text("+0.219")
        slices = page.get_by_role("table", name="Slices of the champion").locator("tbody tr")
        expect(slices.first).to_contain_text("VA")
        expect(page.get_by_role("table", name="Versions").locator("tbody tr")).to_have_count(2)

    def test_say_that_the_champion_cannot_be_loaded(self, page, own_world, own_client):
        broken = own_world.register(1)
        model = own_world.home.artifacts.get(broken.artifact) / "model.skops"
        model.chmod(0o644)
        model.write_bytes(b"not a model")
        own_world.release(broken)

        wait_until(lambda: own_client.get("/ready").json()["failures"])

        page.go("models")

        expect(page.get_by_role("alert")).to_contain_text(f"{broken.version} cannot be loaded")
        expect(page.locator(".alert.warn")).to_contain_text("An older version answers")


class TestReport:
    def test_is_a_link_once_a_version_was_analysed(self, browser, home, rng, served):
        learned_from(LOANS, home, draw(1_500, rng))
        version = ensure_model(LOANS, home, now=NOW, run_id="r")
        analyse(LOANS, home, version, now=NOW)
        app = application(home, [LOANS], clock=lambda: NOW)

        with (
            served(app) as client,
            opened(browser, str(client.base_url), expected="status of 503") as page,
        ):
            page.goto(f"{client.base_url}/console/#/loans/models")
            with page.expect_popup() as popup:
                page.get_by_role("link", name=f"Report of {version.number}").click()

            report = popup.value
            expect(report.get_by_role("heading", name="Model card")).to_be_visible()
            expect(report).to_have_title(f"loans {version.number}: what the model is worth")

    def test_is_saved_as_a_file_where_a_key_is_needed(self, browser, home, rng, served):
        learned_from(LOANS, home, draw(1_500, rng))
        version = ensure_model(LOANS, home, now=NOW, run_id="r")
        analyse(LOANS, home, version, now=NOW)
        secret = make_key(home, "reader", ["predict"], now=NOW)
        app = application(home, [LOANS], clock=lambda: NOW, with_keys=True)

        with (
            served(app) as client,
            opened(
                browser,
                str(client.base_url),
                expected="status of 503",
                accept_downloads=True,
            ) as page,
        ):
            page.add_init_script(f"sessionStorage.setItem('ml_assets.key', '{secret}')")
            page.goto(f"{client.base_url}/console/#/loans/models")
            with page.expect_download() as download:
                page.get_by_role("link", name=f"Report of {version.number}").click()

            assert download.value.suggested_filename == f"loans-{version.number}.html"
            assert "Model card" in download.value.path().read_text()


class TestApproval:
    def test_lets_a_person_release_what_waits_for_it(self, browser, home, rng, served):
        learned_from(CAREFUL, home, draw(1_500, rng))
        version = ensure_model(CAREFUL, home, now=NOW, run_id="r")
        consider_release(CAREFUL, home, version, clock=lambda: NOW, who="a", run_id="r")

        app = application(home, [CAREFUL], clock=lambda: NOW)
        unready = "status of 503"  # while nobody answers, the service is not ready
        with (
            served(app) as client,
            opened(browser, str(client.base_url), expected=unready) as page,
        ):
            page.goto(f"{client.base_url}/console/#/loans/models")
            waits = page.get_by_role("region", name="Waits for you")
            waits.get_by_label("Your name").fill("Grace")
            waits.get_by_label("Why").fill("looked at the slices")
            waits.get_by_role("button", name="Approve").click()

            answering = page.get_by_role("region", name="Champion")
            expect(answering).to_contain_text("promotion by Grace")
        assert champion(CAREFUL, home).version == version.version


class TestTry:
    @pytest.fixture
    def example(self, page):
        page.go("try")
        page.get_by_role("button", name="Example row").click()
        expect(page.locator("#answer")).to_have_text(re.compile(r"^0\.\d"))
        return page

    def test_answers_a_row_as_the_service_does(self, example, own_client):
        row = own_client.get("/complaints/rows/example?number=0").json()["row"]

        answer = own_client.post("/complaints/predict?trial", json=row).json()

        assert float(example.locator("#answer").inner_text()) == round(answer["prediction"], 3)

    def test_shows_what_one_changed_field_does(self, example):
        before = example.locator("#answer").inner_text()

        example.get_by_label("company response to consumer").fill("Closed with monetary relief")

        expect(example.locator(".difference .before")).to_have_text(before)
        after = example.locator(".difference .after").inner_text()
        delta = example.locator(".delta").inner_text().replace("\N{MINUS SIGN}", "-")
        assert after != before
        assert float(delta) == pytest.approx(float(after) - float(before), abs=0.0011)
        changes = example.locator(".changes li")
        expect(changes).to_have_count(1)
        expect(changes).to_contain_text("Closed with monetary relief")

        example.get_by_role("button", name="Undo the change").click()

        expect(example.locator(".difference")).to_have_count(0)
        expect(example.locator("#answer")).to_have_text(before)

    def test_predicts_with_enter_and_names_the_field_that_is_wrong(self, page):
        page.go("try")
        state = page.get_by_label("state", exact=True)
        state.fill("California")
        state.press("Enter")

        expect(page.locator("#field-state-error")).to_contain_text("must look like")
        expect(state).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#field-issue-error")).to_have_text("is missing")

        page.get_by_label("issue", exact=False).first.fill(
            "Incorrect information on credit report"
        )
        page.get_by_label("date received").fill("2015-03-01")
        state.fill("CA")
        state.press("Enter")

        expect(page.locator("#answer")).to_have_text(re.compile(r"^0\.\d"))
        expect(page.locator("#field-state-error")).to_be_empty()

    @pytest.mark.usefixtures("example")
    def test_is_logged_as_what_nobody_acted_upon(self, own_client):
        assert own_client.get("/complaints/review").json()["left"] == 0


class TestReview:
    def left(self, page):
        return int(page.locator("#left").inner_text())

    @pytest.mark.usefixtures("answers")
    def test_records_a_label_and_goes_on(self, page, told, own_client):
        first, second = (
            each["id"]
            for each in own_client.get("/complaints/review?limit=2").json()["waiting"]
        )
        page.go("review")
        page.get_by_label("Your name").fill("Ada")
        left = self.left(page)

        page.get_by_role("button", name="Yes").click()

        expect(page.locator("#left")).to_have_text(str(left - 1))
        expect(page.locator("#done")).to_have_text("1")
        expect(page.locator("aside code").last).to_have_text(second)
        (event,) = (each.event for each in told())
        assert (event.prediction_id, event.value, event.source) == (first, 1.0, "review:Ada")
        page.reload()
        expect(page.locator("aside code").last).to_have_text(second)

    @pytest.mark.usefixtures("answers")
    def test_goes_by_keys_and_takes_the_last_one_back(self, page, told, own_client):
        first, second, third = (
            each["id"]
            for each in own_client.get("/complaints/review?limit=3").json()["waiting"]
        )
        shown = page.locator("aside code").last
        page.go("review")
        expect(shown).to_have_text(first)

        page.keyboard.press("n")
        expect(shown).to_have_text(second)
        page.keyboard.press("s")
        expect(shown).to_have_text(third)
        page.keyboard.press("u")
        expect(shown).to_have_text(second)
        page.keyboard.press("u")
        expect(shown).to_have_text(first)

        newest, label = told()
        assert (label.event.value, label.is_taken_back) == (0.0, True)
        assert newest.event.kind == "retraction"
        waiting = own_client.get("/complaints/review").json()["waiting"]
        assert waiting[0]["id"] == first

    @pytest.mark.usefixtures("answers")
    def test_does_not_take_what_is_typed_for_a_label(self, page, told):
        page.go("review")

        page.get_by_label("Your name").press_sequentially("Yann")

        assert told() == []

    @pytest.mark.usefixtures("answers")
    def test_reaches_the_end_of_the_queue(self, page, told, own_client):
        waiting = own_client.get("/complaints/review?limit=200").json()["left"]
        page.go("review")
        for left in range(waiting, 0, -1):
            expect(page.locator("#left")).to_have_text(str(left))
            page.keyboard.press("y")

        expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
        assert len(told()) == waiting

    @pytest.mark.usefixtures("answers")
    def test_opens_a_row_in_try(self, page):
        page.go("review")
        page.get_by_role("button", name="Open in Try").click()

        expect(page.locator("h1")).to_have_text("Try a prediction")
        expect(page.locator("#answer")).to_be_visible()

    def test_shows_hostile_text_as_text(self, page, own_client, rows):
        hostile = {"consumer_complaint_narrative": HOSTILE, "company": "<b>Bold & Sons</b>"}
        sent = [row | hostile for row in rows]
        own_client.post("/complaints/predict", json=sent)

        page.go("review")

        expect(page.locator("#row .prose p")).to_have_text(HOSTILE, use_inner_text=False)
        expect(page.locator("#row")).to_contain_text("<b>Bold & Sons</b>")
        assert page.locator("#row :is(script, img, b)").count() == 0
        page.get_by_role("button", name="Open in Try").click()
        expect(page.get_by_label("company", exact=True)).to_have_value("<b>Bold & Sons</b>")
        assert page.evaluate("window.broken") is None


class TestFeedback:
    def test_is_listed_with_its_answer_and_counted(self, page, answers, own_world):
        for place, answer in enumerate(answers[:3]):
            sent = {"prediction_id": answer["id"], "label": place % 2}
            event = feedback_event(
                own_world.problem, sent, source="file:<i>.csv", now=own_world.clock()
            )
            record_feedback(own_world.home, [event])

        page.go("feedback")

        rows = page.locator("table.flow tbody tr:not(.detail)")
        expect(rows).to_have_count(3)
        expect(rows.first).to_contain_text("file:<i>.csv")
        expect(rows.first).to_contain_text("can be sealed from 2027-01-19")
        expect(page.locator(".tile").first).to_contain_text("3 labels this week")
        expect(page.locator("figure.bars svg")).to_have_attribute(
            "aria-label", re.compile("2026-11-16: 3 labels")
        )
        rows.first.get_by_role("button", name="row").click()
        expect(page.locator(".detail").first).to_contain_text(answers[2]["id"])

    def test_says_what_to_do_where_there_is_none(self, page):
        page.go("feedback")

        expect(page.locator("main")).to_contain_text("POST /complaints/feedback")


class TestKey:
    def test_is_asked_for_once_and_kept_in_the_tab(self, browser, own_world):
        key = make_key(own_world.home, "ada", ["predict"], now=own_world.clock())

        with (
            own_world.served(with_keys=True) as client,
            opened(browser, str(client.base_url).rstrip("/")) as page,
        ):
            page.go("try")
            expect(page.get_by_role("dialog")).to_contain_text("ml-assets keys add NAME")
            page.get_by_label("API key", exact=True).fill("mla_wrong")
            page.keyboard.press("Enter")
            expect(page.get_by_role("dialog")).to_contain_text("unknown, or was revoked")
            page.get_by_label("API key", exact=True).fill(key)
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Example row").click()
            expect(page.locator("#answer")).to_be_visible()
            page.go("review")
            expect(page.get_by_role("alert")).to_contain_text(
                "The key of ada allows predict; needed is review."
            )
            kept = page.evaluate("Object.keys(localStorage).length")

        assert kept == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["models", "try", "review", "feedback"])
@pytest.mark.usefixtures("answers")
def test_fits_a_telephone(browser, own_client, name, scheme):
    url = str(own_client.base_url).rstrip("/")
    size = {"width": 360, "height": 740}

    with opened(browser, url, viewport=size, color_scheme=scheme) as page:
        page.go(name)
        expect(page.locator("h1")).to_be_visible()

        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("answers")
def test_has_text_that_stands_out_from_its_ground(browser, own_client, scheme):
    with opened(browser, str(own_client.base_url).rstrip("/"), color_scheme=scheme) as page:
        page.go("review")
        expect(page.locator("#row")).to_be_visible()

        ratios = page.evaluate(CONTRAST)

    assert ratios
    assert min(ratios.values()) >= 4.5, ratios


CONTRAST = """() => {
  const channel = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.map((v) => channel(v / 255)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const read = (css) => css.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const ground = (e) => { const c = getComputedStyle(e).backgroundColor; return /, 0\\)$/.test(c) && e.parentElement ? ground(e.parentElement) : c; };
  const found = {};
  for (const e of document.querySelectorAll("h1, p, dt, dd, strong, button:enabled, nav a, label, code")) {
    if (!e.textContent.trim() || !e.getClientRects().length) continue;
    const [a, b] = [light(read(getComputedStyle(e).color)), light(read(ground(e)))].sort((x, y) => y - x);
    found[`${e.tagName} ${e.className} ${e.textContent.slice(0, 20)}`] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""
"""How far text is from its ground, as WCAG 2 measures it."""
