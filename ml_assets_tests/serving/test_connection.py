"""A connection answers lone requests at once, others as uvicorn does, and nothing is lost."""

import asyncio
import re
import socket
import threading
import time

import pytest
import uvicorn
from starlette.responses import Response

from ml_assets.serving.connection import REST_SECONDS, Connection, Gathering
from ml_assets.serving.lone import MOST_BYTES, Lone


class Wire:
    """A transport that keeps what was sent."""

    def __init__(self):
        self.sent = []
        self.is_closed = False

    def write(self, part):
        assert not self.is_closed
        self.sent.append(part)

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True


@pytest.fixture
def sent_by():
    """Runs something with a gathering transport; what went out, packet by packet."""

    def run(work):
        wire = Wire()

        async def within_a_loop():
            await work(Gathering(wire, asyncio.get_running_loop()))
            await asyncio.sleep(0)

        asyncio.run(within_a_loop())
        return wire.sent

    return run


def test_head_and_body_are_one_packet(sent_by):
    async def answer(transport):
        transport.write(b"head ")
        transport.write(b"body")

    assert sent_by(answer) == [b"head body"]


def test_what_comes_later_is_not_waited_for(sent_by):
    async def answer(transport):
        transport.write(b"first")
        await asyncio.sleep(0)
        transport.write(b"second")

    assert sent_by(answer) == [b"first", b"second"]


def test_closing_sends_what_was_written(sent_by):
    async def answer(transport):
        transport.write(b"goodbye")
        transport.close()

    assert sent_by(answer) == [b"goodbye"]


def test_nothing_is_sent_to_a_client_that_is_gone(sent_by):
    async def answer(transport):
        transport.write(b"anybody there?")
        transport._transport.close()

    assert sent_by(answer) == []


BODY = b'{"a": 1}'
KEEP_ALIVE_SECONDS = 1


class App:
    """Answers whatever it is asked, and says how; or at once, but for bodies that say not to."""

    def __init__(self):
        self.state = self
        self.lone = Lone(self.at_once)
        self.seen = []
        self.answer = BODY

    def at_once(self, problem, headers, body):
        self.seen.append((problem, dict(headers)[b"host"], body))
        if body == b"broken":
            raise ZeroDivisionError
        return None if body == b"later" else self.answer

    async def __call__(self, scope, receive, send):
        body, is_whole = b"", False
        while not is_whole:
            part = await receive()
            body, is_whole = body + part["body"], not part["more_body"]
        if body == b"slow":
            await asyncio.sleep(0.3)
        usual = self.answer[:-1] + b', "usual": "' + body + b'"}'
        await Response(usual, media_type="application/json")(scope, receive, send)


@pytest.fixture
def app():
    return App()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def address(listener, server):
    assert server.started
    return listener.getsockname()


@pytest.fixture
def server(app, listener):
    config = uvicorn.Config(
        app,
        http=Connection,
        log_level="error",
        lifespan="off",
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address):
    with socket.create_connection(address, timeout=5) as client:
        yield client


