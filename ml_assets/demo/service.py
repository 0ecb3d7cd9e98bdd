"""The prediction service in a process of its own, and a client of it."""

import http.client
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ml_assets.errors import MLAssetsError

DAYS_BEHIND = 100
"""The service's clock is so far behind that labels of its answers can be trusted already."""

START_SECONDS = 60.0
OK = 200


def clock() -> datetime:
    """What time it is for the service."""
    behind = timedelta(days=DAYS_BEHIND)
    return datetime.now(UTC) - behind  # noqa: TID251 - the edge of another process


@contextmanager
def running_service(home: Path, problem: str) -> Iterator[str]:
    """Serve a problem while the block runs; its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(home, problem, there), daemon=True)
    process.start()
    there.close()
    try:
        yield _address(here, home)
    finally:
        process.terminate()
        process.join()


def _address(pipe: Connection, home: Path) -> str:
    try:
        if pipe.poll(START_SECONDS):
            return str(pipe.recv())
    except EOFError:
        pass  # it ended before it could say anything
    raise MLAssetsError(
        f"The prediction service did not start; {_log(home)} says why. Start it by hand to see: "
        "ml-assets serve"
    )


def _serve(home: Path, problem: str, pipe: Connection) -> None:
    """Be the service; what it logs goes to a file of the home."""
    from ml_assets.serving.server import Settings, serve

    with _log(home).open("a") as log:
        sys.stderr = log
        settings = Settings(clock=clock, home=home, problems=(problem,), port=0)
        serve(settings, listening=pipe.send)


def _log(home: Path) -> Path:
    return home / "demo_service.log"


Ask = Callable[[str, object], Mapping[str, Any]]
"""Sends a body to a path and returns what the service answers."""


@contextmanager
def client(address: str) -> Iterator[Ask]:
    """One connection to the service."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(
        place.hostname or "127.0.0.1", place.port, timeout=START_SECONDS
    )

    def ask(path: str, body: object) -> Mapping[str, Any]:
        headers = {"content-type": "application/json"}
        connection.request("POST", path, body=orjson.dumps(body), headers=headers)
        response = connection.getresponse()
        answer: Mapping[str, Any] = orjson.loads(response.read())
        if response.status != OK:
            raise MLAssetsError(f"POST {path} was answered with {response.status}: {answer}")
        return answer

    try:
        yield ask
    finally:
        connection.close()
