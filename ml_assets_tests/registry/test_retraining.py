from dataclasses import replace
from datetime import timedelta

import pytest

from ml_assets.errors import TrainingError, VersionNotFound
from ml_assets.problem.config import Estimator
from ml_assets.registry.reproduction import reproduce
from ml_assets.registry.retraining import ensure_model, present_model
from ml_assets.registry.versions import load_bundle, versions
from ml_assets.storage import Home

SGD_ONLY = {"sgd": Estimator(kind="sgd", hyperparameters={"max_iter": 3})}


def test_writes_down_everything_that_made_the_model(world):
    manifest = world.train().manifest

    made_from = world.training_set
    assert manifest.data.training_set == made_from.id
    assert manifest.data.partitions == made_from.snapshot
    assert manifest.data.rows == made_from.rows
    assert manifest.algorithm.estimator in {"logistic", "sgd"}
    assert manifest.algorithm.hyperparameters["fit_intercept"] is True
    assert manifest.signature.features == {
        "income": "number",
        "noise": "number",
        "state": "text",
    }
    assert manifest.metrics["validation"]["roc_auc"] > 0.7
    assert manifest.environment["scikit-learn"]


def test_keeps_how_the_training_went(world):
    course = world.train().course

    assert {contest.name for contest in course.contests} == {"logistic", "sgd"}
    assert [len(one.curve) for one in course.contests if one.name == "sgd"] == [3]
    assert course.seconds > 0


def test_trains_nothing_when_nothing_has_changed(world):
    first = world.train()

    again = world.train(trigger="schedule")

    assert again == replace(first, unchanged=True)
    assert len(versions(world.problem, world.home)) == 1


def test_trains_again_when_asked_to(world):
    first = world.train()

    again = world.train(force=True)

    assert (again.version, again.unchanged) == (first.version, False)


def test_makes_a_lost_bundle_again(world):
    first = world.train()
    world.home.artifacts.delete(first.artifact)

    again = world.train()

    assert again.rebuilt
    assert again.version == first.version
    assert load_bundle(world.problem, world.home, again).manifest == first.manifest


def test_gives_the_same_artifact_in_another_home(world, tmp_path_factory):
    import shutil

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(world.home.path, elsewhere, dirs_exist_ok=True)
    copy = replace(world, home=Home.open(elsewhere, environment={}))

    later = replace(copy, now=world.now + timedelta(hours=5)).train()

    assert later.artifact == world.train().artifact


def test_trains_a_new_version_from_another_seed(world):
    first = world.train()

    second = world.with_config("training", seed=1).train()

    assert second.previous == first.version
    assert second.number_reason


def test_finds_the_model_of_what_is_there_now(world):
    before = present_model(world.problem, world.home)
    first = world.train()
    found = present_model(world.problem, world.home)

    later = world.with_month(7, seed=1)

    assert before is None
    assert found == first
    assert present_model(later.problem, later.home) is None


def test_goes_back_to_the_earlier_model_when_a_revision_is_taken_back(world):
    first = world.train()
    revised = world.with_month(6, seed=99)
    second = revised.train()

    back = revised.with_month(6, seed=6)

    assert second.version != first.version
    assert back.train() == replace(first, unchanged=True)


def test_continues_the_champion_where_retraining_is_stateful(world):
    stateful = world.with_config("retraining", mode="stateful").with_config(
        "training", estimators=SGD_ONLY
    )
    first = stateful.train()
    stateful.consider(first)
    later = stateful
    for month in range(7, 13):
        later = later.with_month(month, seed=month)

    second = later.train()

    assert first.manifest.parent is None
    assert second.manifest.parent == first.version
    assert later.train() == replace(second, unchanged=True)


def test_says_what_is_missing_before_there_is_a_training_set(world, home, tmp_path_factory):
    empty = Home.open(tmp_path_factory.mktemp("empty"), environment={})

    with pytest.raises(TrainingError, match="has no training set yet"):
        ensure_model(world.problem, empty, now=world.now, run_id="r")
    assert home


def test_trained_model_is_promoted(world):
    decision = world.consider(world.train())

    assert decision.outcome == "promoted"


def test_makes_a_version_again_to_the_last_bit(world):
    version = world.train()

    reproduction = reproduce(world.problem, world.home, version)

    assert reproduction.identical
    assert reproduction.inputs == reproduction.learned == ()
    assert str(reproduction) == f"{version.version} was made again, identical to the last bit."


def test_makes_it_again_with_the_values_of_its_time(world):
    version = world.train()
    changed = world.with_config("training", seed=7, estimators={})

    assert reproduce(changed.problem, world.home, version.version).identical


def test_says_what_differs_when_it_cannot_be_made_again(world):
    version = world.fit(["income"])

    reproduction = reproduce(world.problem, world.home, version)

    assert not reproduction.identical
    assert any(line.startswith("code.training: ") for line in reproduction.inputs)
    assert reproduction.learned
    assert "was made again and differs" in str(reproduction)


def test_knows_no_version_that_does_not_exist(world):
    with pytest.raises(VersionNotFound, match=r"no model 'x'\. The newest: none"):
        reproduce(world.problem, world.home, "x")
