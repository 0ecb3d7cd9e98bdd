"""One connection: uvicorn's HTTP, but what is written in one turn of the event loop goes out at once.

uvicorn writes the head of an answer and its body one after the other. Each is a packet that wakes the
client, which for a short answer costs as much as working it out. An answer of JSON to a request that
went well, which is nearly every one, is handed over whole (the extension `WHOLE` of the scope), and
says byte for byte what it would have said in two messages.
"""

import asyncio
import weakref
from collections.abc import Callable
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it whole where the connection takes it so, else as any other."""
        whole = scope.get("extensions", {}).get(WHOLE)
        is_plain = self.status_code == OK and len(self.raw_headers) == PLAIN_HEADERS
        if whole is None or not is_plain or not whole(self.body):
            await super().__call__(scope, receive, send)


OK = 200
PLAIN_HEADERS = 2
"""Those that `HEAD` has: an answer with more of them is sent as any other."""


def is_alone(request: Request) -> bool:
    """Whether no other request is under way, as far as the connection tells."""
    alone = request.scope.get("extensions", {}).get(ALONE)
    return alone is not None and alone()


class Connection(HttpToolsProtocol):
    """One connection of a client."""

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
            self.transport.write(head + body)
            cycle.response_complete = True
            cycle.message_event.set()
            cycle.on_response()
            return True

        return send

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

    def close(self) -> None:
        """Write what there is, and close."""
        self._write_all()
        self._transport.close()

    def _write_all(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
