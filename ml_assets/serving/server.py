"""Running the service: one process or several on one port."""

import logging
import multiprocessing
import multiprocessing.connection
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import uvicorn

from ml_assets.errors import MLAssetsError
from ml_assets.problem import problem_named, problems
from ml_assets.serving.app import application
from ml_assets.serving.keys import known_keys
from ml_assets.serving.reading import Limits
from ml_assets.storage import Home

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 30


class Settings(NamedTuple):
    """How a service is run.

    Attributes:
        clock: Says what time it is; a function of a module, so that other processes find it.
        home: The deployment's folder; by default the one that the environment names.
        problems: Names of those that are served; every installed one by default.
        with_keys: Ask for API keys; always beyond this machine.
        durable: See `application`.
    """

    clock: Callable[[], datetime]
    home: Path | None = None
    problems: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    with_keys: bool = False
    durable: bool = False
    limits: Limits = Limits()

    @property
    def needs_keys(self) -> bool:
        """Whether a request needs a key."""
        return self.with_keys or not is_loopback(self.host)


def serve(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        MLAssetsError: If the port is taken, or keys are needed and there is none.
    """
    _require_a_key(settings)
    listener = _listener(settings.host, settings.port)
    if settings.workers == 1:
        work(settings, listener)
        return
    _supervise(settings, listener)


def work(settings: Settings, listener: socket.socket) -> None:
    """Be one process of the service."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    named = [problem_named(name) for name in settings.problems] or problems()
    app = application(
        Home.open(settings.home),
        named,
        clock=settings.clock,
        with_keys=settings.needs_keys,
        durable=settings.durable,
        limits=settings.limits,
    )
    config = uvicorn.Config(
        app,
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whom nobody else can reach by it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_a_key(settings: Settings) -> None:
    if settings.needs_keys and not known_keys(Home.open(settings.home)):
        raise MLAssetsError(
            f"On {settings.host} the service needs API keys, and there is none. Make one: "
            "ml-assets keys add NAME --role predict --role feedback"
        )


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise MLAssetsError(
            f"{host}:{port} cannot be listened on: {error.strerror}. Choose another with --port."
        ) from None
    listener.listen(BACKLOG)
    return listener


def _supervise(settings: Settings, listener: socket.socket) -> None:
    """Keep as many processes running as are wanted; a signal ends them all."""
    context = multiprocessing.get_context("spawn")
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal's handler
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    workers = [
        context.Process(target=work, args=(settings, listener)) for _ in range(settings.workers)
    ]
    for worker in workers:
        worker.start()
    while not stopping:
        multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=1.0)
        for place, worker in enumerate(workers):
            if not worker.is_alive() and not stopping:
                workers[place] = context.Process(target=work, args=(settings, listener))
                workers[place].start()
    for worker in workers:
        worker.terminate()
        worker.join(STOP_SECONDS)
