"""The whole chain, as two processes: `ml-assets run`, and the plain script on the same files.

Both start from nothing and are timed from outside, imports and all. The platform's side ends with
gates, profiles, two competing algorithms, metrics by slice, a promotion and everything on record.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from ml_assets.problem import Problem, problem_named

COMMAND = str(Path(sys.executable).with_name("ml-assets"))
LIMITS = {1: 1.3, 30: 1.5}
"""How many times the plain script the platform may take, by partitions in the run."""


def measure(rows: int = 100_000, partitions: int = 1, repeats: int = 3) -> None:
    """Print how many times the plain script the platform takes, and what both reach."""
    problem = problem_named("complaints")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        _write(problem, source, rows=rows, partitions=partitions)
        pairs = [_pair(source, Path(folder)) for _ in range(repeats)]
    bare, platform = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{rows:,} rows in {partitions} partitions, median of {repeats}:")
    print(f"  plain script {bare:.1f} s, platform {platform:.1f} s")
    print(f"  ratio {platform / bare:.2f} (limit {LIMITS.get(partitions, 'none')})")


def plain(source: Path, folder: Path) -> None:
    """Run the plain script; the other side of the comparison, in a process of its own."""
    from ml_assets_bench.bare import run

    kpi = run(problem_named("complaints"), sorted(source.glob("*.csv")), folder)
    print(f"  plain script: roc_auc {kpi:.4f}", flush=True)


def _write(problem: Problem, source: Path, *, rows: int, partitions: int) -> None:
    """Generate the rows, one file per month."""
    source.mkdir()
    table = problem.sample(rows, np.random.default_rng(0))
    months = pd.period_range(end="2016-06", periods=partitions, freq="M")
    for month, part in zip(months, np.array_split(table.index, partitions), strict=True):
        lines = table.loc[part].copy()
        days = np.sort(np.arange(len(lines)) % 26 + 1)
        received = pd.to_datetime([f"{month}-{day:02d}" for day in days])
        lines["date_received"] = received.strftime("%m/%d/%Y")
        lines["date_sent_to_company"] = (received + pd.Timedelta(days=2)).strftime("%m/%d/%Y")
        lines.to_csv(source / f"{month}.csv", index=False)


def _pair(source: Path, folder: Path) -> tuple[float, float]:
    """Seconds of the plain script and of the platform, one after the other."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    script = [
        sys.executable,
        "-m",
        "ml_assets_bench",
        "plain",
        str(source),
        str(folder / "out"),
    ]
    command = [COMMAND, "run", "complaints", "--source", str(source), "--home", str(home)]
    bare, said = _timed(script)
    platform, outcome = _timed([*command, "--json"])
    model = json.loads(outcome)["model"]
    reached = model["metrics"]["test"][model["kpi"]]
    print(f"{said.rstrip()}\n  platform: {model['kpi']} {reached:.4f}", flush=True)
    return bare, platform


def _timed(command: list[str]) -> tuple[float, str]:
    """Seconds that a command takes, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - started, done.stdout
