"""The servers that are compared: each a process of its own, the peers in their own environments.

The environments are made once and kept. Each server runs one process, as it does by default or as
its command says, since the question is what one core does.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from ml_assets.fingerprint import library_versions
from ml_assets_bench.environments import environment
from ml_assets_bench.serving_client import Target
from ml_assets_bench.serving_model import Asked

SAME = ("scikit-learn", "numpy", "pandas", "scipy", "skops")
"""Libraries that the peers have in the version that is installed here."""

START_SECONDS = 120.0
STOP_SECONDS = 15.0

SAVE_MLFLOW = """
import sys
import mlflow.sklearn, skops.io

pipeline = skops.io.load(sys.argv[1], trusted=skops.io.get_untrusted_types(file=sys.argv[1]))
mlflow.sklearn.save_model(pipeline, sys.argv[2], pyfunc_predict_fn="predict_proba", pip_requirements=[])
"""

BENTO_SERVICE = """
import bentoml, pandas as pd, skops.io

FILE = {file!r}

@bentoml.service(workers=1)
class Complaints:
    def __init__(self):
        self.pipeline = skops.io.load(FILE, trusted=skops.io.get_untrusted_types(file=FILE))

    @bentoml.api
    def predict(self, rows: dict) -> list[float]:
        frame = pd.DataFrame(rows["data"], columns=rows["columns"])
        return self.pipeline.predict_proba(frame)[:, 1].tolist()
"""


class Running(NamedTuple):
    """A server that runs: its port, and its first process."""

    port: int
    process: int

    def cpu_seconds(self) -> float:
        """CPU time of all its processes until now; Linux only, 0 elsewhere."""
        parents, ticks = _processes()
        family = {self.process}
        while news := {child for child, parent in parents.items() if parent in family} - family:
            family |= news
        return sum(ticks.get(each, 0) for each in family) / os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A server, and how it is talked to."""

    name: str
    command: Callable[[Path, int], list[str]]
    """Starts it, given the folder of the model and a port."""
    health: str
    path: str
    bodies: Callable[[Asked, int], list[bytes]]
    """What it is asked about so many rows."""
    values: Callable[[bytes], list[float]]
    """The probabilities in its answer."""

    def target(self, port: int, asked: Asked, rows: int) -> Target:
        """Where to send requests with so many rows."""
        return Target(port, self.path, self.bodies(asked, rows))


def servers(folder: Path) -> list[Server]:
    """The platform's service, and the peers that are installed in `folder`."""
    return [
        Server(
            "ml_assets",
            lambda model, port: [
                str(Path(sys.executable).with_name("ml-assets")),
                *("serve", "complaints", "--home", str(model / "home"), "--port", str(port)),
            ],
            "/ready",
            "/complaints/predict",
            lambda asked, rows: asked.raw_bodies(rows),
            _ours,
        ),
        Server(
            "MLflow",
            lambda model, port: _mlflow(folder / "mlflow", model, port),
            "/health",
            "/invocations",
            lambda asked, rows: asked.feature_bodies(rows, "dataframe_split"),
            lambda body: [second for _, second in orjson.loads(body)["predictions"]],
        ),
        Server(
            "BentoML",
            lambda model, port: _bentoml(folder / "bentoml", model, port),
            "/readyz",
            "/predict",
            lambda asked, rows: asked.feature_bodies(rows, "rows"),
            orjson.loads,
        ),
    ]


def install(folder: Path) -> None:
    """Make the peers' environments where they are missing."""
    versions = library_versions(*SAME)
    pinned = [f"{name}=={versions[name]}" for name in SAME]
    for name in ("mlflow", "bentoml"):
        environment(folder / name, [name, *pinned])


def version(folder: Path, name: str) -> str:
    """Which version of a peer is installed."""
    ask = f"from importlib.metadata import version; print(version({name!r}))"
    command = [str(folder / name / "bin" / "python"), "-c", ask]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running(server: Server, model: Path) -> Iterator[Running]:
    """A server that runs while the block does."""
    port = _free_port()
    log = model / f"{server.name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            server.command(model, port),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=model,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_for(process, f"http://127.0.0.1:{port}{server.health}", log)
            yield Running(port, process.pid)
        finally:
            _end(process)


def _processes() -> tuple[dict[int, int], dict[int, int]]:
    """Every process to its parent, and to the ticks of CPU that it has had."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            # The name, in parentheses, may have spaces.
            fields = stat.read_text().rpartition(")")[2].split()
            process = int(stat.parent.name)
            parents[process] = int(fields[1])
            ticks[process] = sum(map(int, fields[11:15]))
    return parents, ticks


def _mlflow(own: Path, model: Path, port: int) -> list[str]:
    saved = model / "mlflow_model"
    if not saved.exists():
        python = str(own / "bin" / "python")
        command = [python, "-c", SAVE_MLFLOW, str(model / "pipeline.skops"), str(saved)]
        subprocess.run(command, check=True, cwd=model, capture_output=True)
    options = ["--env-manager", "local", "--workers", "1", "--host", "127.0.0.1"]
    # MLflow starts its server by a shell that looks for uvicorn on the path.
    path = f"{own / 'bin'}:{os.environ['PATH']}"
    mlflow = str(own / "bin" / "mlflow")
    serve = [mlflow, "models", "serve", "-m", str(saved), "--port", str(port), *options]
    return ["env", f"PATH={path}", *serve]


def _bentoml(own: Path, model: Path, port: int) -> list[str]:
    source = BENTO_SERVICE.format(file=str(model / "pipeline.skops"))
    (model / "bento_service.py").write_text(source, encoding="utf-8")
    bentoml = str(own / "bin" / "bentoml")
    at = ["--host", "127.0.0.1", "--port", str(port)]
    return [bentoml, "serve", "bento_service:Complaints", *at]


def _ours(body: bytes) -> list[float]:
    answer = orjson.loads(body)
    found = answer.get("predictions", [answer])
    return [each["prediction"] for each in found]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - a server of our own
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise SystemExit(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
