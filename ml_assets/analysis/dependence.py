"""What a version depends on: its features shuffled one by one, on the quickest path that is exact.

The compiled model answers columns in microseconds a row; it is asked when its answers are those of
the pipeline, and the pipeline is asked otherwise.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from ml_assets.analysis.analysis import ModelImportance
from ml_assets.analysis.shapley import is_installed, shares_of_trees
from ml_assets.errors import NotCompilable
from ml_assets.evaluation.importance import (
    Answering,
    Columns,
    Contribution,
    contributions,
    described,
    permutation_importance,
)
from ml_assets.features import load_training_set, training_frame
from ml_assets.inference.compiled import compile_pipeline
from ml_assets.inference.featuring import features_of
from ml_assets.inference.linear import linear_of
from ml_assets.inference.links import EXPONENTIAL, IDENTITY, LOGISTIC
from ml_assets.problem import Problem
from ml_assets.registry import Bundle
from ml_assets.storage import Home

Array = npt.NDArray[np.float64]
Path = Literal["direct", "pipeline"]

MOST_ROWS = 2_000
SAME = 1e-9
TYPES = {"text": "str", "number": "float64"}

SCORES = ((LOGISTIC, logit), (EXPONENTIAL, np.log), (IDENTITY, np.asarray))
"""Links, and the way back from an answer to a score."""


def importance_of(problem: Problem, home: Home, bundle: Bundle) -> ModelImportance:
    """Measure what a version depends on, on at most 2,000 of its test rows.

    Raises:
        TrainingError: If the lake no longer has the rows.
    """
    config, names = problem.config, bundle.manifest.signature.features
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    share = min(1.0, MOST_ROWS / max(training_set.rows.get("test", 0), 1))
    rows = training_frame(
        problem, home, training_set, splits=("test",), columns=list(names), share=share
    )
    columns = features_of(rows, names)
    answer, path = answering(bundle, columns)
    exact, why_not = _exact(bundle, columns, answer)
    return ModelImportance(
        metric=config.kpi.metric,
        rows=len(rows),
        features=permutation_importance(
            config.kpi.metric,
            rows["label"].to_numpy(),
            columns,
            answer,
            threshold=bundle.threshold,
            confidence=config.promotion.confidence,
            seed=config.training.seed,
        ),
        contributions=exact,
        why_not_exact=why_not,
        path=path,
    )


def answering(bundle: Bundle, columns: Columns) -> tuple[Answering, Path]:
    """The quickest way to ask a model about columns that says the same about `columns`."""

    def by_pipeline(asked: Columns) -> Array:
        return bundle.predict(_frame(asked, bundle))

    try:
        many = compile_pipeline(bundle.pipeline).many
    except NotCompilable:
        return by_pipeline, "pipeline"
    if not np.allclose(many(columns), by_pipeline(columns), rtol=0, atol=SAME):
        return by_pipeline, "pipeline"  # also where the direct path has no answer (NaN)
    return many, "direct"


def _frame(columns: Columns, bundle: Bundle) -> pd.DataFrame:
    names = bundle.manifest.signature.features
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=TYPES[kind]) for name, kind in names.items()}
    )


def _of_trees(
    bundle: Bundle, columns: Columns, name: str
) -> tuple[tuple[Contribution, ...] | None, str | None]:
    if not is_installed():
        return None, f"{name} is no linear model (the extra shap gives the shares of trees)"
    shares = shares_of_trees(bundle, _frame(columns, bundle))
    if shares is None:
        return None, f"{name} is unknown to shap"
    return described(columns, shares), None


def _exact(
    bundle: Bundle, columns: Columns, answer: Answering
) -> tuple[tuple[Contribution, ...] | None, str | None]:
    """Shares of the score by feature, or why there are none."""
    estimator = bundle.pipeline.steps[-1][1]
    name = type(estimator).__name__
    try:
        linear = linear_of(estimator)
    except ValueError as error:
        return None, f"{name}: {error}"
    if linear is None:
        return _of_trees(bundle, columns, name)
    back = next((inverse for link, inverse in SCORES if link is linear.link), None)
    if back is None:
        return None, f"{name} cuts its scores off, so they cannot be told from its answers"
    with np.errstate(divide="ignore", invalid="ignore"):
        found = contributions(columns, lambda asked: back(answer(asked)))
    if found is None:
        return None, "the shares do not add up to the scores: an encoder mixes features"
    return found, None
