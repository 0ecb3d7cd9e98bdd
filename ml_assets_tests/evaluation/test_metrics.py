import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from ml_assets.errors import ProblemError
from ml_assets.evaluation import METRICS, measure


def _weighted_median(values, weights):
    """Repeat every value as often as its weight says, and take the middle."""
    return float(np.median(np.repeat(values, weights.astype(int))))


def _bins_by_hand(y, p, weights):
    total = 0.0
    for number in range(10):
        inside = np.minimum(np.floor(p * 10), 9) == number
        total += abs(np.sum(weights[inside] * (p[inside] - y[inside])))
    return total / weights.sum()


BY_SKLEARN = {
    "roc_auc": lambda y, p, w: sklearn_metrics.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sklearn_metrics.average_precision_score(
        y, p, sample_weight=w
    ),
    "log_loss": lambda y, p, w: sklearn_metrics.log_loss(
        y, p, sample_weight=w, labels=[0.0, 1.0]
    ),
    "brier": lambda y, p, w: sklearn_metrics.brier_score_loss(y, p, sample_weight=w),
    "calibration_error": _bins_by_hand,
    "accuracy": lambda y, p, w: sklearn_metrics.accuracy_score(y, p >= 0.5, sample_weight=w),
    "precision": lambda y, p, w: sklearn_metrics.precision_score(
        y, p >= 0.5, sample_weight=w, zero_division=np.nan
    ),
    "recall": lambda y, p, w: sklearn_metrics.recall_score(
        y, p >= 0.5, sample_weight=w, zero_division=np.nan
    ),
    "f1": lambda y, p, w: sklearn_metrics.f1_score(
        y, p >= 0.5, sample_weight=w, zero_division=np.nan
    ),
    "mae": lambda y, p, w: sklearn_metrics.mean_absolute_error(y, p, sample_weight=w),
    "rmse": lambda y, p, w: sklearn_metrics.root_mean_squared_error(y, p, sample_weight=w),
    "mape": lambda y, p, w: sklearn_metrics.mean_absolute_percentage_error(
        y, p, sample_weight=w
    ),
    "r2": lambda y, p, w: sklearn_metrics.r2_score(y, p, sample_weight=w),
    "median_ape": lambda y, p, w: _weighted_median(abs(y - p) / abs(y), w),
    "coverage": lambda y, p, w: np.average((p[:, 1] <= y) & (y <= p[:, 2]), weights=w),
    "relative_width": lambda _, p, w: np.average((p[:, 2] - p[:, 1]) / abs(p[:, 0]), weights=w),
}
OF_VALUES = ("value", "interval")
BINARY = [name for name, metric in METRICS.items() if metric.needs not in OF_VALUES]
REGRESSION = [name for name, metric in METRICS.items() if metric.needs in OF_VALUES]


def drawn(name, rng, rows):
    """Labels and predictions with ties, as a metric needs them."""
    metric = METRICS[name]
    y = (rng.random(rows) < 0.4) + (metric.needs in OF_VALUES) * 1.0
    p = rng.random(rows).round(1) + (metric.needs == "interval") * 0.5
    return y, with_ends(p) if metric.needs == "interval" else p


def with_ends(p):
    """Values with intervals that leave some labels outside."""
    return np.stack([p, p - 0.1, p + 2.0], axis=1)


@st.composite
def rows(draw, *, labels, predictions):
    """Labels with both classes, predictions with ties, whole weights of which some are zero."""
    n = draw(st.integers(4, 40))
    y = np.array(
        [*labels[:2], *draw(st.lists(st.sampled_from(labels), min_size=n, max_size=n))]
    )
    p = draw(st.lists(st.sampled_from(predictions), min_size=n + 2, max_size=n + 2))
    weights = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return y, np.array(p), np.array([1.0, 1.0, *map(float, weights)])


def test_compares_every_metric_with_another_implementation():
    assert set(BY_SKLEARN) == set(METRICS)


@pytest.mark.parametrize("name", BINARY)
@settings(deadline=None, max_examples=60)
@given(rows=rows(labels=[0.0, 1.0], predictions=list(np.linspace(0, 1, 9))))
def test_agrees_with_scikit_learn_on_binary_labels(name, rows):
    y, p, weights = rows

    measured = measure([name], y, p, weights=weights)[name]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = BY_SKLEARN[name](y, p, weights)
    assert measured == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", REGRESSION)
