"""The commands around the service: keys, feedback from a file, and which path a version takes."""

import json

import pytest
from calling import call_ml_assets

from ml_assets.serving.keys import ROLES, known_keys, require


@pytest.fixture
def call(own_world):
    """Call a command on a home of its own, with a champion."""
    return lambda *arguments: call_ml_assets(*arguments, "--home", own_world.folder)


@pytest.fixture
def answered(own_client, rows):
    """Ids of three predictions."""
    answers = own_client.post("/complaints/predict", json=rows[:3]).json()["predictions"]
    return [each["id"] for each in answers]


class TestKeys:
    def test_are_shown_once_and_open_what_their_roles_allow(self, call, own_world):
        made = call("keys", "add", "shop", "--role", "predict", "--role", "feedback", "--json")

        key = made.facts["key"]
        opened = require(known_keys(own_world.home), f"Bearer {key}", "feedback")
        assert opened.name == "shop"
        listed = call("keys", "list")
        assert "shop predict, feedback" in listed.words
        assert key not in listed.out

    def test_are_said_to_people(self, call):
        made = call("keys", "add", "shop", "--role", "admin")

        assert made.out.startswith("mla_")
        assert "The key of shop allows admin. It is shown once" in made.out

    def test_are_revoked_by_name(self, call, own_world):
        call("keys", "add", "shop", "--role", "predict")

        called = call("keys", "revoke", "shop")

        assert "1 key of shop revoked" in called.out
        assert known_keys(own_world.home) == {}
        (record,) = call("keys", "list", "--json").facts
        assert record["revoked_at"] is not None

    def test_that_are_not_there_cannot_be_revoked(self, call):
        call("keys", "add", "shop", "--role", "predict")

        called = call("keys", "revoke", "shops")

        assert called.exit_code == 1
        assert "No key of 'shops' is in use. In use: shop." in called.err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("shop", "--role", "read"), "roles out of predict, feedback, review, admin"),
            (("", "--role", "predict"), "A key needs a name"),
            (("x" * 101, "--role", "predict"), "at most 100 characters"),
        ],
    )
    def test_need_a_name_and_known_roles(self, call, arguments, words):
        called = call("keys", "add", *arguments)

        assert called.exit_code == 1
        assert words in called.err

    def test_help_names_every_role(self):
        told = call_ml_assets("keys", "add", "--help").words

        assert [role for role in ROLES if role not in told] == []


class TestFeedback:
    def test_takes_a_file_and_says_so(self, call, answered, tmp_path):
        file = tmp_path / "labels.csv"
        file.write_text("prediction_id,label\n" + "".join(f"{id_},1\n" for id_ in answered))

        first, again = (
            call("feedback", "complaints", file),
            call("feedback", "complaints", file),
        )

        assert first.exit_code == again.exit_code == 0
        assert "labels.csv: 3 taken, 0 known already, 0 refused." in first.out
        assert "labels.csv: 0 taken, 3 known already, 0 refused." in again.out

    def test_says_which_lines_are_refused_and_why(self, call, answered, tmp_path):
        file = tmp_path / "labels.jsonl"
        file.write_text(
            f'{{"prediction_id": "{answered[0]}", "label": 1}}\n'
            f'{{"prediction_id": "{answered[1]}", "label": "perhaps"}}\n'
            '{"prediction_id": "somebody", "label": 1}\n'
        )

        called = call("feedback", "complaints", file)
        facts = call("feedback", "complaints", file, "--json").facts

        assert called.exit_code == 3
        assert "1 taken, 0 known already, 2 refused" in called.out
        assert "line 2: label: 'perhaps' is not a number" in called.words
        assert "no prediction has the id somebody" in called.words
        assert (facts["taken"], facts["repeated"], len(facts["refused"])) == (0, 1, 2)

    def test_fails_when_nothing_could_be_taken(self, call, tmp_path):
        file = tmp_path / "labels.json"
        file.write_text(json.dumps([{"prediction_id": "somebody", "label": 1}]))

        assert call("feedback", "complaints", file).exit_code == 1

    def test_needs_a_file_that_can_be_read(self, call, tmp_path):
        called = call("feedback", "complaints", tmp_path / "labels.csv")

        assert called.exit_code == 1
        assert "FeedbackError: There is no file" in called.err


class TestModels:
    def test_say_which_step_forces_the_pipeline(self, call, own_world, forest):
        own_world.register(1, pipeline=forest)

        told = call("models", "complaints")
        newest, champion = call("models", "complaints", "--json").facts

        assert champion["path"] == "direct"
        assert "model (RandomForestClassifier): no look-up is known" in newest["path"]
        assert f"{newest['number']} goes through the pipeline" in told.words

    def test_say_which_version_cannot_be_loaded(self, call, own_world):
        code = own_world.register().manifest.code.model_copy(update={"features": "0" * 32})
        own_world.register(1, code=code)

        newest, _ = call("models", "complaints", "--json").facts

        assert newest["path"].startswith("cannot be loaded: ")
