"""The prediction service, asked as a client asks it."""

import re
import time

import orjson
import pytest
from loans import LOANS

from ml_assets.feedback import predictions_by_id
from ml_assets.inference import load_predictor
from ml_assets.serving.app import application
from ml_assets.serving.keys import make_key, revoke_keys
from ml_assets.serving.reading import Limits

PROBLEM_JSON = "application/problem+json"


def wait_until(condition, seconds=10):
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def assert_refused(response, status, words):
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM_JSON
    body = response.json()
    assert body["status"] == status
    assert words in body["detail"]
    assert "Traceback" not in response.text
    return body


class TestPredict:
    def test_answers_one_row_as_the_embedded_model_does(self, client, world, rows):
        model = load_predictor(world.problem, world.home)

        answer = client.post("/complaints/predict", json=rows[0]).json()

        assert answer["prediction"] == model.predict([rows[0]])[0].value
        assert answer["decision"] is (answer["prediction"] >= 0.5)
        assert answer["version"] == model.version
        assert answer["at"] == "2026-11-20T08:00:00Z"

    def test_answers_many_rows_in_their_order(self, client, world, rows):
        model = load_predictor(world.problem, world.home)

        answer = client.post("/complaints/predict", json=rows * 3).json()

        found = [each["prediction"] for each in answer["predictions"]]
        assert found == pytest.approx([each.value for each in model.predict(rows * 3)])

    def test_answers_a_lone_row_as_one_among_many(self, client, rows):
        alone = [client.post("/complaints/predict", json=row) for row in rows]
        together = client.post("/complaints/predict", json=rows).json()["predictions"]

        assert {each.headers["content-type"] for each in alone} == {"application/json"}
        kept = [each.json() for each in alone]
        assert len({each.pop("id") for each in kept}) == len(rows)
        assert {(each.pop("problem"), each.pop("at")) for each in kept} == {
            ("complaints", "2026-11-20T08:00:00Z")
        }
        versions = {each.pop("version") for each in kept}
        assert len(versions) == 1
        for each, other in zip(kept, together, strict=True):
            other.pop("id")
            assert each == other | {"prediction": pytest.approx(other["prediction"])}

    def test_answers_no_rows(self, client):
        assert client.post("/complaints/predict", json=[]).json()["predictions"] == []

    def test_has_every_answer_in_the_log_before_the_client_has_it(self, client, world, rows):
        sent = rows[0] | {"zip_code": "94016", "consumer_disputed": "Yes"}

        answer = client.post("/complaints/predict", json=sent).json()

        (logged,) = predictions_by_id(world.problem, world.home, [answer["id"]]).values()
        assert logged.prediction == answer["prediction"]
        assert logged.model_version == answer["version"]
        assert logged.exposed
        assert orjson.loads(logged.input) == rows[0]

    def test_logs_a_trial_as_one_that_nobody_saw(self, client, world, rows):
        answer = client.post("/complaints/predict?trial", json=rows[0]).json()

        (logged,) = predictions_by_id(world.problem, world.home, [answer["id"]]).values()
        assert not logged.exposed

    def test_tells_what_the_model_read_when_it_is_asked(self, client, rows):
        answer = client.post(
            "/complaints/predict?features", json=rows[0] | {"state": None}
        ).json()

        assert answer["features"]["state"] == "unknown"

    def test_answers_by_the_version_that_is_named(self, client, world, rows):
        other = world.register(1)

        path = f"/complaints/versions/{other.version}/predict"
        answer = client.post(path, json=rows[0]).json()

        model = load_predictor(world.problem, world.home, other.version)
        assert answer["version"] == other.version
        assert answer["prediction"] == model.predict([rows[0]])[0].value
        assert (
            answer["prediction"]
            != client.post("/complaints/predict", json=rows[0]).json()["prediction"]
        )


