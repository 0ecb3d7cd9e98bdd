"""One connection: uvicorn's HTTP, but what is written in one turn of the event loop goes out at once.

uvicorn writes the head of an answer and its body one after the other. Each is a packet that wakes the
client, which for a short answer costs as much as working it out.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """One connection of a client."""

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
