import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml_assets.features import load_training_set
from ml_assets.registry import measuring
from ml_assets.registry.measuring import evaluations, newest_evaluation
from ml_assets.registry.versions import load_bundle


def test_measures_on_the_test_rows_of_the_training_set(world):
    version = world.fit()

    evaluation = world.evaluate(version)

    rows = world.rows("test")
    answers = load_bundle(world.problem, world.home, version).predict(rows)
    assert evaluation.rows == len(rows) == world.training_set.rows["test"]
    assert evaluation.metrics["test"]["roc_auc"] == pytest.approx(
        roc_auc_score(rows["label"], answers)
    )
    assert evaluation.kpi.low < evaluation.kpi.value < evaluation.kpi.high


def test_measures_the_training_error_and_the_baseline_as_well(world):
    metrics = world.evaluate(world.fit()).metrics

    assert metrics["train"]["roc_auc"] > 0.7
    assert metrics["baseline"]["roc_auc"] == 0.5
    assert metrics["baseline"]["brier"] > metrics["test"]["brier"]
    assert "champion" not in metrics


def test_measures_every_slice_of_the_validated_rows(world):
    slices = world.evaluate(world.fit()).slices

    worst_first = [one.metrics["roc_auc"] for one in slices]
    assert {one.value for one in slices} == {"CA", "NY", "TX"}
    assert sum(one.rows for one in slices) == world.training_set.rows["test"]
    assert worst_first == sorted(worst_first)


def test_measures_the_champion_on_the_same_rows(world):
    first, second = world.fit(["state"]), world.fit()
    world.consider(first, reason="to begin with")

    evaluation = world.evaluate(second)

    assert evaluation.champion == first.version
    assert evaluation.metrics["champion"] == pytest.approx(
        world.evaluate(first).metrics["test"], nan_ok=True
    )


def test_remembers_what_it_measured(world):
    version = world.fit()
    first = world.evaluate(version)

    again = world.evaluate(version)

    assert (first.unchanged, again.unchanged) == (False, True)
    assert (again.metrics["test"], again.slices, again.kpi) == (
        first.metrics["test"],
        first.slices,
        first.kpi,
    )
    assert len(evaluations(world.problem, world.home)) == 1


def test_measures_again_when_other_slices_are_asked_for(world):
    version = world.fit()
    world.evaluate(version)

    again = world.with_config("slices", min_rows=10_000).evaluate(version)

    assert not again.unchanged
    assert again.slices == ()


def test_keeps_an_undefined_metric_undefined_in_the_store(world):
    world.evaluate(world.fit())

    recorded = evaluations(world.problem, world.home)[0].metrics

    assert np.isnan(recorded["baseline"]["precision"])


def test_measures_the_training_error_on_a_sample_of_all_times(world):
    version = world.fit()
    bundle = load_bundle(world.problem, world.home, version)
    training_set = load_training_set(world.problem, world.home, version.training_set)

    sample = measuring._answered(
        world.problem, world.home, training_set, bundle, splits=measuring.LEARNED, share=0.3
    )

    whole = world.rows(*measuring.LEARNED)
    assert 0.15 * len(whole) < len(sample) < 0.45 * len(whole)
    assert set(sample["partition"]) == set(whole["partition"])


def test_remembers_what_was_measured_beside_another_champion(world):
    first = world.fit()
    world.evaluate(first)
    world.consider(first)

    known = newest_evaluation(world.problem, world.home, first)

    assert known is not None
    assert (known.unchanged, known.champion) == (True, None)
    assert newest_evaluation(world.problem, world.home, world.fit(number=2)) is None
