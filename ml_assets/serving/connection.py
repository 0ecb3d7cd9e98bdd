"""One connection: uvicorn's HTTP, but what is written in one turn of the event loop goes out at once.

uvicorn writes the head of an answer and its body one after the other. Each is a packet that wakes the
client, which for a short answer costs as much as working it out. An answer of JSON to a request that
went well, which is nearly every one, is handed over whole (the extension `WHOLE` of the scope), and
says byte for byte what it would have said in two messages.
"""

import asyncio
import math
import weakref
from collections.abc import Callable
from functools import cached_property
from time import perf_counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

WHOLE = "ml_assets.whole"
"""Extension of a scope: takes the body of an answer, and says whether it could be sent."""

ALONE = "ml_assets.alone"
"""Extension of a scope: says whether no other request is under way."""

HEAD = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n\r\n"


class JSONAnswer(Response):
    """An answer of JSON to a request that went well."""

    media_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.background = None
        self.body = body

    @cached_property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """Made when somebody asks for them, which few do."""
        self.init_headers()
        return self.__dict__["raw_headers"]  # type: ignore[no-any-return]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it whole where the connection takes it so, else as any other."""
        whole = scope.get("extensions", {}).get(WHOLE)
        is_plain = "raw_headers" not in self.__dict__  # with more of them than `HEAD` has
        if whole is None or not is_plain or not whole(self.body):
            await super().__call__(scope, receive, send)


def is_alone(request: Request) -> bool:
    """Whether no other request is under way, as far as the connection tells."""
    alone = request.scope.get("extensions", {}).get(ALONE)
    return alone is not None and alone()


NEVER = -math.inf

AWAKE_SECONDS = 0.0003
"""As long as it takes a client that has its answer to ask again at once."""


class Connection(HttpToolsProtocol):
    """One connection of a client.

    A processor that has nothing to do sleeps, and waking takes a virtual one half as long as a
    prediction. So between the requests of a client that asks again at once, and alone, the event
    loop stays awake; it learns which client does from how long the last request was in coming.
    """

    _answered_at = NEVER
    _asks_at_once = False
    _is_looking = False

    def data_received(self, data: bytes) -> None:
        """Take in a request, or a part of one."""
        if self._answered_at != NEVER:
            self._asks_at_once = perf_counter() - self._answered_at < AWAKE_SECONDS
            self._answered_at = NEVER
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self._answered_at = perf_counter()
        if self.pipeline or self.timeout_keep_alive_task is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self._asks_at_once and not self._is_looking:
            self._look_again()

    def _unset_keepalive_if_required(self) -> None:
        """Let the timer run: setting one for each answer takes longer than to look at the time."""

    def timeout_keep_alive_handler(self) -> None:
        """Hang up if no request came for long enough."""
        self.timeout_keep_alive_task = None
        if self._answered_at == NEVER:
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
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def on_headers_complete(self) -> None:
        """Begin a request, whose answer may be handed over whole."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            own: Any = {WHOLE: self._sender(self.cycle), ALONE: self._is_alone}
            self.scope["extensions"] = own

    def _is_alone(self) -> bool:
        return len(self.tasks) == 1

    def _sender(self, cycle: RequestResponseCycle) -> Callable[[bytes], bool]:
        """What sends the whole answer of a request."""
        # The request has the scope, which has this function: were it to hold the request, each
        # would keep the other until Python looks for garbage, and all requests wait for that.
        of = weakref.ref(cycle)

        def send(body: bytes) -> bool:
            cycle = of()
            if (
                cycle is None
                or cycle.scope["method"] == "HEAD"
                or cycle.disconnected
                or cycle.response_started
                or not cycle.keep_alive
                or self.flow.write_paused
            ):
                return False
            cycle.response_started = True
            cycle.waiting_for_100_continue = False
            head = HEAD % (self._usual(cycle.default_headers), len(body))
            self.transport.write_whole(head + body)  # type: ignore[attr-defined]
            cycle.response_complete = True
            cycle.message_event.set()
            cycle.on_response()
            return True

        return send

    def _look_again(self) -> None:
        is_early = perf_counter() - self._answered_at < AWAKE_SECONDS
        self._is_looking = is_early and len(self.tasks) <= 1
        if self._is_looking:
            self.loop.call_soon(self._look_again)

    def _usual(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Headers of every answer, such as the time, as they go over the wire."""
        return b"".join([b"%b: %b\r\n" % header for header in headers])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that gathers what is written."""
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]


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
        if self._parts:
            self.write(answer)
        elif not self._transport.is_closing():
            self._transport.write(answer)

    def close(self) -> None:
        """Write what there is, and close."""
        self._write_all()
        self._transport.close()

    def _write_all(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
