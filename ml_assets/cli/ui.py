"""Open Dagster on a deployment's own home."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from ml_assets.cli.printing import say
from ml_assets.defs.instance import dagster_home, held_open
from ml_assets.errors import MLAssetsError
from ml_assets.storage import Home

HOST = "127.0.0.1"
"""Dagster's web server asks nobody for a password."""

TICK_SECONDS = "600"
"""A sensor looks through a new file, which may be large."""


def open_ui(home: Home, port: int) -> None:
    """Run `dagster dev` until Ctrl-C ends it.

    Raises:
        MLAssetsError: If something else listens on the port.
    """
    _require_free(port)
    say(f"Dagster is starting on http://{HOST}:{port}")
    say(
        f"Home: {home.path}. Schedules and sensors are off until you turn them on (Automation)."
    )
    say("Ctrl-C ends it.")
    with (
        held_open(home.path),
        subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            dagster_command(home, port), env=dagster_environment(home)
        ) as dagster,
        suppress(KeyboardInterrupt),
    ):
        # Ctrl-C reaches it by itself; what a service manager sends would end only us.
        signal.signal(signal.SIGTERM, lambda *_: dagster.terminate())
        dagster.wait()


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


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise MLAssetsError(
                f"Port {port} of {HOST} is taken. Choose another: ml-assets ui --port {port + 1}"
            ) from None