def asking(body=b"", *headers, path="/complaints/predict", method="POST", length=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: here"]
    lines += [f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(client, count):
    """So many answers: head without the time, and body of each."""
    found, wire = [], client.makefile("rb")
    for _ in range(count):
        head = b"".join(iter(wire.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        head = re.sub(rb"date: [^\r]*|content-length: \d+", b"", head)
        found.append((head, wire.read(length)))
    return found


def bodies(client, *requests):
    """Ask one after the other; the bodies of the answers."""
    found = []
    for request in requests:
        client.sendall(request)
        found += [body for _, body in answers(client, 1)]
    return found


def usual(said=b""):
    return BODY[:-1] + b', "usual": "' + said + b'"}'


class TestLoneRequests:
    def test_are_answered_at_once_but_the_first(self, client, app):
        assert bodies(client, *[asking(b"x")] * 3) == [usual(b"x"), BODY, BODY]
        assert app.seen == [("complaints", b"here", b"x")] * 2

    def test_have_the_head_of_any_answer(self, client):
        client.sendall(asking())
        (first,) = answers(client, 1)
        client.sendall(asking())
        (second,) = answers(client, 1)

        assert sorted(first[0].split(b"\r\n")) == sorted(second[0].split(b"\r\n"))
        assert (first[1], second[1]) == (usual(), BODY)

    def test_go_the_usual_way_where_they_cannot_be_answered_at_once(self, client):
        later = asking(b"later")

        assert bodies(client, asking(), later, asking(), later) == [
            usual(),
            usual(b"later"),
            BODY,
            usual(b"later"),
        ]

    def test_go_the_usual_way_where_answering_at_once_fails(self, client):
        assert bodies(client, asking(), asking(b"broken")) == [usual(), usual(b"broken")]

    @pytest.mark.parametrize(
        "request_",
        [
            asking(method="PUT"),
            asking(path="/complaints/predict?trial"),
            asking(path="/complaints/versions/1.0.0/predict"),
            asking(path="/complaints/feedback"),
            asking(path="/complaints/predict/"),
            asking(path="//predict"),
            asking(path="/predict"),
            asking(b"", "Connection: close"),
            asking(b"x" * (MOST_BYTES + 1)),
        ],
        ids=[
            "put",
            "query",
            "version",
            "feedback",
            "slash",
            "empty",
            "short",
            "close",
            "large",
        ],
    )
    def test_are_for_the_champion_and_one_row_and_nothing_else(self, client, app, request_):
        assert bodies(client, asking(), request_)[1].startswith(usual()[:-2])
        assert app.seen == []

    def test_go_the_usual_way_over_http_1_0_which_ends_the_connection(self, client):
        bodies(client, asking())
        client.sendall(asking(b"x", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))

        assert [body for _, body in answers(client, 1)] == [usual(b"x")]
        assert client.recv(1) == b""

    def test_wait_for_a_client_that_does_not_read(self, client, app):
        bodies(client, asking())
        app.answer = b'"' + b"x" * (1 << 20) + b'"'
        client.sendall(asking() * 40)
        time.sleep(1)

        assert len(app.seen) < 20, "answers pile up"

    def test_may_come_in_pieces(self, client):
        whole = asking(b"abc")
        bodies(client, whole)
        for piece in (whole[:20], whole[20:-2], whole[-2:]):
            client.sendall(piece)
            time.sleep(0.02)

        assert [body for _, body in answers(client, 1)] == [BODY]

    def test_that_came_together_are_answered_in_their_order(self, client):
        bodies(client, asking())
        client.sendall(asking(b"a") + asking(b"later") + asking(b"b") + asking(b"c"))

        found = [body for _, body in answers(client, 4)]
        assert found == [BODY, usual(b"later"), usual(b"b"), usual(b"c")]

    def test_that_came_together_do_not_keep_others_waiting(self, client, app):
        bodies(client, asking())
        client.sendall(asking(b"x") * 50)

        assert [body for _, body in answers(client, 50)] == [BODY, *[usual(b"x")] * 49]
        assert len(app.seen) == 1

    def test_whose_rest_is_late_go_the_usual_way(self, client, app):
        whole = asking(b"abc")
        bodies(client, whole)
        client.sendall(whole[:-1])
        time.sleep(3 * REST_SECONDS)
        client.sendall(whole[-1:])

        assert [body for _, body in answers(client, 1)] == [usual(b"abc")]
        assert app.seen == []

    def test_are_answered_although_the_service_ends_before_their_rest_comes(
        self, client, server
    ):
        whole = asking(b"abc")
        bodies(client, whole)
        client.sendall(whole[:-1])
        time.sleep(REST_SECONDS / 5)
        server.should_exit = True
        time.sleep(0.3)
        client.sendall(whole[-1:])

        assert [body for _, body in answers(client, 1)] == [usual(b"abc")]

    def test_that_fail_at_once_are_logged(self, client, caplog):
        bodies(client, asking(), asking(b"broken"))

        assert "ZeroDivisionError" in caplog.text

    def test_are_none_while_another_is_under_way(self, address, client):
        with socket.create_connection(address, timeout=5) as other:
            bodies(other, asking())
            client.sendall(asking(b"slow"))
            time.sleep(0.1)
            assert bodies(other, asking(b"x"), asking(b"x")) == [usual(b"x")] * 2
            assert [body for _, body in answers(client, 1)] == [usual(b"slow")]
            assert bodies(other, asking(b"x")) == [BODY]

    def test_are_none_where_somebody_elses_came_between(self, address, client):
        with socket.create_connection(address, timeout=5) as other:
            for _ in range(3):
                assert bodies(other, asking()) == bodies(client, asking()) == [usual()]


class TestASilentConnection:
    def test_is_closed_after_a_while_that_begins_with_the_last_answer(self, client):
        bodies(client, asking())
        time.sleep(0.6 * KEEP_ALIVE_SECONDS)
        bodies(client, asking(), asking(path="/complaints/feedback"))
        answered = time.monotonic()

        assert client.recv(1) == b"", "something came"
        assert 0.9 < (time.monotonic() - answered) / KEEP_ALIVE_SECONDS < 2

    def test_is_not_closed_while_a_request_is_worked_on(self, client):
        bodies(client, asking())
        time.sleep(0.85 * KEEP_ALIVE_SECONDS)

        assert bodies(client, asking(b"slow", path="/complaints/feedback")) == [usual(b"slow")]


def test_the_loop_sleeps_between_the_requests_of_a_client_that_takes_its_time(client):
    for _ in range(5):
        bodies(client, asking())
        time.sleep(0.02)
    before = time.process_time()
    time.sleep(0.5)

    assert time.process_time() - before < 0.1