class TestRefusals:
    def test_name_row_field_rule_and_value(self, client, rows):
        sent = [rows[0], rows[1] | {"state": "California"}]

        response = client.post("/complaints/predict", json=sent)

        body = assert_refused(response, 422, "1 of 2 rows cannot be predicted")
        assert [(each["row"], each["field"], each["value"]) for each in body["errors"]] == [
            (1, "state", "'California'")
        ]

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            (b"{", 400, "not JSON"),
            (b"", 400, "not JSON"),
            (b"\xff", 400, "not JSON"),
            (b"3", 422, "Send one object, or an array of objects; number 0 is a number"),
            (b"[[]]", 422, "is an array"),
            (b"[null]", 422, "is null"),
            (b'{"product": [1]}', 422, "product: is not one text"),
            (b'{"product": NaN}', 400, "not JSON"),
        ],
    )
    def test_say_what_is_wrong_with_a_body(self, client, body, status, words):
        response = client.post(
            "/complaints/predict", content=body, headers={"content-type": "application/json"}
        )

        assert_refused(response, status, words)

    def test_want_json(self, client):
        response = client.post(
            "/complaints/predict", content=b"<row/>", headers={"content-type": "text/xml"}
        )

        assert_refused(response, 415, "The body is text/xml; send application/json")

    def test_name_the_problems_and_versions_there_are(self, client, rows):
        assert_refused(
            client.post("/complaint/predict", json=rows[0]), 404, "served are complaints"
        )
        path = "/complaints/versions/9.9.9/predict"
        assert_refused(client.post(path, json=rows[0]), 404, "no model '9.9.9'")

    def test_point_to_the_description_on_other_paths_and_methods(self, client):
        assert_refused(client.get("/nothing/at/all"), 404, "see /openapi.json")
        response = client.put("/complaints/predict")
        assert_refused(response, 405, "see /openapi.json")
        assert response.headers["allow"] == "POST"

    def test_keep_within_limits(self, world, rows):
        with world.served(limits=Limits(body_bytes=2_000, rows=2)) as client:
            small = {
                name: value for name, value in rows[0].items() if value and len(value) < 60
            }

            assert client.post("/complaints/predict", json=[small]).status_code == 200
            refused = client.post("/complaints/predict", json=[small] * 3)
            assert_refused(refused, 413, "3 rows in one request, at most 2")
            refused = client.post("/complaints/predict", json=small | {"company": "x" * 2_000})
            assert_refused(refused, 413, "more than 2,000 bytes")

            def endless():
                while True:
                    yield b" " * 500

            refused = client.post(
                "/complaints/predict",
                content=endless(),
                headers={"content-type": "application/json"},
            )
            assert_refused(refused, 413, "more than 2,000 bytes")

    def test_say_that_there_is_no_champion_yet(self, empty_world, rows):
        with empty_world.served() as client:
            assert_refused(client.post("/complaints/predict", json=rows[0]), 404, "no champion")
            assert_refused(client.get("/ready"), 503, "No version answers yet for complaints")
            assert client.get("/health").json() == {"status": "alive"}

    def test_do_not_wait_for_a_problem_without_one_while_another_answers(
        self, own_world, served
    ):
        app = application(own_world.home, [own_world.problem, LOANS], clock=own_world.clock)

        with served(app) as client:
            answer = client.get("/ready")

        assert answer.status_code == 200
        assert answer.json()["without_champion"] == ["loans"]


class TestFeedback:
    def test_goes_by_the_id_of_a_prediction(self, client, rows):
        answer = client.post("/complaints/predict", json=rows[0]).json()
        event = {"prediction_id": answer["id"], "label": 1}

        first = client.post("/complaints/feedback", json=event)
        again = client.post("/complaints/feedback", json=[event])

        assert first.json() == {"taken": 1, "repeated": 0, "refused": []}
        assert again.json() == {"taken": 0, "repeated": 1, "refused": []}

    def test_takes_what_it_can_of_many_and_names_the_others(self, client, rows):
        answer = client.post("/complaints/predict", json=rows[0]).json()
        unknown = "01a1f640-bc00-7000-8000-000000000000"
        events = [{"prediction_id": each, "label": "Yes"} for each in (answer["id"], unknown)]

        receipt = client.post("/complaints/feedback", json=events).json()

        assert receipt["taken"] == 1
        assert [each["prediction_id"] for each in receipt["refused"]] == [unknown]

    def test_refuses_an_unknown_prediction(self, client):
        event = {"prediction_id": "01a1f640-bc00-7000-8000-000000000000", "label": 1}

        response = client.post("/complaints/feedback", json=event)

        assert_refused(response, 404, "no prediction has the id 01a1f640")

    def test_names_the_field_that_is_wrong(self, client):
        response = client.post("/complaints/feedback", json={"prediction_id": "x", "lable": 1})

        assert_refused(response, 422, "lable: unknown field; did you mean 'label'?")


class TestExplain:
    def test_says_what_answers_since_when_and_what_made_it(self, client, world):
        told = client.get("/complaints").json()

        assert told["version"] == load_predictor(world.problem, world.home).version
        assert told["number"] == "1.0.0"
        assert told["ways"] == {"contract": None, "features": None, "model": None}
        assert [release["why"] for release in told["releases"]] == ["test"]
        assert told["manifest"]["signature"]["target"] == "consumer_disputed"

    def test_lists_versions_newest_first(self, client, world):
        other = world.register(1)

        told = client.get("/complaints/versions").json()["versions"]

        assert told[0]["version"] == other.version
        assert client.get(f"/complaints/versions/{other.version}").json()["releases"] == []

    def test_lists_problems(self, client):
        (told,) = client.get("/").json()["problems"]

        assert told["name"] == "complaints"
        assert told["failure"] is None


