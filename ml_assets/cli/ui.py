"""Open Dagster on a deployment's own home, with the prediction service beside it."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml_assets.cli.printing import say
from ml_assets.defs.instance import dagster_home
from ml_assets.errors import MLAssetsError
from ml_assets.storage import Home

HOST = "127.0.0.1"
"""Dagster's web server asks nobody for a password."""

TICK_SECONDS = "600"
"""A sensor looks through a new file, which may be large."""

STOP_SECONDS = 40
"""A little longer than the service gives to requests that are under way."""


def open_ui(home: Home, port: int, *, service_port: int | None) -> None:
    """Run `dagster dev` until Ctrl-C ends it.

    Args:
        home: The deployment.
        port: Of Dagster.
        service_port: Of the prediction service, 0 for any that is free; None for no service.

    Raises:
        MLAssetsError: If something else listens on a port.
    """
    _require_free(port, f"ml-assets ui --port {port + 1}")
    if service_port is not None:
        other = f"ml-assets ui --service-port {service_port + 1} (or --no-service)"
        _require_free(service_port, other)
    _show_experiments(home)
    say(f"Dagster is starting on http://{HOST}:{port}")
    say(
        f"Home: {home.path}. Schedules and sensors are off until you turn them on (Automation)."
    )
    say("Ctrl-C ends it.")
    # A shell that starts it with & has interrupts ignored; Dagster ends its processes by them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        service_beside(home, service_port),
        subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            dagster_command(home, port), env=dagster_environment(home)
        ) as dagster,
        suppress(KeyboardInterrupt),
    ):
        # Ctrl-C reaches it by itself; what a service manager sends would end only us.
        signal.signal(signal.SIGTERM, lambda *_: dagster.terminate())
        dagster.wait()


def _show_experiments(home: Home) -> None:
    """Tell Dagster of what was declared or run in a terminal since it was last open."""
    from ml_assets.defs.runs import tick_here
    from ml_assets.defs.wiring import definitions_of
    from ml_assets.experiments import experiments
    from ml_assets.problem import Declared, problems

    for problem in problems():
        if experiments(problem, home):
            definitions = definitions_of(Declared.of(problem))
            tick_here(definitions, f"{problem.name}_experiments", home=home)


@contextmanager
def service_beside(home: Home, port: int | None) -> Iterator[None]:
    """Run the prediction service in a process of its own while the block runs."""
    if port is None:
        yield
        return
    context = multiprocessing.get_context("spawn")
    service = context.Process(target=_serve, args=(home.path, port))
    service.start()
    try:
        yield
    finally:
        service.terminate()
        service.join(STOP_SECONDS)
        service.kill()
        service.join()


def _serve(home: Path, port: int) -> None:
    """Be the prediction service, and end with the process that started it."""
    # Ctrl-C reaches it while it imports; it is told to end anyway.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from ml_assets.cli.clock import now
    from ml_assets.cli.serve import run_service
    from ml_assets.serving.server import Settings
    from ml_assets.serving.supervising import end_with_parent

    end_with_parent()
    try:
        run_service(Settings(clock=now, home=home, port=port))
    except MLAssetsError as error:
        sys.exit(f"The prediction service does not start. {type(error).__name__}: {error}")


def dagster_command(home: Home, port: int) -> list[str]:
    """Start Dagster's web server and its daemon."""
    workspace = dagster_home(home.path) / "workspace.yaml"
    # Dagster warns of itself: `dg dev` is to replace this, and asks for a project's folder.
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", str(workspace)]
    return [*command, "-h", HOST, "-p", str(port)]


def dagster_environment(home: Home) -> dict[str, str]:
    """Where Dagster finds its own home and ours."""
    return {
        **os.environ,
        "ML_ASSETS_HOME": str(home.path),
        "DAGSTER_HOME": str(dagster_home(home.path)),
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
        "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
    }


def _require_free(port: int, another: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise MLAssetsError(
                f"Port {port} of {HOST} is taken. Choose another: {another}"
            ) from None
