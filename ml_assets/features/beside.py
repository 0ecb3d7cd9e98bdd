"""Columns of the validated rows beside rows that are known by their key, for audits and slices.

What no feature may read is still needed to see how a model treats people; it is looked up here,
used, and kept nowhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.features.view import PARTITION
from ml_assets.problem import Problem
from ml_assets.storage import Home


class Beside(NamedTuple):
    """Columns for n rows."""

    columns: pd.DataFrame
    """n rows in the order of the keys; missing where the row was not found."""
    found: npt.NDArray[np.bool_]
    """Whether each row is among the validated ones; rows of feedback are not."""


def columns_beside(
    problem: Problem, home: Home, keys: pd.DataFrame, names: Sequence[str]
) -> Beside:
    """Look up columns of validated rows.

    Args:
        problem: `names` are columns of its contract.
        home: Where the validated rows are.
        keys: n rows; columns: the entity id, the event time, partition.
        names: Columns that are wanted.
    """
    on = [problem.entity_id, problem.event_time, PARTITION]
    table = f"{problem.name}/validated"
    live = home.lake.partitions(table)
    stored = home.lake.read(
        table,
        partitions=[name for name in sorted(set(keys[PARTITION])) if name in live],
        columns=list(dict.fromkeys([*on, *names])),
    )
    rows = stored.to_pandas().drop_duplicates(on).assign(_is_there=True)
    joined = keys[on].merge(rows, on=on, how="left", validate="m:1")
    there = joined["_is_there"].notna().to_numpy()
    return Beside(joined[list(names)], there)