class TestHotSwap:
    def test_follows_the_champion_within_two_seconds(self, own_client, own_world, rows):
        first = own_client.post("/complaints/predict", json=rows[0]).json()["version"]
        other = own_world.release(own_world.register(1))

        started = time.monotonic()
        wait_until(
            lambda: (
                own_client.post("/complaints/predict", json=rows[0]).json()["version"]
                == other.version
            )
        )

        assert first != other.version
        assert time.monotonic() - started < 10  # 2 on a machine that does nothing else

    def test_goes_on_with_the_old_one_when_a_bundle_cannot_be_used(
        self, own_client, own_world, rows
    ):
        first = own_client.post("/complaints/predict", json=rows[0]).json()["version"]
        broken = own_world.register(1)
        model = own_world.home.artifacts.get(broken.artifact) / "model.skops"
        model.chmod(0o644)
        model.write_bytes(b"not a model")
        own_world.release(broken)

        wait_until(lambda: own_client.get("/ready").json()["failures"])

        failures = own_client.get("/ready").json()["failures"]
        assert f"{broken.version} cannot be loaded" in failures["complaints"]
        assert own_client.post("/complaints/predict", json=rows[0]).json()["version"] == first
        assert (
            'champion_failed_to_load{problem="complaints"} 1' in own_client.get("/metrics").text
        )
        assert (
            'swaps_total{problem="complaints",outcome="refused"} 1'
            in own_client.get("/metrics").text
        )

    def test_refuses_a_bundle_that_other_code_made(self, own_client, own_world):
        code = own_world.register().manifest.code.model_copy(update={"features": "0" * 32})
        own_world.release(own_world.register(1, code=code))

        wait_until(lambda: own_client.get("/ready").json()["failures"])

        assert "made by other code" in own_client.get("/ready").json()["failures"]["complaints"]


class TestKeys:
    @pytest.fixture
    def locked(self, world):
        with world.served(with_keys=True) as client:
            yield client

    def key(self, world, *roles):
        key = make_key(world.home, f"shop-{'-'.join(roles)}", roles, now=world.clock())
        return {"authorization": f"Bearer {key}"}

    def test_are_needed(self, locked, rows):
        response = locked.post("/complaints/predict", json=rows[0])

        assert_refused(response, 401, "Send a key")
        assert response.headers["www-authenticate"] == "Bearer"
        assert locked.get("/health").status_code == 200

    def test_open_what_their_roles_allow(self, world, rows):
        predict, admin = self.key(world, "predict"), self.key(world, "admin")

        with world.served(with_keys=True) as client:
            assert (
                client.post("/complaints/predict", json=rows[0], headers=predict).status_code
                == 200
            )
            refused = client.post("/complaints/feedback", json={}, headers=predict)
            assert_refused(
                refused, 403, "The key of shop-predict allows predict; needed is feedback"
            )
            assert client.get("/metrics", headers=admin).status_code == 200

    def test_stop_working_once_they_are_revoked(self, world, rows):
        header = self.key(world, "feedback", "predict")

        with world.served(with_keys=True) as client:
            assert (
                client.post("/complaints/predict", json=rows[0], headers=header).status_code
                == 200
            )
            assert revoke_keys(world.home, "shop-feedback-predict", now=world.clock()) == 1
            wait_until(
                lambda: (
                    client.post("/complaints/predict", json=rows[0], headers=header).status_code
                    == 401
                )
            )

    def test_are_kept_as_hashes_only(self, world):
        key = make_key(world.home, "shop", ["predict"], now=world.clock())

        assert key.encode() not in (world.home.path / "store.sqlite").read_bytes()


class TestMetrics:
    def test_count_what_was_answered_at_once_and_refused_at_once_like_all_else(
        self, own_client, rows
    ):
        for row in (*rows[:3], rows[0] | {"state": "Nowhere"}, *rows[:2]):
            own_client.post("/complaints/predict", json=row)

        text = own_client.get("/metrics").text

        assert 'requests_total{problem="complaints",route="predict",status="200"} 5' in text
        assert 'requests_total{problem="complaints",route="predict",status="422"} 1' in text
        assert re.search(r'predictions_total\{problem="complaints",version="[^"]*"\} 5\n', text)
        assert 'column="state",kind="broken_rule"} 1' in text

    def test_count_requests_rows_and_seconds(self, own_client, rows):
        own_client.post("/complaints/predict", json=rows[:3])
        own_client.post("/complaints/predict", content=b"{")

        text = own_client.get("/metrics").text

        assert 'requests_total{problem="complaints",route="predict",status="200"} 1' in text
        assert 'requests_total{problem="complaints",route="predict",status="400"} 1' in text
        assert 'predictions_total{problem="complaints",version=' in text
        assert 'request_seconds_count{problem="complaints",route="predict"} 2' in text
        assert "model_is_direct" in text
