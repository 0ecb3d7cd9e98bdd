"""What the console asks for, and who may ask."""

import orjson
import pytest

from ml_assets.feedback import predictions_by_id
from ml_assets.feedback.history import newest_feedback
from ml_assets.serving.keys import make_key


@pytest.fixture
def ask(own_client, rows):
    """Asks about some rows and returns the answers."""

    def asked(count=10, query="", **changes):
        sent = [row | changes for row in rows[:count]]
        return own_client.post(f"/complaints/predict{query}", json=sent).json()["predictions"]

    return asked


def uncertain(answers):
    """Ids of answers that belong into the queue, in its order."""
    found = [(abs(each["prediction"] - 0.5), each["id"]) for each in answers]
    return [id_ for distance, id_ in sorted(found) if distance <= 0.25]


class TestPage:
    def test_is_where_a_browser_is_led_to(self, client):
        answer = client.get("/", headers={"accept": "text/html,*/*;q=0.8"})

        assert (answer.status_code, answer.headers["location"]) == (307, "console/")
        assert client.get("/").json()["problems"][0]["name"] == "complaints"
        assert client.get("/").headers["vary"] == "Accept"
        assert client.get("/console").headers["location"] == "console/"

    def test_lets_nothing_in_from_elsewhere(self, client):
        answer = client.get("/console/")

        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_is_not_sent_again_while_it_is_the_same(self, client):
        known = client.get("/console/console.js").headers["etag"]

        again = client.get("/console/console.js", headers={"if-none-match": known})

        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        "path", ["nothing.js", "__init__.py", "..%2f..%2ferrors.py", "%2e%2e"]
    )
    def test_has_no_other_files(self, client, path):
        assert client.get(f"/console/{path}").status_code in {404, 307}
        assert "MLAssetsError" not in client.get(f"/console/{path}").text


class TestOverview:
    def test_tells_versions_and_releases_newest_first(self, own_client, own_world):
        first = own_client.get("/complaints").json()["version"]
        second = own_world.release(own_world.register(1)).version

        told = own_client.get("/complaints/overview").json()

        assert told["champion"] == second
        assert [each["version"] for each in told["versions"]] == [second, first]
        assert [each["to_version"] for each in told["releases"]] == [second, first]
        assert told["releases"][0]["from_version"] == first
        assert told["releases"][0]["why"] == "test"

    def test_tells_of_versions_that_nobody_promoted(self, empty_world):
        version = empty_world.register().version

        with empty_world.served() as client:
            told = client.get("/complaints/overview").json()

        assert (told["champion"], told["answering"], told["evaluation"]) == (None, None, None)
        assert [each["version"] for each in told["versions"]] == [version]


class TestForm:
    def test_has_the_fields_that_are_known_with_the_categories_of_contract_and_model(
        self, client, world
    ):
        fields = {
            each["name"]: each for each in client.get("/complaints/form").json()["fields"]
        }

        assert list(fields) == world.problem.known_columns
        assert fields["issue"]["is_required"]
        assert not fields["complaint_id"]["is_required"]
        assert fields["consumer_complaint_narrative"]["is_prose"]
        assert (
            "Closed with explanation" in fields["company_response_to_consumer"]["suggestions"]
        )
        assert "CA" in fields["state"]["suggestions"]
        assert fields["timely_response"]["kind"] == "boolean"

    def test_begins_with_plausible_rows(self, client):
        first, second = (
            client.get(f"/complaints/rows/example?number={number}").json()["row"]
            for number in (1, 2)
        )

        assert first != second
        assert client.post("/complaints/predict?trial", json=first).status_code == 200

    def test_begins_with_the_newest_request(self, own_client, ask, rows):
        assert own_client.get("/complaints/rows/newest").status_code == 404
        ask(3)

        assert own_client.get("/complaints/rows/newest").json()["row"] == rows[2]


class TestQueue:
    def test_lists_uncertain_answers_in_pages(self, own_client, ask, rows):
        answers = ask(40)
        trials = ask(40, query="?trial")
        expected = uncertain(answers)

        first = own_client.get("/complaints/review?limit=3").json()
        rest = own_client.get(f"/complaints/review?limit=200&after={first['after']}").json()

        found = [each["id"] for each in first["waiting"] + rest["waiting"]]
        assert len(expected) > 3
        assert found == expected
        assert not {each["id"] for each in trials} & set(found)
        assert (first["left"], first["done_today"], rest["after"]) == (len(expected), 0, None)
        assert first["waiting"][0]["row"] in rows

    def test_takes_a_label_with_the_reviewer_as_its_source(self, own_client, own_world, ask):
        answer, *others = uncertain(ask(40))
        said = {"prediction_id": answer, "label": 1, "reviewer": "Ada"}

        receipt = own_client.post("/complaints/review", json=said).json()

        (told,) = newest_feedback(own_world.problem, own_world.home, limit=9)
        queue = own_client.get("/complaints/review?limit=200").json()
        assert receipt == {"taken": 1, "repeated": 0, "refused": []}
        assert (told.event.value, told.event.source) == (1.0, "review:Ada")
        assert [each["id"] for each in queue["waiting"]] == others
        assert queue["done_today"] == 1

    def test_takes_a_label_back(self, own_client, ask):
        everything = uncertain(ask(40))
        label = {"prediction_id": everything[0], "label": 1, "event_id": "in error"}
        own_client.post("/complaints/review", json=label)
        back = {"prediction_id": everything[0], "retraction": "in error"}
        own_client.post("/complaints/review", json=back)

        queue = own_client.get("/complaints/review?limit=200").json()

        assert [each["id"] for each in queue["waiting"]] == everything
        assert queue["done_today"] == 0

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("limit=many", "limit: 'many' is no whole number between 0 and 200"),
            ("limit=201", "between 0 and 200"),
            ("after=x", "after: 'x' is nothing that a page before ended with"),
        ],
    )
    def test_refuses_pages_that_there_are_not(self, client, query, words):
        answer = client.get(f"/complaints/review?{query}")

        assert answer.status_code == 422
        assert words in answer.json()["detail"]

    def test_refuses_a_name_that_is_none(self, client):
        said = {"prediction_id": "x", "label": 1, "reviewer": "\0"}

        answer = client.post("/complaints/review", json=said)

        assert answer.status_code == 422
        assert "reviewer: needs a text" in answer.json()["detail"]


