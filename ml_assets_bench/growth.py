"""How time and memory grow with rows, from a Parquet file to `validated`, a process per size."""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ml_assets.problem import problem_named

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
SIZES = (10_000, 100_000, 1_000_000)


def measure(sizes: tuple[int, ...] = SIZES) -> None:
    """Print seconds and peak memory per size, and their growth."""
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "complaints.parquet")
            problem_named("complaints").sample(rows, np.random.default_rng(0)).to_parquet(
                source
            )
            subprocess.run(
                [sys.executable, "-c", _CALL.format(source=source, folder=folder, rows=rows)],
                check=True,
            )


_CALL = "from ml_assets_bench.growth import to_validated; to_validated({source!r}, {folder!r}, {rows})"


def to_validated(source: str, folder: str, rows: int) -> None:
    """Take one file to `validated` and say what it cost."""
    from ml_assets.ingestion import ingest, register_source, source_partitions
    from ml_assets.storage import Home
    from ml_assets.validation import admit

    problem, home = problem_named("complaints"), Home.open(folder, environment={})
    at_start = _peak_mb()
    started = time.perf_counter()
    register_source(problem, home, Path(source))
    partitions = source_partitions(problem, home)
    ingest(problem, home, partitions, run_id="bench", now=NOW)
    ingested = time.perf_counter() - started
    verdicts = [admit(problem, home, each, run_id="bench", now=NOW) for each in partitions]
    seconds = time.perf_counter() - started
    held = sum(each.rows_valid + each.rows_quarantined for each in verdicts)
    print(
        f"{rows:>11,} rows: {ingested:6.1f} s to raw, {seconds:6.1f} s to validated "
        f"({seconds / rows * 1e6:5.1f} s per million), peak {_peak_mb():,.0f} MB "
        f"({at_start:,.0f} MB before), rows in = valid + quarantined: {held == rows}",
        flush=True,
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
