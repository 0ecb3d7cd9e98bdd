"""The service as a program: starting, ending, several processes, and what it says."""

import os
import signal
import socket
import subprocess

import httpx
import pytest
from service_program import PROGRAM, is_alive, served, wait_until

from ml_assets.cli.ui import service_beside
from ml_assets.serving.keys import make_key


@pytest.fixture(scope="module")
def one(world):
    """A service of one process, shared by tests that do not end it."""
    with served(world.folder) as service:
        service.wait_until_workers(1)
        yield service


@pytest.fixture
def two(own_world):
    """A service of two processes."""
    with served(own_world.folder, "--workers", "2") as service:
        service.wait_until_workers(2)
        yield service


def run(*arguments):
    """Run `ml-assets serve` to its end."""
    return subprocess.run(
        [*PROGRAM, "serve", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestStart:
    def test_says_where_it_is_and_what_answers(self, one, rows):
        with one.client() as client:
            answer = client.post("/complaints/predict", json=rows[0]).json()

        assert f"its docs: {one.url}/docs" in one.said
        assert f"complaints: 1.0.0 ({answer['version']}) is champion." in one.said
        assert "Nobody needs a key: only this machine reaches it." in one.said

    def test_listens_to_this_machine_only(self, one):
        assert one.url.startswith("http://127.0.0.1:")
        # 127.0.0.2 is this machine too, but only whoever listens on every address hears it.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", one.port), timeout=5)

    def test_needs_a_key_beyond_this_machine(self, tmp_path):
        ended = run("--host", "0.0.0.0", "--home", tmp_path)  # noqa: S104 - it is refused

        assert ended.returncode == 1
        assert "On 0.0.0.0 the service needs API keys, and there is none." in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_refuses_a_port_that_is_taken(self, one, world):
        ended = run("--port", one.port, "--home", world.folder)

        assert ended.returncode == 1
        assert (
            f"127.0.0.1:{one.port} cannot be listened on: Address already in use"
            in ended.stderr
        )
        assert "Traceback" not in ended.stderr

    def test_refuses_a_problem_that_is_not_installed(self, tmp_path):
        ended = run("complaint", "--home", tmp_path, "--port", 0, "--workers", 2)

        assert ended.returncode == 1
        assert "complaint" in ended.stderr
        assert "Traceback" not in ended.stderr


class TestAnswers:
    def test_are_problems_and_never_traces(self, one):
        with one.client() as client:
            answers = [
                client.get("/nothing/at/all"),
                client.delete("/complaints/predict"),
                client.post("/complaints/predict", json={"issue": 1, "date_received": "never"}),
                client.post("/complaints/feedback", json={}),
                client.get("/complaints/versions/%00"),
            ]

        assert [each.status_code for each in answers] == [404, 405, 422, 422, 404]
        assert {each.headers["content-type"] for each in answers} == {
            "application/problem+json"
        }
        assert not any("Traceback" in each.text for each in answers)

    def test_need_a_key_when_the_service_is_told_to_ask(self, own_world, rows):
        key = make_key(own_world.home, "shop", ["predict"], now=own_world.clock())

        with served(own_world.folder, "--keys") as service, service.client() as client:
            service.wait_until_workers(1)
            without = client.post("/complaints/predict", json=rows[0])
            header = {"authorization": f"Bearer {key}"}
            allowed = client.post("/complaints/predict", json=rows[0], headers=header)

        assert (without.status_code, allowed.status_code) == (401, 200)


@pytest.mark.parametrize("tell", [os.kill, os.killpg], ids=["it", "its group"])
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
def test_answers_what_is_under_way_before_it_ends(own_world, rows, options, tell):
    body = httpx.Request("POST", "http://x", json=rows[0]).content
    head = (
        "POST /complaints/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )

    with served(own_world.folder, *options) as service:
        workers = service.wait_until_workers(2 if options else 1)
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            tell(service.process.pid, signal.SIGTERM)
            wait_until(lambda: refuses(service.port), 10)
            connection.sendall(body)
            answer = connection.makefile("rb").read()
        code = service.process.wait(60)

    assert answer.startswith(b"HTTP/1.1 200")
    assert code == 0
    assert not any(map(is_alive, workers))
    assert "Traceback" not in service.said


def refuses(port):
    """Whether nobody listens on a port any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
class TestWorkers:
    def test_each_answer_and_each_follow_a_release(self, two, own_world, rows):
        workers = two.wait_until_workers(2)
        other = own_world.release(own_world.register(1))
        two.wait_until_workers(2, other.version)

        answered = [answer_without(two, each, rows[0]) for each in workers]

        assert answered == [other.version, other.version]

    def test_are_replaced_when_they_die(self, two, rows):
        first, second = two.wait_until_workers(2)

        os.kill(first, signal.SIGKILL)
        two.wait_for(f"Worker {first} ended \\(-9\\); another takes its place")
        (third,) = set(two.wait_until_workers(2)) - {second}

        assert answer_without(two, second, rows[0]) is not None
        assert third not in (first, second)

    def test_end_with_the_one_that_started_them(self, two):
        workers = two.wait_until_workers(2)

        two.process.kill()

        wait_until(lambda: not any(map(is_alive, workers)), 30, two.log)

    def test_count_together(self, two, rows):
        workers = two.wait_until_workers(2)
        for each in workers:
            answer_without(two, each, rows[0])

        def counted():
            with two.client() as client:
                text = client.get("/metrics").text
            return 'predict",status="200"} 2' in text

        wait_until(counted, 10, two.log)


def answer_without(service, stopped, row):
    """Version that answers while one of the processes is held still."""
    os.kill(stopped, signal.SIGSTOP)
    try:
        with service.client() as client:
            return client.post("/complaints/predict", json=row).json()["version"]
    finally:
        os.kill(stopped, signal.SIGCONT)


class TestBesideDagster:
    def test_waits_for_a_champion_and_ends_with_the_ui(self, empty_world):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]

        def ready():
            try:
                return httpx.get(f"http://127.0.0.1:{port}/ready").status_code
            except httpx.TransportError:
                return None

        with service_beside(empty_world.home, port):
            wait_until(lambda: ready() == 503, 60)
            empty_world.release(empty_world.register())
            wait_until(lambda: ready() == 200, 30)

        assert refuses(port)
