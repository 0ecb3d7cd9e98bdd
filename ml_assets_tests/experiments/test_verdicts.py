import numpy as np
import pytest
from scipy.special import stdtrit

from ml_assets.evaluation import compare
from ml_assets.evaluation.comparison import Difference
from ml_assets.experiments import Expectation, judge, pooled

NULLS = 400


def difference(low, high, metric="roc_auc"):
    middle = (low + high) / 2
    return Difference(metric, 0.7 + middle, 0.7, middle, low, high, 0.95, 500)


@pytest.mark.parametrize(
    ("expectation", "low", "high", "verdict"),
    [
        (Expectation("better"), 0.01, 0.03, "supported"),
        (Expectation("better"), -0.01, 0.03, "inconclusive"),
        (Expectation("better"), -0.03, -0.01, "refuted"),
        (Expectation("better"), 0.0, 0.0, "refuted"),
        (Expectation("better", 0.02), 0.01, 0.03, "inconclusive"),
        (Expectation("better", 0.02), 0.03, 0.05, "supported"),
        (Expectation("better", 0.02), 0.005, 0.015, "refuted"),
        (Expectation("worse"), -0.03, -0.01, "supported"),
        (Expectation("worse", 0.02), -0.03, -0.01, "inconclusive"),
        (Expectation("worse"), 0.01, 0.03, "refuted"),
        (Expectation("same", 0.02), -0.01, 0.015, "supported"),
        (Expectation("same", 0.02), -0.01, 0.03, "inconclusive"),
        (Expectation("same", 0.02), 0.03, 0.05, "refuted"),
        (Expectation("better"), np.nan, np.nan, "inconclusive"),
    ],
)
def test_follows_from_the_whole_interval(expectation, low, high, verdict):
    assert judge(expectation, difference(low, high)) == verdict


def test_turns_where_lower_is_better():
    assert judge(Expectation("better"), difference(-0.03, -0.01, "log_loss")) == "supported"
    assert judge(Expectation("worse"), difference(-0.03, -0.01, "log_loss")) == "refuted"


def test_of_several_seeds_is_as_wide_as_rows_and_luck_make_it():
    alike, apart = [0.02, 0.02, 0.02], [0.00, 0.02, 0.04]

    same, lucky = (
        pooled([difference(each - 0.01, each + 0.01) for each in middles])
        for middles in (alike, apart)
    )

    assert (same.low, same.high) == pytest.approx((0.01, 0.03))
    assert lucky.estimate == pytest.approx(0.02)
    luck = stdtrit(2, 0.975) * 0.02 / 3**0.5
    assert lucky.high - lucky.estimate == pytest.approx((0.01**2 + luck**2) ** 0.5)
    assert judge(Expectation("better"), same) == "supported"
    assert judge(Expectation("better"), lucky) == "inconclusive"


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "average_precision"])
def test_supports_no_more_nulls_than_the_level_allows(metric, rng):
    """Two models that are equally good: each adds noise of its own to what is known."""
    supported = 0
    for seed in range(NULLS):
        known = rng.normal(size=300)
        y = (rng.random(300) < 1 / (1 + np.exp(-known))).astype(float)
        ours, theirs = 1 / (1 + np.exp(-(known + rng.normal(scale=0.7, size=(2, 300)))))
        found = compare(metric, y, ours, theirs, resamples=200, seed=seed)
        supported += judge(Expectation("better"), found) == "supported"

    # A two-sided interval of 95 % errs upwards in 2.5 %; 5 % is more than three errors beyond.
    assert supported / NULLS <= 0.05
