"""One client for every server: HTTP/1.1 over sockets that stay open, as lean as Python can be.

Closed loop: each connection sends its next request when it has its answer; that is the most a
server takes. Open loop: requests come at random times at a given rate, whether or not there are
answers, and a latency counts from the moment when the request was due, so that a server that
stalls cannot hide it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import uvloop

ANSWERS_SECONDS = 60.0
"""What is not answered by then is not answered at all."""


class Measured(NamedTuple):
    """What one run of a client saw."""

    requests: int
    seconds: float
    latencies_ms: np.ndarray

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which so many per cent of the answers came."""
        return float(np.percentile(self.latencies_ms, share))


class Target(NamedTuple):
    """Where requests go, and their bodies in turn."""

    port: int
    path: str
    bodies: Sequence[bytes]

    def requests(self) -> list[bytes]:
        """Whole requests, as they go over the wire."""
        return [
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
            for body in self.bodies
        ]


class Connection(asyncio.Protocol):
    """One connection; asks one thing at a time."""

    def __init__(self, answered: Callable[["Connection", bytes], None]) -> None:
        self.due = 0.0
        self._answered = answered
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = transport

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at some time."""
        self.due = due
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Collect an answer, and hand it over when it is whole."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"The server answered {head[:40]!r}: {body[:300]!r}")
        self._buffer = b""
        self._answered(self, body)


def ask_once(target: Target) -> bytes:
    """The body of one answer."""

    async def once() -> bytes:
        found = asyncio.get_running_loop().create_future()
        (connection,) = await _connected(target, 1, lambda _, body: found.set_result(body))
        connection.ask(target.requests()[0], 0.0)
        answer: bytes = await asyncio.wait_for(found, ANSWERS_SECONDS)
        connection.close()
        return answer

    return _run(once())


def closed_loop(target: Target, connections: int, seconds: float) -> Measured:
    """As many requests as the server takes over some connections."""

    async def loop() -> Measured:
        requests, latencies = cycle(target.requests()), list[float]()
        until = time.perf_counter() + seconds
        over = [asyncio.get_running_loop().create_future() for _ in range(connections)]
        left = deque(over)

        def answered(connection: Connection, _body: bytes) -> None:
            now = time.perf_counter()
            latencies.append(now - connection.due)
            if now < until:
                connection.ask(next(requests), now)
            else:
                left.pop().set_result(None)

        opened = await _connected(target, connections, answered)
        started = time.perf_counter()
        for connection in opened:
            connection.ask(next(requests), time.perf_counter())
        await asyncio.wait_for(asyncio.gather(*over), seconds + ANSWERS_SECONDS)
        return _measured(opened, latencies, time.perf_counter() - started)

    return _run(loop())


def open_loop(target: Target, connections: int, seconds: float, rate: float) -> Measured:
    """Requests at random times, `rate` a second on average; one waits while all are busy."""

    async def loop() -> Measured:
        requests, latencies = cycle(target.requests()), list[float]()
        gaps = np.random.default_rng(0).exponential(1 / rate, round(rate * seconds))
        waiting: deque[float] = deque()
        idle: deque[Connection] = deque()
        over = asyncio.get_running_loop().create_future()

        def answered(connection: Connection, _body: bytes) -> None:
            latencies.append(time.perf_counter() - connection.due)
            if waiting:
                connection.ask(next(requests), waiting.popleft())
            else:
                idle.append(connection)
            if len(latencies) == len(gaps):
                over.set_result(None)

        opened = await _connected(target, connections, answered)
        idle.extend(opened)
        started = time.perf_counter()
        for due in (started + np.cumsum(gaps)).tolist():
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            if idle:
                idle.popleft().ask(next(requests), due)
            else:
                waiting.append(due)
        await asyncio.wait_for(over, ANSWERS_SECONDS)
        return _measured(opened, latencies, time.perf_counter() - started)

    return _run(loop())


async def _connected(
    target: Target, connections: int, answered: Callable[[Connection, bytes], None]
) -> list[Connection]:
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Connection(answered), "127.0.0.1", target.port)
        for _ in range(connections)
    ]
    return [connection for _, connection in pairs]


def _measured(
    opened: Sequence[Connection], latencies: Sequence[float], seconds: float
) -> Measured:
    for connection in opened:
        connection.close()
    return Measured(len(latencies), seconds, np.array(latencies) * 1000)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise SystemExit(f"The server does not say how long its answer is: {head!r}")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
