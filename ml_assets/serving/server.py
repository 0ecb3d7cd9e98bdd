"""Running the service: one process or several on one port."""

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette

from ml_assets.errors import MLAssetsError
from ml_assets.problem import Problem, problem_named, problems
from ml_assets.serving.app import application
from ml_assets.serving.connection import Connection
from ml_assets.serving.keys import is_loopback, known_keys
from ml_assets.serving.reading import Limits
from ml_assets.serving.supervising import supervise
from ml_assets.storage import Home

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 30
"""How long requests that are under way may take when the service ends."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000

LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(message)s"


class Settings(NamedTuple):
    """How a service is run.

    Attributes:
        clock: Says what time it is; a function of a module, so that other processes find it.
        home: The deployment's folder; by default the one that the environment names.
        problems: Names of those that are served; every installed one by default.
        port: 0 for any that is free.
        with_keys: Ask for API keys; always beyond this machine.
        durable: See `application`.
        grpc_port: Where gRPC is answered, on the same host; None where it is not.
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
    grpc_port: int | None = None

    @property
    def grpc_address(self) -> str | None:
        """Where gRPC is answered."""
        return None if self.grpc_port is None else _joined(self.host, self.grpc_port)

    @property
    def needs_keys(self) -> bool:
        """Whether a request needs a key."""
        return self.with_keys or not is_loopback(self.host)


def serve(settings: Settings, *, listening: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Args:
        settings: How.
        listening: Called with the address once the port is open.

    Raises:
        MLAssetsError: If the port is taken, a problem is not installed, or keys are needed and
            there is none.
    """
    served_problems(settings)
    _require_a_key(settings)
    with (
        _listener(settings.host, settings.port) as listener,
        _with_grpc_port(settings) as opened,
    ):
        listening(_address(listener))
        if settings.workers == 1:
            work(opened, listener)
        else:
            _log_to_stderr()
            with TemporaryDirectory(prefix="ml_assets_counts_") as counts:
                one = partial(work, opened, counts=Path(counts))
                supervise(one, listener, workers=settings.workers)


def work(settings: Settings, listener: socket.socket, *, counts: Path | None = None) -> None:
    """Be one process of the service; several of them share their counts in a folder."""
    _end_well_when_told()
    _log_to_stderr()
    app = application(
        Home.open(settings.home),
        served_problems(settings),
        clock=settings.clock,
        with_keys=settings.needs_keys,
        durable=settings.durable,
        limits=settings.limits,
        counts=counts,
        grpc_address=settings.grpc_address,
    )
    _Server(config_of(app)).run(sockets=[listener])


def config_of(app: Starlette) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        proxy_headers=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class _Server(uvicorn.Server):
    """One that has put aside what it was started with when the first request comes.

    Looking through all of it for garbage, as Python does now and then, kept requests waiting for
    up to 140 ms.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load everything, then begin to answer."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def served_problems(settings: Settings) -> Sequence[Problem]:
    """Those that were named, or every installed one.

    Raises:
        ProblemError: If one of them is not installed.
    """
    return [problem_named(name) for name in settings.problems] or problems()


def _require_a_key(settings: Settings) -> None:
    if settings.needs_keys and not known_keys(Home.open(settings.home)):
        raise MLAssetsError(
            f"On {settings.host} the service needs API keys, and there is none. Make one: "
            "ml-assets keys add NAME --role predict --role feedback"
        )


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Keep a port for processes that each open it for themselves, as gRPC does.

    A socket that is bound but does not listen gets no connections.

    Raises:
        MLAssetsError: If somebody else has it.
    """
    # The next socket would share the port with whoever has it, so this one asks first.
    _bound(host, port, option="--grpc-port").close()
    with socket.socket(_family(host)) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((host, port))
        yield kept.getsockname()[1]


@contextmanager
def _with_grpc_port(settings: Settings) -> Iterator[Settings]:
    if settings.grpc_port is None:
        yield settings
        return
    with reserved_port(settings.host, settings.grpc_port) as port:
        yield settings._replace(grpc_port=port)


def _listener(host: str, port: int) -> socket.socket:
    listener = _bound(host, port, option="--port")
    listener.listen(BACKLOG)
    return listener


def _bound(host: str, port: int, *, option: str) -> socket.socket:
    bound = socket.socket(_family(host))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        why = error.strerror if isinstance(error, OSError) else error
        raise MLAssetsError(
            f"{host}:{port} cannot be listened on: {why}. Choose another with {option}."
        ) from None
    return bound


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _address(listener: socket.socket) -> str:
    return f"http://{_joined(*listener.getsockname()[:2])}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)


def _end_well_when_told() -> None:
    """Exit with 0 on a signal: also before uvicorn listens to it, and after it has drained."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal's handler
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