@settings(deadline=None, max_examples=60)
@given(rows=rows(labels=[2.0, 5.0, 7.5, 100.0], predictions=[-1.0, 2.0, 5.5, 7.5, 90.0]))
def test_agrees_with_scikit_learn_on_values(name, rows):
    y, p, weights = rows

    p = with_ends(p) if METRICS[name].needs == "interval" else p
    measured = measure([name], y, p, weights=weights)[name]

    assert measured == pytest.approx(BY_SKLEARN[name](y, p, weights), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_counts_a_row_of_weight_two_like_two_rows(name, rng):
    y, p = drawn(name, rng, 50)
    weights = rng.integers(1, 4, 50)

    weighted = measure([name], y, p, weights=weights)[name]

    repeated = measure([name], np.repeat(y, weights), np.repeat(p, weights, axis=0))[name]
    assert weighted == pytest.approx(repeated)


@pytest.mark.parametrize("name", METRICS)
def test_resampled_metric_is_the_metric_of_the_repeated_rows(name, rng):
    metric = METRICS[name]
    y, p = drawn(name, rng, 60)
    p = metric.prepare(p, threshold=0.5)
    counts = rng.integers(0, 3, size=(5, 60)).astype(float)

    resampled = metric.computation.resampled(y, p)(counts)

    expected = [
        metric.function(*(np.repeat(each, row.astype(int), axis=0) for each in (y, p)))
        for row in counts
    ]
    assert resampled == pytest.approx(expected)


SMOOTH = [
    name
    for name in METRICS
    if name not in {"average_precision", "calibration_error", "median_ape"}
]


@pytest.mark.parametrize("name", SMOOTH)
def test_influence_is_what_a_little_weight_on_one_row_does(name, rng):
    metric = METRICS[name]
    y, p = drawn(name, rng, 40)
    p = metric.prepare(p, threshold=0.5)
    influence = metric.computation.influence(y, p)

    for label, answer in getattr(metric.computation, "padding", ()):
        y, p = np.append(y, label), np.concatenate([p, [answer]])
    small, moved = 1e-6, []
    for row in range(len(y)):
        weights = np.ones(len(y))
        weights[row] += small * len(y)
        moved.append((metric.function(y, p, weights) - metric.function(y, p)) / small)
    assert influence == pytest.approx(moved, abs=1e-3)
    assert influence.mean() == pytest.approx(0, abs=1e-9)


def test_leaves_a_metric_undefined_rather_than_invent_a_number():
    measured = measure(
        ["roc_auc", "precision", "recall", "accuracy"], [0, 0, 0], [0.1, 0.2, 0.3]
    )

    assert np.isnan([measured["roc_auc"], measured["precision"], measured["recall"]]).all()
    assert measured["accuracy"] == 1.0


def test_leaves_a_mean_share_of_a_label_of_zero_undefined():
    measured = measure(["mape", "median_ape"], [0.0, 10.0, 10.0], [1.0, 11.0, 12.0])

    assert np.isnan(measured["mape"])
    assert measured["median_ape"] == pytest.approx(0.2)


def test_leaves_the_coverage_of_values_without_intervals_undefined():
    measured = measure(["mae", "coverage", "relative_width"], [1.0, 2.0], [1.0, 3.0])

    assert measured["mae"] == 0.5
    assert np.isnan([measured["coverage"], measured["relative_width"]]).all()


def test_counts_a_label_at_the_end_of_its_interval_as_inside():
    answers = [[1.0, 0.5, 1.0], [1.0, 1.0, 2.0], [1.0, 1.1, 2.0]]

    measured = measure(["mae", "coverage", "relative_width"], [1.0] * 3, answers)

    assert measured == pytest.approx({"mae": 0, "coverage": 2 / 3, "relative_width": 0.8})


def test_calls_the_log_loss_of_a_certain_error_large_but_finite():
    assert 36 < measure(["log_loss"], [1.0], [0.0])["log_loss"] < 37


def test_moves_decisions_with_the_threshold():
    y, p = [0, 1, 1], [0.2, 0.4, 0.9]

    recalls = [
        measure(["recall"], y, p, threshold=threshold)["recall"]
        for threshold in (0.3, 0.5, 0.95)
    ]

    assert recalls == [1.0, 0.5, 0.0]


def test_refuses_an_unknown_metric_and_lists_the_known_ones():
    with pytest.raises(ProblemError, match="no metric 'auc'; known: roc_auc, "):
        measure(["auc"], [0, 1], [0, 1])


def test_refuses_predictions_that_are_not_finite():
    with pytest.raises(ValueError, match="1 of 3 values are not finite"):
        measure(["roc_auc"], [0, 1, 1], [0.1, np.nan, 0.3])


def test_refuses_rows_that_do_not_match():
    with pytest.raises(ValueError, match=r"same rows, got shapes \(2,\), \(3,\)"):
        measure(["roc_auc"], [0, 1], [0.1, 0.2, 0.3])
