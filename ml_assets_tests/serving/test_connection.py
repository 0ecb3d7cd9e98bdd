"""What a connection writes in one turn of the event loop goes out at once, and nothing is lost."""

import asyncio
import re
import socket
import threading
import time

import pytest
import uvicorn

from ml_assets.serving.connection import WHOLE, Connection, Gathering, JSONAnswer, is_alone


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


async def as_json(scope, receive, send):
    """Answers whole, or in two messages where the path says so."""
    assert scope["type"] == "http"
    if scope["path"] == "/ordinary":
        scope["extensions"].pop(WHOLE)
    await JSONAnswer(BODY)(scope, receive, send)


@pytest.fixture(scope="module")
def address():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        as_json, http=Connection, log_level="critical", lifespan="off", proxy_headers=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


def told(address, *requests):
    """Everything that the server says to some requests of one connection, but for the time."""
    found = b""
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(b"".join(requests))
        while found.count(BODY) < len(requests):
            part = client.recv(65536)
            assert part, found
            found += part
    return re.sub(rb"date: [^\r]*", b"date: now", found)


def asking(path, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: here", "Content-Length: 0", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
def test_an_answer_that_is_sent_whole_says_what_one_in_two_messages_says(address, headers):
    whole = told(address, asking("/whole", *headers))

    assert sorted(whole.split(b"\r\n")) == sorted(
        told(address, asking("/ordinary", *headers)).split(b"\r\n")
    )
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\n" + BODY)


def test_requests_that_wait_in_line_are_answered_in_their_order(address):
    found = told(address, asking("/whole"), asking("/ordinary"), asking("/whole"))

    assert found.count(BODY) == 3


def in_messages(answer):
    """What an answer sends that must not be sent whole."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(answer({"type": "http", "extensions": {WHOLE: pytest.fail}}, None, send))
    return sent


def test_an_answer_with_headers_of_its_own_keeps_them():
    sent = in_messages(JSONAnswer(b"{}", headers={"vary": "Accept"}))

    assert (b"vary", b"Accept") in sent[0]["headers"]


def test_an_answer_of_another_status_keeps_it():
    assert in_messages(JSONAnswer(b"{}", status_code=503))[0]["status"] == 503


def test_a_request_for_the_head_alone_is_sent_no_body(address):
    head = asking("/whole").replace(b"POST", b"HEAD")

    found = told(address, head + asking("/whole"))

    assert found.count(b"HTTP/1.1 200 OK") == 2
    assert found.count(BODY) == 1
    assert found.endswith(BODY)


def test_nobody_is_alone_where_the_connection_does_not_tell():
    class Asked:
        scope = {"type": "http"}  # noqa: RUF012 - as Starlette's

    assert is_alone(Asked()) is False
