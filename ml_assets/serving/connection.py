"""One connection: uvicorn's HTTP, with less waiting between a client and its answer.

uvicorn writes the head of an answer and its body one after the other; each is a packet that wakes the
client, so what is written in one turn of the event loop goes out at once. A lone request is answered
before anything else is done, see `lone`, and the loop stays awake for the next one.
"""

import asyncio
import logging
import math
from time import perf_counter
from types import TracebackType
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ml_assets.serving.lone import MOST_BYTES, Lone, Request, problem_asked

HEAD = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n\r\n"
"""Of an answer, as uvicorn and Starlette write it."""

NEVER = -math.inf

AWAKE_SECONDS = 0.0003
"""As long as it takes a client that has its answer to ask again at once."""

REST_SECONDS = 0.05
"""After its head the rest of a lone request comes at once, or it is one like all others."""


class Connection(HttpToolsProtocol):
    """One connection of a client.

    A processor that has nothing to do sleeps, and waking takes a virtual one half as long as a
    prediction. So between the requests of a client that asks again at once, and alone, the event
    loop stays awake; it learns which client does from how long the last request was in coming.
    """

    _answered_at = NEVER
    _asks_at_once = False
    _is_looking = False
    _lone: Lone | None = None
    _may_be_lone = False
    _asked: Request | None = None
    _rest_is_late: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take in a request, or a part of one; of several that came together the first is lone."""
        if self._answered_at != NEVER:
            self._asks_at_once = perf_counter() - self._answered_at < AWAKE_SECONDS
            self._answered_at = NEVER
        self._may_be_lone = True
        super().data_received(data)
        if self._asked is not None and self._rest_is_late is None:
            self._rest_is_late = self.loop.call_later(REST_SECONDS, self._go_on_as_usual)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self._answered_at = perf_counter()
        is_usual = self.timeout_keep_alive_task is not None and not self.transport.is_closing()
        if self.pipeline or not is_usual:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self._asks_at_once and not self._is_looking:
            self._look_again()

    def _look_again(self) -> None:
        """Look for the next request time and again, as long as it may come at once."""
        is_early = perf_counter() - self._answered_at < AWAKE_SECONDS
        self._is_looking = is_early and len(self.tasks) <= 1
        if self._is_looking:
            self.loop.call_soon(self._look_again)

    def _unset_keepalive_if_required(self) -> None:
        """Let the timer run: setting one for each answer takes longer than to look at the time."""

    def timeout_keep_alive_handler(self) -> None:
        """Hang up if no request came for long enough."""
        self.timeout_keep_alive_task = None
        is_answered = self.cycle is None or self.cycle.response_complete
        if self._answered_at == NEVER or not is_answered:
            return  # one is under way, and its answer sets the timer
        left = self._answered_at + self.timeout_keep_alive - perf_counter()
        if left <= 0:
            super().timeout_keep_alive_handler()
        else:
            handler = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(left, handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, the timer as well."""
        super().connection_lost(exc)
        self._forget_asked()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def on_headers_complete(self) -> None:
        """Begin a request, unless it may be answered at once."""
        self._asked = self._lone_request()
        if self._asked is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        if self._asked is None:
            super().on_body(body)
            return
        self._asked.body.extend(body)
        if len(self._asked.body) > MOST_BYTES:
            self._go_on_as_usual()

    def on_message_complete(self) -> None:
        """Answer at once, or the way of all requests."""
        if self._asked is not None:
            answer = self._answer_at_once(self._asked)
            if answer is not None:
                self._forget_asked()
                self.transport.write_whole(self._with_head(answer))  # type: ignore[attr-defined]
                self.on_response_complete()
                return
            self._go_on_as_usual()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close once what was begun is answered."""
        self._go_on_as_usual()
        super().shutdown()

    def _lone_request(self) -> Request | None:
        """What may be answered at once: a lone request over a connection that goes on."""
        if self._lone is None or self._lone.came_between(self) or not self._may_be_lone:
            return None
        self._may_be_lone = False
        problem, parser = problem_asked(self.parser.get_method(), self.url), self.parser
        goes_on = parser.get_http_version() == "1.1" and parser.should_keep_alive()
        waits = self.expect_100_continue or self.flow.write_paused or self.tasks
        if problem is None or not goes_on or waits or parser.should_upgrade():
            return None
        return Request(problem, self.headers, bytearray())

    def _answer_at_once(self, request: Request) -> bytes | None:
        """The answer, committed; None where it takes the way of all requests to have one."""
        if self._lone is None or self.tasks:
            return None
        with _Reporting(self.logger):
            return self._lone.answer(request)
        return None

    def _go_on_as_usual(self) -> None:
        """Begin a request that was not answered at once, with what came of it."""
        asked = self._forget_asked()
        if asked is not None:
            super().on_headers_complete()
            super().on_body(bytes(asked.body))

    def _forget_asked(self) -> Request | None:
        asked, self._asked = self._asked, None
        if self._rest_is_late is not None:
            self._rest_is_late.cancel()
            self._rest_is_late = None
        return asked

    def _with_head(self, body: bytes) -> bytes:
        """An answer of JSON as it goes over the wire, with the headers of every answer."""
        usual = b"".join(
            [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        )
        return HEAD % (usual, len(body)) + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that gathers what is written."""
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._lone = getattr(getattr(self.app, "state", None), "lone", None)


class _Reporting:
    """What goes wrong inside the block is logged; the way of all requests meets it, too."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self._logger.error("A request could not be answered at once.", exc_info=error)
            return True
        return False


class Gathering:
    """A transport that writes at the end of a turn of the event loop what was written in it."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, part: bytes) -> None:
        """Write it once this turn is over."""
        if not self._parts:
            self._loop.call_soon(self._write_all)
        self._parts.append(part)

    def write_whole(self, answer: bytes) -> None:
        """Write it without waiting for more to come."""
        self._parts.append(answer)
        self._write_all()

    def close(self) -> None:
        """Write what there is, and close."""
        self._write_all()
        self._transport.close()

    def _write_all(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
