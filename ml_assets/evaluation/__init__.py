"""How good is a model, where, and is it really better than another?

Arrays of labels and predictions in, numbers out: nothing here reads a table, loads a model or
decides. `metrics` has the one definition of every metric, `slices` measures groups of rows,
`comparison` puts an interval around the difference between two models on the same rows,
`baseline` is the trivial model that every model must beat. Who is promoted is judged in
`registry`.
"""

from ml_assets.evaluation.baseline import baseline_by_group, baseline_predictions
from ml_assets.evaluation.comparison import Difference, Interval, compare, interval
from ml_assets.evaluation.metrics import METRICS, Metric, measure, metric_named
from ml_assets.evaluation.slices import SliceMetric, measure_slices

__all__ = [
    "METRICS",
    "Difference",
    "Interval",
    "Metric",
    "SliceMetric",
    "baseline_by_group",
    "baseline_predictions",
    "compare",
    "interval",
    "measure",
    "measure_slices",
    "metric_named",
]
