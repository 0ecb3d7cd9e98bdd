import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from ml_assets.errors import ProblemError
from ml_assets.evaluation import METRICS, interval
from ml_assets.evaluation.divisions import binned, columns_of, divisions
from ml_assets.evaluation.slice_errors import slice_errors
from ml_assets.evaluation.slices import group
from ml_assets.evaluation.weaknesses import adjusted, scan_slices

EXACT = sorted(set(METRICS) - {"average_precision", "calibration_error", "median_ape", "mape"})
"""Metrics whose intervals come from influences."""


@pytest.fixture
def answers(rng):
    y = (rng.random(1_500) < 0.3).astype(float)
    prediction = np.clip(np.round(0.3 + 0.2 * y + 0.15 * rng.normal(size=1_500), 2), 0.01, 0.99)
    return y, prediction, rng.choice(["a", "b", "c"], 1_500)


class TestErrors:
    @pytest.mark.parametrize("name", EXACT)
    def test_are_those_of_the_slice_measured_alone(self, answers, name):
        y, prediction, slices = answers
        labels, rows = group(slices)
        metric = METRICS[name]
        if metric.needs == "interval":
            prediction = np.stack([prediction, prediction - 0.4, prediction + 0.4], axis=1)

        errors = slice_errors(metric, y, metric.prepare(prediction, threshold=0.5), rows)

        reach = stdtrit(errors.freedom, 0.975) * errors.standard
        for place, label in enumerate(labels):
            alone = interval(name, y[slices == label], prediction[slices == label])
            assert reach[place] == pytest.approx((alone.high - alone.low) / 2, rel=1e-6)

    @pytest.mark.parametrize("name", ["average_precision", "calibration_error"])
    def test_come_from_draws_where_a_metric_has_no_influences(self, answers, name):
        y, prediction, slices = answers
        labels, rows = group(slices)

        errors = slice_errors(METRICS[name], y, prediction, rows)

        for place, label in enumerate(labels):
            alone = interval(name, y[slices == label], prediction[slices == label])
            assert 2 * 1.96 * errors.standard[place] == pytest.approx(
                alone.high - alone.low, rel=0.35
            )


class TestScan:
    def test_finds_the_slice_that_is_worse_and_puts_it_first(self, rng):
        state = rng.choice([f"s{number:02}" for number in range(20)], 10_000)
        y = (rng.random(10_000) < 0.5).astype(float)
        knows = np.where(state == "s07", 0.1, 1.0)
        prediction = 1 / (1 + np.exp(-knows * (2 * y - 1) - rng.normal(size=10_000)))

        scan = scan_slices(["roc_auc", "accuracy"], y, prediction, {"state": state})

        assert scan.slices[0].name == "state s07"
        assert [one.name for one in scan.worse] == ["state s07"]
        assert scan.slices[0].high < scan.overall
        assert "Benjamini-Hochberg over 20 slices" in scan.correction

    def test_accuses_nobody_where_every_slice_is_alike(self):
        accused = 0
        for seed in range(40):
            rng = np.random.default_rng(seed)
            state = rng.integers(0, 50, 5_000)
            y = (rng.random(5_000) < 0.5).astype(float)
            prediction = 1 / (1 + np.exp(-(2 * y - 1) - rng.normal(size=5_000)))
            scan = scan_slices(["accuracy"], y, prediction, {"state": state.astype(str)})
            accused += bool(scan.worse)

        assert accused <= 6  # of 40; five per cent are allowed, and an unlucky draw of seeds

    def test_finds_a_weakness_that_only_two_columns_together_show(self, rng):
        product, channel = rng.choice(["p", "q"], 8_000), rng.choice(["web", "mail"], 8_000)
        y = (rng.random(8_000) < 0.5).astype(float)
        odd = (product == "p") & (channel == "mail")
        prediction = np.where(odd, 0.5 - 0.4 * (y - 0.5), 0.5 + 0.8 * (y - 0.5))
        columns = {"product": product, "channel": channel}

        scan = scan_slices(
            ["brier"],
            y,
            prediction + rng.normal(size=8_000) / 100,
            columns,
            [("product", "channel")],
        )

        assert scan.slices[0].keys == ("p", "mail")
        assert [one.keys for one in scan.worse] == [("p", "mail")]

    def test_counts_slices_that_are_too_small_and_judges_them_not(self, answers):
        y, prediction, _ = answers
        state = np.where(np.arange(1_500) < 20, "rare", "frequent")

        scan = scan_slices(["accuracy"], y, prediction, {"state": state}, min_rows=30)

        assert [one.keys for one in scan.slices] == [("frequent",)]
        assert scan.too_small == 1

    def test_says_nothing_of_a_slice_where_the_metric_is_undefined(self, answers):
        y, prediction, slices = answers
        one_class = np.where((slices == "a") & (y == 0), "only no", slices)

        scan = scan_slices(["roc_auc"], y, prediction, {"s": one_class})

        found = next(one for one in scan.slices if one.keys == ("only no",))
        assert (found.metrics["roc_auc"], found.p_value, found.is_worse) == (None, None, False)
        assert scan.slices[-1] == found

    def test_names_the_columns_there_are(self, answers):
        y, prediction, slices = answers

        with pytest.raises(ProblemError, match="cannot be divided by stat; there are state"):
            scan_slices(["accuracy"], y, prediction, {"state": slices}, [("stat",)])


class TestDivisions:
    def test_cut_numbers_at_their_quantiles_and_keep_gaps_apart(self):
        values = pd.Series([*range(100), None], dtype=float)

        (division,) = divisions({"size": values}, [("size",)], bins=4)

        assert [label for (label,) in division.labels][-1] == "(missing)"
        assert division.rows.counts.tolist() == [25, 25, 25, 25, 1]

    def test_cut_times_into_days(self):
        days = pd.Series(pd.date_range("2015-01-01", periods=100, tz="UTC", unit="us"))

        assert binned(days, bins=2).iloc[0] == "2015-01-01 to 2015-02-19"

    def test_leave_few_values_as_they_are(self):
        assert binned(pd.Series([1.0, 2.0, 1.0])).tolist() == [1.0, 2.0, 1.0]

    def test_are_written_with_a_star_between_columns(self):
        assert columns_of("product * state") == ("product", "state")

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1))
    def test_put_every_row_into_one_slice(self, pairs):
        first, second = (list(column) for column in zip(*pairs, strict=True))

        (division,) = divisions({"f": first, "s": second}, [("f", "s")])

        assert [division.labels[code] for code in division.rows.codes] == pairs
        assert division.rows.counts.min() > 0


def test_correction_is_that_of_benjamini_and_hochberg():
    assert adjusted([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx(
        [0.02, 0.04, 0.04, 0.02]
    )
