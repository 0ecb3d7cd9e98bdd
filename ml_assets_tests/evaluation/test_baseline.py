import numpy as np
import pandas as pd
import pytest

from ml_assets.errors import InsufficientData
from ml_assets.evaluation import METRICS, baseline_by_group, baseline_predictions, measure

LABELS = np.repeat([0.0, 1.0], [70, 30])


def test_answers_the_prior_for_a_binary_problem():
    assert baseline_predictions("binary", LABELS, 3).tolist() == [0.3, 0.3, 0.3]


def test_answers_the_median_for_a_regression():
    assert baseline_predictions("regression", [1.0, 2.0, 30.0], 2).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("metric", "constant"), [("accuracy", 0.3), ("f1", 1.0), ("recall", 1.0), ("brier", 0.3)]
)
def test_answers_what_scores_best_on_the_training_labels(metric, constant):
    assert baseline_predictions("binary", LABELS, 1, metric=metric) == [constant]


@pytest.mark.parametrize(
    "metric", [name for name in METRICS if METRICS[name].needs in ("probability", "decision")]
)
def test_no_constant_beats_it_on_the_training_labels(metric):
    sign = 1 if METRICS[metric].higher_is_better else -1
    baseline = baseline_predictions("binary", LABELS, 100, metric=metric)

    constants = [
        measure([metric], LABELS, np.full(100, value))[metric]
        for value in np.linspace(0, 1, 21)
    ]

    best = np.nanmax(sign * np.array(constants))
    assert sign * measure([metric], LABELS, baseline)[metric] >= best - 1e-12


@pytest.mark.parametrize("metric", ["mae", "rmse", "mape"])
def test_no_value_beats_it_on_the_training_labels(metric, rng):
    prices = rng.lognormal(12, 0.8, 301)
    baseline = baseline_predictions("regression", prices, 301, metric=metric)

    others = [
        measure([metric], prices, np.full(301, value))[metric]
        for value in np.quantile(prices, np.linspace(0, 1, 50))
    ]

    assert measure([metric], prices, baseline)[metric] <= min(others) + 1e-9


def test_refuses_to_learn_from_nothing():
    with pytest.raises(InsufficientData, match="The baseline needs at least 1 rows, got 0"):
        baseline_predictions("binary", [], 3)


class TestByGroup:
    LEARNED = pd.Series(["Bonn"] * 3 + ["Rome"] * 3 + ["Oslo"])
    PRICES = (1.0, 2.0, 30.0, 100.0, 200.0, 400.0, 999.0)

    def answers(self, *asked, **how):
        groups = pd.Series(asked, dtype="str")
        return baseline_by_group(
            "regression", self.PRICES, self.LEARNED, groups, **how
        ).tolist()

    def test_answers_the_median_of_each_group(self):
        assert self.answers("Rome", "Bonn", "Rome") == [200.0, 2.0, 200.0]

    def test_answers_the_median_of_all_for_groups_that_are_unknown_missing_or_small(self):
        assert self.answers("Lima", None, "Oslo", min_rows=2) == [100.0, 100.0, 100.0]

    def test_answers_what_scores_best_in_each_group(self):
        assert self.answers("Bonn", metric="rmse") == [11.0]

    def test_is_never_worse_than_one_constant_on_the_training_labels(self, rng):
        groups = pd.Series(rng.choice(["a", "b"], 400))
        prices = rng.lognormal(np.where(groups == "a", 10, 12), 0.5)

        own = baseline_by_group("regression", prices, groups, groups, metric="mae")

        common = baseline_predictions("regression", prices, 400, metric="mae")
        assert measure(["mae"], prices, own)["mae"] < measure(["mae"], prices, common)["mae"]
