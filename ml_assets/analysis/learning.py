"""Would more rows help? The winner's estimator, fitted on growing shares of its training rows."""

import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml_assets.analysis.analysis import LearningPoint
from ml_assets.evaluation import measure
from ml_assets.evaluation.weaknesses import number
from ml_assets.features import load_training_set, training_frame
from ml_assets.problem import Problem
from ml_assets.registry import Bundle
from ml_assets.storage import Home
from ml_assets.training.estimators import kind_named, predictions, unfitted
from ml_assets.training.training import encoder_of, own_by

MOST_ROWS = 5_000
"""That are fitted on; with more, a curve would take longer than the rest of the analysis."""

SHARES = (0.1, 0.25, 0.5, 1.0)
LEAST_ROWS = 50


def learning_curve(problem: Problem, home: Home, bundle: Bundle) -> tuple[LearningPoint, ...]:
    """Fit the estimator that won on shares of its train rows, measured on the validation rows.

    Returns:
        A point for each share; none where the estimator left `config.yaml`, learns batch by batch
        (its curve over epochs is kept with the training), or there are too few rows.
    """
    config = problem.config
    name = bundle.manifest.algorithm.estimator
    if name not in config.training.estimators:
        return ()
    declared = config.training.estimators[name]
    kind = kind_named(name, declared, predicts=config.kind)
    if kind.learns != "at once":
        return ()
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    share = min(1.0, MOST_ROWS / max(training_set.rows.get("train", 0), 1))
    features = list(config.training.encoders)
    train, validation = (
        training_frame(
            problem, home, training_set, splits=(split,), columns=features, share=share
        )
        for split in ("train", "validation")
    )
    order = np.random.default_rng(config.training.seed).permutation(len(train))
    points = []
    for part in SHARES:
        rows = train.iloc[np.sort(order[: round(part * len(train))])]
        if len(rows) < LEAST_ROWS or (config.kind == "binary" and rows["label"].nunique() == 1):
            continue
        encode = encoder_of(problem, kind.family, own_by(problem, name))
        training = config.training
        model = unfitted(name, declared, kind, seed=training.seed, target=training.target)
        with threadpool_limits(1):
            fitted = Pipeline([("encode", encode), ("model", model)])
            fitted.fit(rows[features], rows["label"].to_numpy())
        kpis = [
            measure([config.kpi.metric], each["label"], predictions(fitted, each[features]))
            for each in (rows, validation)
        ]
        points.append(LearningPoint(len(rows), *(number(*kpi.values()) for kpi in kpis)))
    return tuple(points)
