"""What the README tells people to type works."""

import json
import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(title, language):
    """Code of one section of the README."""
    text = README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def address_of(client):
    return client.base_url.netloc.decode()


def run(code, **names):
    """Run a block; returns the names it leaves."""
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - it is our own README
    return names


class TestTalkToIt:
    def test_asks_and_says_what_became_of_it(self, own_client):
        _, curls = blocks("Talk to it", "sh")
        calls = [shlex.split(line) for line in curls.splitlines()]

        answers, id_ = [], ""
        for _, url, _, body in calls:
            path = url.removeprefix("localhost:8080")
            sent = json.loads(body.replace("THE_ID", id_))
            answers.append(own_client.post(path, json=sent).raise_for_status().json())
            id_ = answers[-1].get("id", "")

        assert set(answers[0]) >= {"id", "prediction", "decision"}
        assert answers[1]["taken"] == 1

    def test_gives_the_same_answer_embedded_and_to_a_client_of_triton(
        self, world, client, monkeypatch, capsys
    ):
        embedded, triton = blocks("Talk to it", "python")
        monkeypatch.setenv("ML_ASSETS_HOME", str(world.folder))

        model = run(embedded)["model"]
        found = run(triton.replace("localhost:8080", address_of(client)))

        (expected,) = model.predict([found["row"]])
        assert found["answer"].as_numpy("prediction").tolist() == [expected.value]
        assert str(expected.value)[:6] in capsys.readouterr().out


class TestHooks:
    @pytest.fixture
    def hooks(self):
        (code,) = blocks("Hooks", "python")
        return run(code)

    def test_bring_a_unit_to_that_of_the_contract(self, hooks):
        asked = hooks["in_square_metres"]({"area_sqft": "1000", "rooms": 3})

        assert asked == {"area_m2": pytest.approx(92.90304), "rooms": 3}

    def test_leave_a_row_of_the_contract_as_it_is(self, hooks):
        assert hooks["in_square_metres"]({"area_m2": 80.0}) == {"area_m2": 80.0}

    def test_say_what_a_page_shows(self, hooks):
        shown = hooks["as_a_price"](250_123.4, {"area_m2": 100.0})

        assert shown == {"price": "$250,123", "per_m2": 2501}
