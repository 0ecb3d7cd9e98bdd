"""Releases while requests come in: nobody notices, and a broken bundle does no harm."""

import threading
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest
from service_program import served, wait_until

from ml_assets.serving.deployments import Deployments

SWAPS = 20
CONNECTIONS = 4


@contextmanager
def load(service, rows):
    """Ask on several connections while the block runs; what came back, by version or failure."""
    came: Counter = Counter()
    over = threading.Event()

    def ask(number):
        with service.client() as client:
            while not over.is_set():
                row = rows[number % len(rows)]
                number += 1
                try:
                    answer = client.post("/complaints/predict", json=row)
                except httpx.TransportError as error:
                    came[repr(error)] += 1
                else:
                    is_answer = answer.status_code == 200
                    came[answer.json()["version"] if is_answer else answer.text] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        over.set()
        for thread in threads:
            thread.join()


def wait_until_more(came, version):
    """Wait until a version has answered once more."""
    before = came[version]
    wait_until(lambda: came[version] > before, 30)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_swaps_under_load_fail_no_request(own_world, rows, workers):
    versions = [own_world.register(0), own_world.register(1)]

    with served(own_world.folder, "--workers", str(workers)) as service:
        service.wait_until_workers(workers)
        with load(service, rows) as came:
            for swap in range(SWAPS):
                released = own_world.release(versions[(swap + 1) % 2])
                service.wait_until_workers(workers, released.version)
                wait_until_more(came, released.version)

    assert set(came) == {each.version for each in versions}
    assert service.said.count("answers now, in the place of") == SWAPS * workers


def test_a_bundle_that_does_not_load_leaves_the_old_one_answering(own_world, rows):
    broken = own_world.register(1)
    model = own_world.home.artifacts.get(broken.artifact) / "model.skops"
    model.chmod(0o644)
    model.write_bytes(b"not a model")

    with served(own_world.folder) as service, service.client() as client:
        service.wait_until_workers(1)
        first = client.post("/complaints/predict", json=rows[0]).json()["version"]
        own_world.release(broken)
        service.wait_for(f"ERROR complaints: {broken.version} is refused, {first} goes on.")
        then = client.post("/complaints/predict", json=rows[0]).json()["version"]
        ready, metrics = client.get("/ready"), client.get("/metrics").text

    assert then == first
    assert ready.status_code == 200
    assert f"{broken.version} cannot be loaded" in ready.json()["failures"]["complaints"]
    assert 'champion_failed_to_load{problem="complaints"} 1' in metrics
    assert 'swaps_total{problem="complaints",outcome="refused"} 1' in metrics


def test_the_alert_is_over_once_the_old_one_is_champion_again(own_client, own_world):
    first = own_world.register(0)
    code = first.manifest.code.model_copy(update={"features": "0" * 32})
    own_world.release(own_world.register(1, code=code))
    wait_until(lambda: own_client.get("/ready").json()["failures"], 10)

    own_world.release(first)

    wait_until(lambda: not own_client.get("/ready").json()["failures"], 10)


@pytest.mark.parametrize(("retry_seconds", "recovers"), [(0.0, True), (60.0, False)])
def test_a_bundle_is_tried_again_after_a_while(own_world, retry_seconds, recovers):
    broken = own_world.register(1)
    bundle = own_world.home.artifacts.get(broken.artifact)
    away = bundle.rename(bundle.with_name("away"))
    deployments = Deployments(own_world.home, [own_world.problem], retry_seconds=retry_seconds)
    own_world.release(broken)

    told = [deployments.follow(), deployments.follow()]
    away.rename(bundle)
    told.append(deployments.follow())

    failures = [[swap.failure is not None for swap in each] for each in told]
    assert failures == [[True], [], [False] if recovers else []]
    assert (deployments.failures == {}) is recovers


class TestAStartWithABrokenChampion:
    def broken(self, world, number, **how):
        code = world.register(0).manifest.code.model_copy(update={"features": "0" * 32})
        return world.release(world.register(number, code=code), **how)

    def test_goes_on_with_the_version_before(self, own_world):
        before = own_world.register(0)
        broken = self.broken(own_world, 1)
        deployments = Deployments(own_world.home, [own_world.problem])

        (swap,) = deployments.follow()

        assert (swap.before, swap.after) == (before.version, broken.version)
        assert deployments.champion_of("complaints").version == before
        assert f"{broken.version} cannot be loaded" in deployments.failures["complaints"]
        assert deployments.follow() == []

    def test_does_not_go_back_to_one_that_was_rolled_back(self, empty_world):
        empty_world.release(empty_world.register(0))
        broken = self.broken(empty_world, 1, kind="rollback")
        deployments = Deployments(empty_world.home, [empty_world.problem])

        deployments.follow()

        assert f"{broken.version} cannot be loaded" in deployments.failures["complaints"]
        assert deployments.current == {}
