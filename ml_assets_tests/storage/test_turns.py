import threading
import time

import pytest

from ml_assets.storage import Home
from ml_assets.storage.turns import if_free, one_at_a_time


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request, tmp_path):
    """A home whose store is a file, and one whose store is a server."""
    if request.param == "sqlite":
        return Home.open(tmp_path, environment={})
    url = request.getfixturevalue("postgres_url")
    return Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": url})


@pytest.fixture
def work(shared):
    """Something that takes a while, and says when it begins and ends."""
    said = []

    def under(name):
        with one_at_a_time(shared, name):
            said.append("begins")
            time.sleep(0.3)
            said.append("ends")

    def together(*names):
        threads = [threading.Thread(target=under, args=[name]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return said

    return together


def test_lets_the_second_wait_for_the_first(work):
    assert work("ingest-a", "ingest-a") == ["begins", "ends", "begins", "ends"]


def test_lets_others_work_meanwhile(work):
    assert work("ingest-a", "ingest-b") == ["begins", "begins", "ends", "ends"]


def test_gives_the_turn_on_after_an_error(shared):
    with pytest.raises(ZeroDivisionError), one_at_a_time(shared, "ingest-a"):
        1 / 0  # noqa: B018

    with one_at_a_time(shared, "ingest-a"):
        pass


def test_says_whether_a_turn_can_be_had_at_once(shared):
    with (
        if_free(shared, "work-a") as first,
        if_free(shared, "work-a") as second,
        if_free(shared, "work-b") as other,
    ):
        assert (first, second, other) == (True, False, True)

    with if_free(shared, "work-a") as again:
        assert again
