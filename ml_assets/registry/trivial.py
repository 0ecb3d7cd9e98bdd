"""What the baseline answers on the rows that a version is measured on.

It learns from the labels of the same rows as the version: one constant, or one for each value of a
feature. Which constants are tried is in `evaluation.baseline`.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.evaluation import baseline_by_group, baseline_predictions
from ml_assets.features import (
    TrainingSet,
    load_training_set,
    training_batches,
    training_set_table,
)
from ml_assets.features.view import LABEL, SPLIT
from ml_assets.problem import Problem
from ml_assets.problem.config import Training
from ml_assets.registry.versions import ModelVersion
from ml_assets.storage import Home
from ml_assets.training.intervals import Intervals, scale_of

Array = npt.NDArray[np.float64]


def baseline_answers(
    problem: Problem, home: Home, version: ModelVersion, keys: pd.DataFrame
) -> Array:
    """What the trivial model answers that learned from the same rows as the version.

    Args:
        problem: Its configuration says whether the baseline has a constant for each group.
        home: Where the training set is.
        version: Whose training set it learns from.
        keys: n rows that are asked about; columns: the entity id, the event time, partition.

    Returns:
        n numbers, or n rows of value, lower and upper end where the problem asks for intervals.
    """
    training_set = load_training_set(problem, home, version.training_set)
    config = problem.config
    if (by := config.baseline.by) is None:
        known = home.lake.read(
            training_set_table(problem), version=training_set.version, columns=[LABEL, SPLIT]
        ).to_pandas()
        labels = known.loc[known[SPLIT] != "test", LABEL]
        every = baseline_predictions(
            config.kind, labels, len(labels) + len(keys), metric=config.kpi.metric
        )
    else:
        known = _with_feature(problem, home, training_set, by)
        learned = known[known[SPLIT] != "test"]
        on = [problem.entity_id, problem.event_time]
        asked = keys.merge(known.drop_duplicates(on)[[*on, by]], on=on, how="left")
        labels = learned[LABEL]
        every = baseline_by_group(
            config.kind,
            labels,
            learned[by],
            pd.concat([learned[by], asked[by]]),
            metric=config.kpi.metric,
            min_rows=config.baseline.min_rows,
        )
    return _with_shared_ends(config.training, labels.to_numpy(dtype=np.float64), every)


def _with_shared_ends(training: Training, labels: Array, every: Array) -> Array:
    """The answers that come after those to `labels`, with intervals where models have them."""
    answers = every[len(labels) :]
    if training.interval is None:
        return answers
    learned = every[: len(labels)]
    scale = scale_of(training)
    return Intervals.calibrated(training.interval, scale, labels, learned).with_ends(
        answers, None
    )


def _with_feature(
    problem: Problem, home: Home, training_set: TrainingSet, feature: str
) -> pd.DataFrame:
    """Entity id, event time, label, split and one feature of every row of a training set."""
    batches = training_batches(problem, home, training_set, columns=[feature])
    return pd.concat(list(batches), ignore_index=True)
