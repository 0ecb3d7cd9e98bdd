"""Which columns is a feature really made from? Found out by changing them, one at a time.

Reading the code says what a function mentions; changing a column in real rows says what its result
depends on, through every helper and every way around.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_assets.features import build_features
from ml_assets.problem import Problem

SEED = 0


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
    for column in rows:
        shuffled = rows[column].iloc[order].set_axis(rows.index)
        changed = build_features(problem, rows.assign(**{str(column): shuffled}))
        for name, columns in depends.items():
            if not changed[name].equals(features[name]):
                columns.append(str(column))
    return {name: tuple(columns) for name, columns in depends.items()}
