import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ml_assets.evaluation import METRICS, measure, measure_slices
from ml_assets.evaluation.slices import compare_slices


@pytest.mark.parametrize("name", METRICS)
def test_measures_a_slice_as_if_it_were_the_whole_table(name, rng):
    n = 2_000
    y = (rng.random(n) < 0.4) + (METRICS[name].needs in ("value", "interval")) * 1.0
    p = rng.random(n).round(2)
    if METRICS[name].needs == "interval":
        p = np.stack([p + 0.5, p, p + 1.0], axis=1)
    state = rng.choice(["CA", "NY", "TX", "WY"], n, p=[0.5, 0.3, 0.19, 0.01])

    slices = measure_slices([name], y, p, {"state": state})

    assert {found.value for found in slices} == {"CA", "NY", "TX", "WY"}
    for found in slices:
        inside = state == found.value
        assert found.rows == inside.sum()
        assert found.metrics[name] == pytest.approx(
            measure([name], y[inside], p[inside])[name], nan_ok=True
        )


def test_agrees_with_scikit_learn_slice_by_slice(rng):
    y, p = rng.random(500) < 0.3, rng.random(500).round(1)
    product = rng.choice(["card", "loan"], 500)

    slices = measure_slices(["roc_auc"], y, p, {"product": product})

    for found in slices:
        inside = product == found.value
        assert found.metrics["roc_auc"] == pytest.approx(roc_auc_score(y[inside], p[inside]))


@pytest.mark.parametrize(("metric", "worst"), [("accuracy", "b"), ("brier", "b")])
def test_puts_the_worst_slice_first_whatever_the_direction(metric, worst):
    y = [1, 1, 1, 1]

    slices = measure_slices([metric], y, [0.9, 0.9, 0.1, 0.9], {"x": ["a", "a", "b", "b"]})

    assert slices[0].value == worst


def test_puts_undefined_slices_last():
    slices = measure_slices(
        ["roc_auc"], [1, 1, 0, 1], [0.5, 0.6, 0.9, 0.1], {"x": ["one", "one", "two", "two"]}
    )

    assert [found.value for found in slices] == ["two", "one"]
    assert np.isnan(slices[1].metrics["roc_auc"])


def test_leaves_out_slices_with_too_few_rows():
    x = ["often"] * 10 + ["rare"] * 9

    slices = measure_slices(["mae"], np.zeros(19), np.zeros(19), {"x": x}, min_rows=10)

    assert [(found.value, found.rows) for found in slices] == [("often", 10)]


def test_makes_a_slice_of_missing_values():
    x = pd.Series(["a", None, "a", None], dtype="str")

    slices = measure_slices(["mae"], [0, 0, 0, 0], [0, 1, 0, 1], {"x": x})

    assert [(found.value, found.rows) for found in slices] == [("(missing)", 2), ("a", 2)]


def test_finds_the_one_slice_that_became_worse(rng):
    n = 6_000
    state = rng.choice(["CA", "NY", "TX"], n)
    y = rng.random(n) < 0.3
    incumbent = y + rng.normal(size=n)
    challenger = np.where(state == "NY", rng.normal(size=n), incumbent)

    first, *others = compare_slices(
        "roc_auc", y, challenger, incumbent, {"state": state}, min_rows=100
    )

    assert first.value == "NY"
    assert first.difference.falls_short_of(-0.05)
    assert not any(other.difference.falls_short_of(0.0) for other in others)


def test_widens_the_intervals_with_the_number_of_slices(rng):
    n = 4_000
    y, ours, theirs = rng.random(n) < 0.3, rng.random(n), rng.random(n)
    few, many = rng.integers(0, 2, n), rng.integers(0, 20, n)

    confidences = [
        compare_slices("brier", y, ours, theirs, {"x": x}, min_rows=50)[0].difference.confidence
        for x in (few, many)
    ]

    assert confidences == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 20])


def test_rarely_finds_a_worse_slice_where_nothing_differs(rng):
    found = 0
    for _ in range(100):
        y, state = rng.random(2_000) < 0.3, rng.integers(0, 10, 2_000)
        ours, theirs = y + rng.normal(size=(2, 2_000)) * 2
        slices = compare_slices("roc_auc", y, ours, theirs, {"state": state}, min_rows=100)
        found += any(one.difference.falls_short_of(0.0) for one in slices)

    assert found <= 8
