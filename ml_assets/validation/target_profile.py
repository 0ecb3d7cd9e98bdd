"""How the labels of a regression are distributed, and what follows for its KPI.

Of a binary problem the share of positive labels says everything; it is in `profiling`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ml_assets.problem import Problem

BINS = 9
WIDE = 10.0
"""When the largest label is so many times the smallest, bins grow by a factor instead of a step."""


WHOLE = 1_000
"""From here up, edges are written without decimals."""

IN_THE_UNIT_OF_LABELS = ("mae", "rmse", "r2")
"""Metrics in which large labels count for more than small ones."""


class Distribution(NamedTuple):
    """Labels in bins."""

    edges: tuple[float, ...]
    """From the smallest label to the largest; one more than there are bins."""
    counts: tuple[int, ...]
    low: float
    """A tenth of the labels lies below."""
    median: float
    high: float
    """And a tenth above."""

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """Each bin, by its ends, and its share of the labels."""
        total = max(sum(self.counts), 1)
        ends = zip(self.edges, self.edges[1:], strict=False)
        return tuple(
            (f"{written(first)} to {written(last)}", count / total)
            for (first, last), count in zip(ends, self.counts, strict=True)
        )

    @property
    def sentence(self) -> str:
        """From where to where they go."""
        ends = f"{written(self.edges[0])} to {written(self.edges[-1])}"
        return f"{ends}, half of them above {written(self.median)}"


def written(value: float) -> str:
    """A label as people read it."""
    return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:,.4g}"


def distribution_of(problem: Problem, target: pd.Series) -> Distribution | None:
    """Put the labels of a regression into bins; None where there are none, or two classes."""
    labels = target.dropna().to_numpy(dtype=np.float64)
    if problem.config.kind == "binary" or not len(labels):
        return None
    low, median, high = np.quantile(labels, [0.1, 0.5, 0.9])
    smallest, largest = labels.min(), labels.max()
    if smallest == largest:
        edges, counts = np.array([smallest, largest]), np.array([len(labels)])
    else:
        space = np.geomspace if 0 < WIDE * smallest < largest else np.linspace
        edges = space(smallest, largest, BINS + 1)
        edges[0], edges[-1] = smallest, largest  # rounding would leave the ends out
        counts, edges = np.histogram(labels, np.unique(edges))
    return Distribution(
        tuple(edges.tolist()), tuple(counts.tolist()), float(low), float(median), float(high)
    )


def advice(problem: Problem, labels: Distribution | None) -> Iterator[str]:
    """What a KPI should know of labels like these."""
    if labels is None:
        return
    config = problem.config
    spread = f"A tenth of {problem.target} lies below {written(labels.low)}, a tenth above {written(labels.high)}"
    is_settled = (
        config.training.target.transform == "log"
        and config.kpi.metric not in IN_THE_UNIT_OF_LABELS
    )
    if is_settled or not 0 < WIDE * labels.low < labels.high:
        yield f"{spread}; always answering {written(labels.median)} is the baseline to beat."
        return
    yield (
        f"{spread}, {labels.high / labels.low:,.0f} times as much: errors of the large ones drown "
        "those of the small ones. Take median_ape or mape as KPI, and training.target.transform: log."
    )
