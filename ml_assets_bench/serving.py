"""The prediction service beside MLflow's and BentoML's servers: one pipeline, machine and client.

Each is started in turn on this machine and asked by the same client, several times over. The
platform's service holds each raw row to the contract, makes its features, and has each answer in
the prediction log before the client has it; the peers get features, answer, and keep nothing.
"""

import math
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ml_assets_bench.serving_client import Measured, Target, ask_once, closed_loop, open_loop
from ml_assets_bench.serving_model import Asked, prepare
from ml_assets_bench.serving_peers import Running, Server, install, running, servers, version

MANY_ROWS = 1_000
CONNECTIONS = 16
WARM_SECONDS = 1.0
SAME_ANSWER = 1e-9

TIMES_MLFLOW_ONE_ROW = 60.0
TIMES_MLFLOW_MANY_ROWS = 2.0
LONGEST_P99_MS = 15.0
"""What the service promises: see the README."""


class Figures(NamedTuple):
    """What one server did in one turn; rates a second, times in milliseconds."""

    alone_rate: float
    alone_p50: float
    alone_p99: float
    together_rate: float
    together_p50: float
    together_p99: float
    half_p99: float
    many_rate: float
    many_p50: float
    many_p99: float
    alone_cpu: float
    together_cpu: float
    many_cpu: float


def measure(folder: Path, *, seconds: float, repeats: int, peers: bool) -> None:
    """Print what each server does, and how many times MLflow the platform's service does.

    Args:
        folder: Where the peers' environments are kept.
        seconds: Of each load.
        repeats: Turns of every server; of each figure the median counts.
        peers: Also measure the others.
    """
    found = servers(folder)[: None if peers else 1]
    if peers:
        install(folder)
        print(f"MLflow {version(folder, 'mlflow')}, BentoML {version(folder, 'bentoml')}")
    turns: dict[str, list[Figures]] = {server.name: [] for server in found}
    with tempfile.TemporaryDirectory() as model:
        asked = prepare(Path(model))
        for _ in range(repeats):
            for server in found:
                turns[server.name].append(_turn(server, Path(model), asked, seconds))
    medians = {name: _median(figures) for name, figures in turns.items()}
    _print_table(medians, repeats)
    _print_cpu(medians)
    _print_limits(medians)


def _turn(server: Server, model: Path, asked: Asked, seconds: float) -> Figures:
    """Start a server, put every load on it, and end it."""
    with running(server, model) as started:
        one, many = (server.target(started.port, asked, rows) for rows in (1, MANY_ROWS))
        _require_right(server, one, asked, rows=1)
        _require_right(server, many, asked, rows=MANY_ROWS)
        closed_loop(one, CONNECTIONS, WARM_SECONDS)
        alone, alone_cpu = _with_cpu(started, one, 1, seconds)
        together, together_cpu = _with_cpu(started, one, CONNECTIONS, seconds)
        half = open_loop(one, CONNECTIONS, seconds, together.rate / 2)
        whole, many_cpu = _with_cpu(started, many, 1, seconds)
    figures = Figures(
        alone.rate,
        alone.percentile(50),
        alone.percentile(99),
        together.rate,
        together.percentile(50),
        together.percentile(99),
        half.percentile(99),
        whole.rate,
        whole.percentile(50),
        whole.percentile(99),
        alone_cpu,
        together_cpu,
        many_cpu,
    )
    print(f"  {server.name}: {_line(figures)}", flush=True)
    return figures


def _with_cpu(
    started: Running, target: Target, connections: int, seconds: float
) -> tuple[Measured, float]:
    """What a client saw, and the milliseconds of CPU that the server took for a request."""
    before = started.cpu_seconds()
    found = closed_loop(target, connections, seconds)
    return found, 1000 * (started.cpu_seconds() - before) / found.requests


def _require_right(server: Server, target: Target, asked: Asked, *, rows: int) -> None:
    """End the benchmark when a server does not answer what the pipeline does."""
    found = np.array(server.values(ask_once(target)))
    worst = float(np.abs(found - asked.expected[:rows]).max())
    if not worst <= SAME_ANSWER:
        raise SystemExit(f"{server.name} is off by {worst} for {rows} rows.")


def _median(figures: list[Figures]) -> Figures:
    return Figures(*map(statistics.median, zip(*figures, strict=True)))


def _line(figures: Figures) -> str:
    return (
        f"1 connection {figures.alone_rate:,.0f}/s; "
        f"{CONNECTIONS} connections {figures.together_rate:,.0f}/s; "
        f"p99 at half of it {figures.half_p99:.1f} ms; "
        f"{MANY_ROWS:,} rows {figures.many_p50:.1f} ms"
    )


def _print_table(medians: dict[str, Figures], repeats: int) -> None:
    print(f"\nRequests a second, p50 and p99 in ms; median of {repeats}:")
    print(f"{'':12}{'1 row, 1 conn.':>22}{'1 row, 16 conn.':>24}{'half, p99':>11}", end="")
    print(f"{f'{MANY_ROWS:,} rows':>24}")
    for name, each in medians.items():
        alone = f"{each.alone_rate:,.0f} {each.alone_p50:.2f} {each.alone_p99:.2f}"
        together = f"{each.together_rate:,.0f} {each.together_p50:.1f} {each.together_p99:.1f}"
        many = f"{each.many_rate:,.1f} {each.many_p50:.1f} {each.many_p99:.1f}"
        print(f"{name:12}{alone:>22}{together:>24}{each.half_p99:>11.1f}{many:>24}")


def _print_cpu(medians: dict[str, Figures]) -> None:
    """CPU of a request, which neighbours on the machine change less than its time."""
    print("\nCPU of the server for a request, in ms: 1 row alone, 1 row of 16, 1,000 rows")
    for name, each in medians.items():
        print(f"{name:12}{each.alone_cpu:.2f} {each.together_cpu:.2f} {each.many_cpu:.1f}")
    print()


def _print_limits(medians: dict[str, Figures]) -> None:
    ours = medians["ml_assets"]
    _print_limit(
        f"p99 at half of the most, {CONNECTIONS} connections",
        ours.half_p99,
        most=LONGEST_P99_MS,
        unit=" ms",
    )
    for name in [name for name in medians if name != "ml_assets"]:
        peer, is_mlflow = medians[name], name == "MLflow"
        one = TIMES_MLFLOW_ONE_ROW if is_mlflow else 0.0
        many = TIMES_MLFLOW_MANY_ROWS if is_mlflow else 0.0
        for what, mine, theirs, least in (
            ("one row, 1 connection", ours.alone_rate, peer.alone_rate, one),
            (
                f"one row, {CONNECTIONS} connections",
                ours.together_rate,
                peer.together_rate,
                one,
            ),
            (f"{MANY_ROWS:,} rows", ours.many_rate, peer.many_rate, many),
        ):
            _print_limit(f"times {name}, {what}", mine / theirs, least=least, unit="x")


def _print_limit(
    what: str, value: float, *, least: float = 0.0, most: float = math.inf, unit: str
) -> None:
    holds = "holds" if least <= value <= most else "DOES NOT HOLD"
    limit = f"at least {least:g}" if least else f"at most {most:g}"
    asked = f" ({limit}{unit}: {holds})" if least or most < math.inf else ""
    print(f"{what}: {value:.1f}{unit}{asked}")
