"""A challenger that waits for a person: approved or rejected over HTTP, and by whom."""

import shutil

import numpy as np
import pytest
from loans import LOANS, NOW, draw, learned_from, with_config

from ml_assets.registry import champion, decisions, ensure_model, last_word
from ml_assets.serving.app import application
from ml_assets.serving.keys import make_key
from ml_assets.serving.releasing import check_release, consider_release
from ml_assets.storage import Home


def clock():
    return NOW


CAREFUL = with_config(LOANS, promotion={"approval": "needs_approval"})


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A folder with a challenger that every check let pass, and its version."""
    home = Home.open(tmp_path_factory.mktemp("learned"), environment={})
    learned_from(CAREFUL, home, draw(1_500, np.random.default_rng(0)))
    version = ensure_model(CAREFUL, home, now=NOW, run_id="r")
    decision = consider_release(CAREFUL, home, version, clock=clock, who="a", run_id="r")
    home.store.close()
    assert decision.outcome == "waiting"
    return home.path, version


@pytest.fixture
def home(learned, tmp_path):
    shutil.copytree(learned[0], tmp_path, dirs_exist_ok=True)
    return Home.open(tmp_path, environment={})


@pytest.fixture
def waiting(learned):
    return learned[1]


@pytest.fixture
def client(home, served):
    with served(application(home, [CAREFUL], clock=clock)) as client:
        yield client


@pytest.fixture
def keys(home):
    return {role: make_key(home, f"{role}er", [role], now=NOW) for role in ("review", "admin")}


@pytest.fixture
def guarded(home, served, keys):  # noqa: ARG001 - a service reads them when it starts
    with served(application(home, [CAREFUL], clock=clock, with_keys=True)) as client:
        yield client


def path_of(version):
    return f"/loans/versions/{version.version}/approval"


YES = {"approved": True, "why": "looked at the slices", "who": "Grace"}


def test_a_yes_releases_what_waited_for_it(client, waiting, home):
    answer = client.post(path_of(waiting), json=YES).json()

    said = last_word(CAREFUL, home, waiting)
    assert (answer["considered"], answer["outcome"]) == (True, "promoted")
    assert (said.approved, said.who, said.why, said.at) == (True, "Grace", YES["why"], NOW)
    assert champion(CAREFUL, home).version == waiting.version


def test_a_no_keeps_it_back_for_good(client, waiting, home):
    answer = client.post(path_of(waiting), json=YES | {"approved": False, "why": "unfair"})

    again = consider_release(CAREFUL, home, waiting, clock=clock, who="a", run_id="r")
    assert (answer.status_code, answer.json()["outcome"]) == (200, None)
    assert "Grace refused this bundle: unfair" in again.message
    assert champion(CAREFUL, home) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"why": "x", "who": "y"}, "approved"),
        ({"approved": "yes", "why": "x", "who": "y"}, "approved"),
        ({"approved": True, "who": "y"}, "why"),
        ({"approved": True, "why": "  ", "who": "y"}, "why"),
        ({"approved": True, "why": "x"}, "who"),
        ({"approved": True, "why": "x", "who": "y", "whom": 1}, "whom"),
        ([YES], "approved"),
    ],
)
def test_what_is_missing_is_named_and_nothing_recorded(client, waiting, home, body, field):
    answer = client.post(path_of(waiting), json=body)

    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    assert last_word(CAREFUL, home, waiting) is None


def test_only_an_admin_may_and_the_key_says_who(guarded, keys, waiting, home):
    body = {"approved": True, "why": "fine"}

    def ask(role):
        return guarded.post(
            path_of(waiting), json=body, headers={"Authorization": f"Bearer {keys[role]}"}
        )

    assert guarded.post(path_of(waiting), json=body).status_code == 401
    assert ask("review").status_code == 403
    assert ask("admin").json()["outcome"] == "promoted"
    assert last_word(CAREFUL, home, waiting).who == "adminer"


def test_a_version_that_is_not_there_is_not_found(client):
    assert client.post("/loans/versions/9.9.9/approval", json=YES).status_code == 404


def test_checking_a_release_finds_everything_and_changes_nothing(waiting, home):
    decided = decisions(CAREFUL, home)

    found = check_release(CAREFUL, home, waiting, clock=clock, who="ada")

    assert [one.check for one in found if not one.passed] == ["approval"]
    assert {"loads", "floor", "beats the baseline", "serves as it learned"} <= {
        one.check for one in found
    }
    assert decisions(CAREFUL, home) == decided
    assert champion(CAREFUL, home) is None
