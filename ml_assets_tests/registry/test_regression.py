"""A regression in the registry: what its manifest says, what it is measured by, who may replace it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from flats import FLATS as SERVED
from flats import NOW, draw, learned_from
from loans import with_config

from ml_assets.errors import TrainingError
from ml_assets.registry import load_bundle
from ml_assets.registry.manifest import Manifest
from ml_assets.registry.measuring import evaluate, learned_slices, newest_evaluation
from ml_assets.registry.promotion import consider_promotion
from ml_assets.registry.retraining import ensure_model

NEEDS = ["answers", "fitness", "floor", "baseline", "champion", "slices"]
FLATS = with_config(SERVED, promotion={"needs": NEEDS})
"""Nothing is served here, so nobody can look at skew."""

OLD_CITIES = ("Berlin", "Bonn", "Madrid")


def of_months(*months, cities, rows=1_000):
    """Flats sold in some months of 2020."""
    return pd.concat(
        draw(
            rows,
            np.random.default_rng(month),
            start=f"2020-{month:02}-01",
            months=1,
            cities=each,
        )
        for month, each in zip(months, cities, strict=True)
    )


@pytest.fixture
def version(home, rng):
    learned_from(FLATS, home, draw(2_000, rng))
    return ensure_model(FLATS, home, now=NOW, run_id="test")


def test_writes_intervals_and_local_models_into_the_manifest_and_reads_them_again(version):
    manifest = version.manifest

    assert Manifest.model_validate_json(manifest.to_json()) == manifest
    assert manifest.intervals.coverage == 0.9
    assert "Berlin" in manifest.intervals.groups


def test_measures_intervals_and_a_baseline_of_each_location(home, version):
    measured = evaluate(FLATS, home, version, now=NOW)

    assert 0.8 < measured.metrics["test"]["coverage"] < 0.99
    width = {of: measured.metrics[of]["relative_width"] for of in ("test", "baseline")}
    assert width["test"] < width["baseline"]
    assert {each.value for each in measured.slices} >= {"Berlin", "Bonn", "Madrid"}
    for each in measured.slices:
        assert each.metrics["median_ape"] < each.baseline["median_ape"]


def test_remembers_what_it_measured(home, version):
    measured = evaluate(FLATS, home, version, now=NOW)

    kept = newest_evaluation(FLATS, home, version)

    assert replace(kept, unchanged=False) == measured


def test_answers_with_ends_what_the_manifest_says(home, version):
    bundle = load_bundle(FLATS, home, version)
    flats = draw(50, np.random.default_rng(3))

    answers = bundle.answers(flats)

    expected = [
        bundle.manifest.intervals.around(value, city)[:2]
        for value, city in zip(bundle.predict(flats), flats["location"], strict=True)
    ]
    assert answers[:, 1:].tolist() == [list(each) for each in expected]


def test_a_new_location_does_not_block_a_promotion(home):
    learned_from(FLATS, home, of_months(1, 2, 3, cities=[OLD_CITIES] * 3))
    first = ensure_model(FLATS, home, now=NOW, run_id="first")
    consider_promotion(FLATS, home, first, now=NOW, who="test", run_id="test")
    cities = [OLD_CITIES] * 3 + [(*OLD_CITIES, "Sydney")] * 2
    learned_from(FLATS, home, of_months(1, 2, 3, 4, 5, cities=cities))
    second = ensure_model(FLATS, home, now=NOW, run_id="second")

    decision = consider_promotion(FLATS, home, second, now=NOW, who="test", run_id="test")

    assert learned_slices(FLATS, home, first) == {"location": frozenset(OLD_CITIES)}
    (finding,) = [one for one in decision.findings if one.check == "keeps every slice"]
    assert finding.text.endswith("not held against it: location Sydney")


def test_lets_the_width_of_intervals_be_the_kpi(home, rng):
    kpi = {"metric": "relative_width", "direction": "lower", "floor": 2.0}
    problem = with_config(FLATS, kpi=kpi)
    learned_from(problem, home, draw(2_000, rng))
    narrow = ensure_model(problem, home, now=NOW, run_id="test")

    decision = consider_promotion(problem, home, narrow, now=NOW, who="test", run_id="test")

    assert decision.promoted, decision.message
    assert "relative_width" in decision.message


def test_refuses_a_baseline_by_what_is_no_feature(home, rng):
    problem = with_config(FLATS, baseline={"by": "city"})
    learned_from(problem, home, draw(500, rng))

    with pytest.raises(
        TrainingError, match=r"baseline\.by is city, which is no feature of flats"
    ):
        ensure_model(problem, home, now=NOW, run_id="test")
