"""Everything there is to know about a fitted model, in one object; and what it would say instead.

`analyse` measures a version whole (metrics with intervals, curves, threshold, slices, fairness,
importance, learning curve) by the functions of `evaluation`, keeps the result, and gives it back as
long as nothing has changed; a report, the console and Dagster show the same object. `what_if`
changes fields of one row; `counterfactual` finds the smallest change that turns the answer. What a
number means for a release is decided in `registry`.
"""

from ml_assets.analysis.analyse import (
    analyse,
    analysed_versions,
    known_analysis,
    scan_version,
)
from ml_assets.analysis.analysis import Analysis, LearningPoint, MeasuredMetric, ModelImportance
from ml_assets.analysis.counterfactual import Counterfactual, nearest_counterfactual
from ml_assets.analysis.what_if import WhatIf, read_changes, row_of_prediction, what_if

__all__ = [
    "Analysis",
    "Counterfactual",
    "LearningPoint",
    "MeasuredMetric",
    "ModelImportance",
    "WhatIf",
    "analyse",
    "analysed_versions",
    "known_analysis",
    "nearest_counterfactual",
    "read_changes",
    "row_of_prediction",
    "scan_version",
    "what_if",
]
