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
    features = build_features(problem, rows)
    order = np.random.default_rng(SEED).permutation(len(rows))
    depends: dict[str, list[str]] = {str(name): [] for name in features}
    step = max(1, ROWS_AT_ONCE // len(rows))
    for first in range(0, rows.shape[1], step):
        columns = list(rows.columns[first : first + step])
        changed = build_features(problem, _shuffled(rows, columns, order))
        for place, column in enumerate(columns):
            part = changed.iloc[place * len(rows) : (place + 1) * len(rows)]
            for name, found in depends.items():
                if not part[name].set_axis(features.index).equals(features[name]):
                    found.append(str(column))
    return {name: tuple(columns) for name, columns in depends.items()}


def _shuffled(rows: pd.DataFrame, columns: Sequence[str], order: Order) -> pd.DataFrame:
    """The rows once for each column, under each other, with that column of them shuffled."""
    parts = [
        rows.assign(**{column: rows[column].iloc[order].set_axis(rows.index)})
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True)
