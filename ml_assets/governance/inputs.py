"""Which columns is a feature really made from? Found out by changing them, one at a time.

Reading the code says what a function mentions; changing a column in real rows says what its result
depends on, through every helper and every way around.
"""

from collections.abc import Mapping, Sequence

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
    if rows.empty:
        return {str(name): () for name in build_features(problem, rows)}
    order = np.random.default_rng(SEED).permutation(len(rows))
    depends: dict[str, list[str]] = {}
    step = max(1, ROWS_AT_ONCE // len(rows))
    for first in range(0, rows.shape[1], step):
        columns = list(rows.columns[first : first + step])
        shuffled = [_shuffled(rows, column, order) for column in columns]
        features, *changed = _features_of(problem, rows, shuffled)
        for column, others in zip(columns, changed, strict=True):
            for name in features:
                found = depends.setdefault(str(name), [])
                if not others[name].equals(features[name]):
                    found.append(str(column))
    return {name: tuple(columns) for name, columns in depends.items()}


def _shuffled(rows: pd.DataFrame, column: str, order: Order) -> pd.DataFrame:
    return rows.assign(**{column: rows[column].iloc[order].set_axis(rows.index)})


def _features_of(
    problem: Problem, rows: pd.DataFrame, others: Sequence[pd.DataFrame]
) -> list[pd.DataFrame]:
    """Features of some rows, and of others of equal length, in one call if that changes nothing.

    The rows come first and last: a feature that depends on where a row stands, or on rows before
    it, differs between the two, and then each frame has a call of its own.
    """
    together = build_features(problem, pd.concat([rows, *others, rows], ignore_index=True))
    parts = [
        together.iloc[first : first + len(rows)].reset_index(drop=True)
        for first in range(0, len(together), len(rows))
    ]
    if parts[0].equals(parts.pop()):
        return parts
    return [build_features(problem, each).reset_index(drop=True) for each in (rows, *others)]
