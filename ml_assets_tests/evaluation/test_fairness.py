import numpy as np
import pytest

from ml_assets.evaluation.fairness import measure_fairness

Y = np.array([1, 1, 0, 0, 1, 0, 0, 0] * 20, dtype=float)
GROUP = np.array((["f"] * 4 + ["m"] * 4) * 20)
PREDICTION = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.6, 0.3, 0.2] * 20)
"""Women: 2 of 4 are chosen, 1 of 2 rightly, 1 of 2 wrongly. Men: 2 of 4, 1 of 1, 1 of 3."""


class TestDifferences:
    def test_are_those_of_fairlearn_computed_by_hand(self):
        found = measure_fairness("gender", Y, PREDICTION, GROUP)

        assert found.difference("demographic_parity").value == pytest.approx(0.0)
        assert found.difference("equalized_odds").value == pytest.approx(0.5)  # 1/1 - 1/2
        assert found.difference("equalized_odds").between == ("m", "f")
        # Women: 0.5 predicted of 0.5; men: 0.45 predicted of 0.25.
        assert found.difference("calibration").value == pytest.approx(0.2)

    def test_follow_the_threshold(self):
        found = measure_fairness("gender", Y, PREDICTION, GROUP, threshold=0.65)

        assert found.difference("demographic_parity").value == pytest.approx(0.25)  # 2/4 - 1/4

    def test_of_a_regression_are_of_its_errors(self):
        y, group = np.full(200, 10.0), np.repeat(["a", "b"], 100)

        found = measure_fairness(
            "place", y, np.where(group == "a", 11.0, 8.0), group, kind="regression"
        )

        assert found.difference("mean_error").value == pytest.approx(0.3)
        assert found.difference("absolute_error").value == pytest.approx(0.1)

    def test_intervals_reach_down_to_zero_where_groups_are_alike(self, rng):
        lows = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            y, group = (rng.random(600) < 0.4).astype(float), rng.choice(["a", "b", "c"], 600)
            found = measure_fairness("g", y, rng.random(600), group, resamples=200)
            lows.append(found.difference("demographic_parity").low)

        assert sum(low > 0 for low in lows) <= 3

    def test_intervals_lie_above_zero_where_groups_differ(self, rng):
        group = np.repeat(["a", "b"], 300)
        y = (rng.random(600) < 0.4).astype(float)
        prediction = np.where(group == "a", 0.3, 0.6) + 0.1 * rng.normal(size=600)

        found = measure_fairness("g", y, prediction, group).difference("demographic_parity")

        assert 0.5 < found.low < found.value < found.high


class TestGroups:
    def test_that_are_too_small_are_not_judged_and_never_fair(self):
        group = np.where(np.arange(160) < 10, "x", GROUP)

        found = measure_fairness("gender", Y, PREDICTION, group)

        assert found.not_judged == ("x",)
        assert "x" not in str(found.difference("demographic_parity").between)
        assert next(one for one in found.groups if one.value == "x").is_judged is False

    def test_need_another_group_to_differ_from(self):
        found = measure_fairness("gender", Y, PREDICTION, np.full(160, "f"))

        assert found.difference("demographic_parity").value is None

    def test_without_positive_labels_have_no_true_positive_rate(self):
        y = np.where(GROUP == "f", 0.0, Y)

        found = measure_fairness("gender", y, PREDICTION, GROUP)

        assert next(one for one in found.groups if one.value == "f").true_positive_rate is None
        assert found.difference("equalized_odds").value == pytest.approx(0.5 - 1 / 3)
