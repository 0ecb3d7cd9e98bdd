"""What a connection writes in one turn of the event loop goes out at once, and nothing is lost."""

import asyncio

import pytest

from ml_assets.serving.connection import Gathering


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
