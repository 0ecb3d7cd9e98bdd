"""The metrics of 199 slices: beside numpy by hand, and beside fairlearn's MetricFrame.

By hand, the rows are sorted once and every metric is a reduction: areas under ROC curves, accuracy,
precision, recall and Brier score, without intervals and without p-values. fairlearn has an
environment of its own, made once; it computes the same five of each slice with scikit-learn.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.slices import measure_slices
from ml_assets.evaluation.weaknesses import scan_slices
from ml_assets.fingerprint import library_versions
from ml_assets_bench.environments import environment

Array = npt.NDArray[np.float64]

SLICES = 199
METRICS = ["roc_auc", "accuracy", "precision", "recall", "brier"]
LIMIT = 2.0
SAME = ("scikit-learn", "numpy", "pandas", "scipy")

FAIRLEARN = """
import json, sys, time
import fairlearn, numpy as np
from fairlearn.metrics import MetricFrame
from sklearn import metrics

rows = np.load(sys.argv[1])
y, p, codes = rows["y"], rows["p"], rows["codes"]

def decided(function):
    return lambda y, p: function(y, p >= 0.5)

wanted = {
    "roc_auc": metrics.roc_auc_score,
    "accuracy": decided(metrics.accuracy_score),
    "precision": decided(metrics.precision_score),
    "recall": decided(metrics.recall_score),
    "brier": metrics.brier_score_loss,
}
seconds = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    frame = MetricFrame(metrics=wanted, y_true=y, y_pred=p, sensitive_features=codes)
    table = frame.by_group
    seconds.append(time.perf_counter() - started)
values = {name: table[name].tolist() for name in wanted}
print(json.dumps({"version": fairlearn.__version__, "seconds": seconds, "values": values}))
"""


class Rows(NamedTuple):
    """Labels, probabilities, and the number of each row's slice."""

    y: Array
    p: Array
    codes: npt.NDArray[np.intp]


def measure(folder: Path, rows: int = 100_000, repeats: int = 5, *, peers: bool = True) -> None:
    """Print how long everybody takes, after comparing their numbers."""
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.arange(rows) % SLICES)
    y = (rng.random(rows) < 0.3).astype(float)
    prediction = 1 / (1 + np.exp(-(y - 1 + rng.normal(size=rows))))
    names = np.char.mod("s%03d", codes)
    columns = {"slice": names}
    ways = {
        "numpy by hand": lambda: by_hand(y, prediction, codes),
        "measure_slices": lambda: measure_slices(METRICS, y, prediction, columns),
        "with intervals": lambda: scan_slices(METRICS, y, prediction, columns),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    ours = {
        int(one.value[1:]): list(one.metrics.values())
        for one in measure_slices(METRICS, y, prediction, columns)
    }
    expected = by_hand(y, prediction, codes)
    _require_same("measure_slices", np.array([ours[code] for code in range(SLICES)]), expected)
    _print(medians, rows)
    if peers:
        seconds = _beside_fairlearn(folder, Rows(y, prediction, codes), expected)
        print(f"{seconds / medians['numpy by hand']:.1f} times the limit by hand")


def by_hand(y: Array, prediction: Array, codes: npt.NDArray[np.intp]) -> Array:
    """Five metrics of every slice, shape (slices, 5): one sort, then reductions."""
    order = np.lexsort((prediction, codes))
    y, prediction, codes = y[order], prediction[order], codes[order]
    counts = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    is_new = np.ones(len(y), dtype=bool)
    is_new[1:] = (prediction[1:] != prediction[:-1]) | (codes[1:] != codes[:-1])
    ties = np.flatnonzero(is_new)
    firsts = np.searchsorted(ties, starts)
    positive, negative = np.add.reduceat(y, ties), np.add.reduceat(1 - y, ties)
    until = np.cumsum(negative)
    lengths = np.diff(np.append(firsts, len(ties)))
    below = until - negative / 2 - np.repeat(until[firsts] - negative[firsts], lengths)
    positives = np.add.reduceat(positive, firsts)
    area = np.add.reduceat(positive * below, firsts) / positives / (counts - positives)
    decided = (prediction >= 0.5).astype(float)
    terms = np.stack([y == decided, y * decided, decided, (y - prediction) ** 2], axis=1)
    right, hits, yes, squares = np.add.reduceat(terms, starts, axis=0).T
    return np.stack(
        [area, right / counts, hits / yes, hits / positives, squares / counts], axis=1
    )


def _beside_fairlearn(folder: Path, rows: Rows, expected: Array) -> float:
    """Let fairlearn measure the same, and compare the numbers; its best seconds."""
    versions = library_versions(*SAME)
    pinned = [f"{name}=={versions[name]}" for name in SAME]
    python = environment(folder / "fairlearn", ["fairlearn", *pinned])
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "rows.npz"
        np.savez(file, **rows._asdict())
        command = [str(python), "-c", FAIRLEARN, str(file), "2"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    theirs = np.array([found["values"][name] for name in METRICS]).T
    _require_same("fairlearn", theirs, expected)
    seconds = min(found["seconds"])
    print(f"fairlearn {found['version']}, MetricFrame: {1000 * seconds:.1f} ms")
    return seconds


def _require_same(whose: str, values: Array, expected: Array) -> None:
    if not np.allclose(values, expected, rtol=0, atol=1e-9):
        raise SystemExit(f"{whose} has other numbers: up to {abs(values - expected).max():.2g}")


def _print(medians: dict[str, float], rows: int) -> None:
    limit = medians["numpy by hand"]
    print(
        f"{len(METRICS)} metrics of {SLICES} slices, {rows:,} rows; the same numbers everywhere"
    )
    for name, seconds in medians.items():
        print(
            f"{name:16} {1000 * seconds:8.1f} ms, {seconds / limit:.1f} times (limit {LIMIT:g})"
        )
