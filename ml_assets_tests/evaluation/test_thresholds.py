import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from ml_assets.errors import InsufficientData
from ml_assets.evaluation.curves import MOST_POINTS, curves
from ml_assets.evaluation.thresholds import cheapest_threshold, confusion

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9])), min_size=2
).filter(lambda rows: len({label for label, _ in rows}) == 2)


class TestCheapestThreshold:
    @given(ROWS, st.sampled_from([0.5, 1.0, 5.0]), st.sampled_from([0.5, 1.0, 5.0]))
    def test_costs_no_more_than_any_other(self, rows, false_positive, false_negative):
        y, prediction = np.array(rows, dtype=float).T
        costs = {"false_positive": false_positive, "false_negative": false_negative}

        chosen = cheapest_threshold(
            y,
            prediction,
            cost_false_positive=false_positive,
            cost_false_negative=false_negative,
        )

        every = [
            confusion(y, prediction, threshold=threshold).cost(**costs)
            for threshold in np.linspace(0, 1, 41)
        ]
        at_chosen = confusion(y, prediction, threshold=chosen.threshold).cost(**costs)
        assert chosen.cost == pytest.approx(at_chosen)
        assert chosen.cost <= min(every) + 1e-12

    def test_falls_when_a_miss_costs_more(self, rng):
        y = (rng.random(2_000) < 0.3).astype(float)
        prediction = np.clip(0.3 + 0.3 * y + 0.2 * rng.normal(size=2_000), 0, 1)

        dear, cheap = (
            cheapest_threshold(y, prediction, cost_false_positive=1, cost_false_negative=cost)
            for cost in (10, 1)
        )

        assert dear.threshold < cheap.threshold
        assert dear.cost < dear.cost_at_half

    def test_needs_both_classes(self):
        with pytest.raises(InsufficientData, match="negative labels"):
            cheapest_threshold([1, 1], [0.2, 0.3], cost_false_positive=1, cost_false_negative=1)


class TestCurves:
    def test_are_those_of_scikit_learn(self, rng):
        y = (rng.random(150) < 0.4).astype(float)
        prediction = np.round(rng.random(150), 1)

        found = curves(y, prediction)

        false, true, _ = roc_curve(y, prediction, drop_intermediate=False)
        precision, recall, _ = precision_recall_curve(y, prediction)
        assert np.allclose([one[1:] for one in found.roc], np.stack([false, true], axis=1)[1:])
        assert np.allclose(
            [one[1:] for one in found.precision_recall],
            np.stack([recall, precision], axis=1)[-2::-1],
        )

    def test_stay_small_and_keep_their_ends(self, rng):
        y = (rng.random(50_000) < 0.4).astype(float)

        found = curves(y, rng.random(50_000))

        assert len(found.roc) <= MOST_POINTS
        assert found.roc[-1][1:] == (1.0, 1.0)

    def test_show_how_calibrated_a_model_is(self, rng):
        prediction = rng.random(20_000)
        y = (rng.random(20_000) < prediction).astype(float)

        bins = curves(y, prediction).calibration

        assert sum(one.rows for one in bins) == 20_000
        assert sum(one.low <= one.predicted <= one.high for one in bins) >= 8
