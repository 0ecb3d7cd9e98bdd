"""Prediction intervals: how far they reach, and that they hold as many labels as they say."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ml_assets.errors import InsufficientData
from ml_assets.problem.config import Interval
from ml_assets.training.intervals import Intervals, least_rows

PERCENT = st.integers(1, 99)


def calibrated(y, prediction, groups=None, *, scale="label", **declared):
    by = "city" if groups is not None else None
    return Intervals.calibrated(
        Interval(by=by, **declared), scale, np.asarray(y), np.asarray(prediction), groups
    )


@settings(deadline=None, max_examples=200)
@given(percent=PERCENT, rows=st.integers(1, 400))
def test_reaches_to_the_rank_that_finite_samples_need(percent, rows):
    coverage = Fraction(percent, 100)
    rank = math.ceil((rows + 1) * coverage)
    distances = np.arange(1.0, rows + 1)

    if rank > rows:
        with pytest.raises(InsufficientData, match=f"{percent}% of the labels needs at least"):
            calibrated(distances, np.zeros(rows), coverage=percent / 100)
        return
    found = calibrated(distances, np.zeros(rows), coverage=percent / 100)

    assert found.shared.reach == rank
    assert found.shared.rows == rows


@given(percent=PERCENT)
def test_needs_as_many_rows_as_make_one_of_them_the_last_rank(percent):
    coverage = Fraction(percent, 100)

    needed = least_rows(percent / 100)

    assert math.ceil((needed + 1) * coverage) <= needed or needed == 0
    assert math.ceil(needed * coverage) > needed - 1


@pytest.mark.parametrize("scale", ["label", "log"])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_holds_as_many_exchangeable_labels_as_it_says(scale, coverage):
    """Over many calibrations of 99 rows, one fresh label each: exactly `coverage` on average."""
    rng, trials = np.random.default_rng(0), 4_000
    held = 0
    for _ in range(trials):
        y = rng.lognormal(10, 0.5, 100)
        answers = np.full(100, 20_000.0)
        found = calibrated(y[:99], answers[:99], coverage=coverage, scale=scale)
        lower, upper, _ = found.around(answers[99], None)
        held += lower <= y[99] <= upper

    low, high = binom.interval(0.999, trials, math.ceil(100 * coverage) / 100)
    assert low <= held <= high


def test_holds_as_many_labels_in_each_group(rng):
    scatter = {"quiet": 0.1, "loud": 0.8}
    groups = rng.choice(list(scatter), 40_000)
    y = rng.normal(size=40_000) * np.array([scatter[group] for group in groups])
    found = calibrated(y[:20_000], np.zeros(20_000), groups[:20_000], coverage=0.9)

    ends = found.with_ends(np.zeros(20_000), groups[20_000:])

    inside = (ends[:, 1] <= y[20_000:]) & (y[20_000:] <= ends[:, 2])
    for group in scatter:
        assert inside[groups[20_000:] == group].mean() == pytest.approx(0.9, abs=0.015)
    assert found.groups["quiet"].reach < found.shared.reach < found.groups["loud"].reach


def test_gives_the_shared_reach_to_groups_that_are_small_unknown_or_missing(rng):
    groups = np.repeat(["large", "small", ""], [200, 40, 10])
    found = calibrated(rng.normal(size=250), np.zeros(250), groups, min_rows=50)

    common = found.around(1.0, None)

    assert set(found.groups) == {"large"}
    assert all(found.around(1.0, group) == common for group in ("small", "nobody", "", None))
    assert found.around(1.0, "large") != common


def test_is_a_factor_on_a_logarithmic_scale():
    y = 100 * np.exp(np.linspace(-0.2, 0.2, 99))
    found = calibrated(y, np.full(99, 100.0), coverage=0.9, scale="log")

    cheap, dear = found.around(10.0, None), found.around(1_000.0, None)

    assert dear.upper / dear.lower == pytest.approx(cheap.upper / cheap.lower)
    assert cheap.lower * cheap.upper == pytest.approx(100.0)


def test_says_of_many_rows_what_it_says_of_each(rng):
    groups = rng.choice(["a", "b", "c"], 300)
    found = calibrated(rng.normal(size=300), np.zeros(300), groups, min_rows=10)
    values = rng.normal(size=300)

    together = found.with_ends(values, groups.tolist())

    alone = [
        (value, *found.around(value, group)[:2])
        for value, group in zip(values, groups, strict=True)
    ]
    assert together.tolist() == [list(each) for each in alone]
