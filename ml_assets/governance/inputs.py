"""Which columns is a feature really made from? Found out by changing them, one at a time.

Reading the code says what a function mentions; changing a column in real rows says what its result
depends on, through every helper and every way around.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.features import build_features
from ml_assets.problem import Problem

Order = npt.NDArray[np.intp]

SEED = 0
ROWS_AT_ONCE = 20_000
"""That features are built of in one call; most of what a call of few rows costs is the call."""


def inputs_of_features(problem: Problem, rows: pd.DataFrame) -> Mapping[str, tuple[str, ...]]:
    """Find the columns that each feature depends on in some rows.

    Args:
        problem: Whose features.
        rows: n rows with the contract's types; each of their columns is shuffled in turn, also those
            that no feature may read.

    Returns:
        Feature to the columns whose change changed it in at least one row.
    """
    order = np.random.default_rng(SEED).permutation(len(rows))
    depends: dict[str, list[str]] = {}
    step = max(1, ROWS_AT_ONCE // len(rows))
    for first in range(0, rows.shape[1], step):
        columns = list(rows.columns[first : first + step])
        features, *changed = _features_of(problem, [rows, *_shuffled(rows, columns, order)])
        for column, others in zip(columns, changed, strict=True):
            for name in features:
                found = depends.setdefault(str(name), [])
                if not others[name].equals(features[name]):
                    found.append(str(column))
    return {name: tuple(columns) for name, columns in depends.items()}


def _shuffled(
    rows: pd.DataFrame, columns: Sequence[str], order: Order
) -> Iterator[pd.DataFrame]:
    """The rows once for each column, with that column of them shuffled."""
    for column in columns:
        yield rows.assign(**{column: rows[column].iloc[order].set_axis(rows.index)})


def _features_of(problem: Problem, frames: Sequence[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Features of frames of equal length.

    Made in one call: where a feature depends on the rows beside it, all frames see the same ones.
    """
    features = build_features(problem, pd.concat(frames, ignore_index=True))
    rows = len(frames[0])
    for first in range(0, len(features), rows):
        yield features.iloc[first : first + rows].reset_index(drop=True)