class TestFeedback:
    def test_is_listed_in_pages_with_its_answers(self, own_client, own_world, ask):
        answers = ask(3)
        for each in answers:
            own_client.post(
                "/complaints/feedback", json={"prediction_id": each["id"], "label": 1}
            )

        first = own_client.get("/complaints/feedback?limit=2").json()
        rest = own_client.get(f"/complaints/feedback?before={first['before']}").json()

        told = first["events"] + rest["events"]
        assert [each["answer"]["id"] for each in told] == [each["id"] for each in answers[::-1]]
        assert told[0]["answer"]["prediction"] == answers[-1]["prediction"]
        assert told[0]["answer"]["ripe_at"] == "2027-01-19T08:00:00Z"
        assert (first["before"], rest["before"]) == (told[1]["sequence"], None)
        logged = predictions_by_id(own_world.problem, own_world.home, [told[0]["answer"]["id"]])
        assert len(logged) == 1

    def test_is_counted_by_week(self, own_client, ask):
        (answer,) = ask(1)
        own_client.post(
            "/complaints/feedback", json={"prediction_id": answer["id"], "label": 1}
        )

        told = own_client.get("/complaints/flywheel").json()

        assert len(told["weeks"]) == 12
        assert told["weeks"][-1] == {"begins_on": "2026-11-16", "labels": 1, "signs": 0}
        assert (told["batches"], told["cycles"], told["decision"]) == (0, [], None)


class TestStrangers:
    @pytest.mark.parametrize("path", ["predict", "feedback", "review"])
    @pytest.mark.parametrize(
        "sent_as", [None, "text/plain", "application/x-www-form-urlencoded"]
    )
    def test_cannot_send_anything_from_their_pages(self, client, rows, path, sent_as):
        headers = {"sec-fetch-site": "cross-site"}
        headers |= {"content-type": sent_as} if sent_as else {}

        body = orjson.dumps(rows[0])
        answer = client.post(f"/complaints/{path}", content=body, headers=headers)

        assert answer.status_code == 415

    def test_are_not_allowed_to_say_that_it_is_json(self, client):
        asking = {
            "origin": "https://evil.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }

        answer = client.options("/complaints/predict", headers=asking)

        assert answer.status_code == 405
        assert "access-control-allow-origin" not in answer.headers


class TestWithoutKeys:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "192.0.2.1", "["])
    def test_shows_rows_to_this_machine_only(self, client, host):
        answer = client.get("/complaints/review", headers={"host": host})

        assert answer.status_code == 403
        assert "Without keys, rows are shown to this machine only" in answer.json()["detail"]

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
    def test_shows_them_by_each_of_its_names(self, client, host):
        assert client.get("/complaints/review", headers={"host": host}).status_code == 200


class TestKeys:
    REVIEW = ("review", "feedback", "flywheel", "rows/newest")
    PREDICT = ("overview", "form", "rows/example")

    def test_say_who_may_see_what(self, own_world):
        keys = {
            role: {
                "authorization": f"Bearer {make_key(own_world.home, role, [role], now=own_world.clock())}"
            }
            for role in ("predict", "review")
        }

        with own_world.served(with_keys=True) as client:
            found = {
                (role, path): client.get(f"/complaints/{path}", headers=key).status_code
                for role, key in keys.items()
                for path in (*self.REVIEW, *self.PREDICT)
            }
            page = client.get("/console/").status_code

        refused = {place for place, status in found.items() if status == 403}
        assert page == 200
        assert refused == {("predict", path) for path in self.REVIEW} | {
            ("review", path) for path in self.PREDICT
        }

    def test_are_the_source_of_a_label(self, own_world, rows):
        now = own_world.clock()
        key = make_key(own_world.home, "ada", ["review", "predict"], now=now)
        header = {"authorization": f"Bearer {key}"}

        with own_world.served(with_keys=True) as client:
            answer = client.post("/complaints/predict", json=rows[0], headers=header).json()
            said = {"prediction_id": answer["id"], "label": 1, "reviewer": "Somebody else"}
            client.post("/complaints/review", json=said, headers=header)

        (told,) = newest_feedback(own_world.problem, own_world.home, limit=9)
        assert told.event.source == "review:ada"
