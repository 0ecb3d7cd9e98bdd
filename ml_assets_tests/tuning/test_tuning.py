"""Searching for hyperparameters: what is tried, what is chosen, and what comes of it."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from loans import LOANS, NOW, REPAYMENTS, draw, learned_from, with_config
from tuned import SPACE, TUNED, search

from ml_assets.cli.clock import now
from ml_assets.errors import ProblemError, TrainingError
from ml_assets.features import training_frame
from ml_assets.registry import ensure_model, present_model, reproduce
from ml_assets.storage import Store
from ml_assets.tuning import best_trial, studies, trial_named, trials_of, with_chosen


@pytest.fixture
def rows(rng):
    return draw(700, rng, months=6)


@pytest.fixture
def training_set(home, rows):
    return learned_from(TUNED, home, rows)


def tuning(problem=TUNED, **changes):
    return with_config(problem, tuning=changes)


def outcomes(home, study):
    return [(t.number, t.state, t.choice, t.steps, t.kpi) for t in trials_of(home, study.name)]


class TestATrial:
    def test_begins_with_what_config_yaml_says(self, home, training_set):
        study = search(TUNED, home, training_set, trials=2)

        model = ensure_model(LOANS, home, now=NOW, run_id="r")
        declared = {each.name: each.kpi for each in model.course.contests}
        tried = {each.choice["estimator"]: each.kpi for each in trials_of(home, study.name)}
        assert tried == declared

    def test_has_values_inside_the_space(self, home, training_set):
        study = search(TUNED, home, training_set, trials=12)

        for trial in trials_of(home, study.name):
            values = trial.choice
            if values["estimator"] == "logistic":
                assert 0.01 <= values["logistic.hyperparameters.C"] <= 10
                assert values["logistic.encoders.story.min_df"] in (1, 2, 5)
            else:
                assert 1e-5 <= values["sgd.hyperparameters.alpha"] <= 0.1
                assert isinstance(values["sgd.hyperparameters.max_iter"], int)
        assert len({trial.choice["estimator"] for trial in trials_of(home, study.name)}) == 2

    def test_that_cannot_be_fitted_is_kept_with_its_error(self, home, training_set):
        space = {"logistic": {"hyperparameters": {"C": {"choices": [1.0, -1.0]}}}}
        problem = with_config(LOANS, tuning={"space": space})

        study = search(problem, home, training_set, trials=6)

        failed = [each for each in trials_of(home, study.name) if each.state == "failed"]
        assert failed
        assert all("logistic cannot be fitted" in each.error for each in failed)
        assert (
            best_trial(study, trials_of(home, study.name)).choice["logistic.hyperparameters.C"]
            == 1
        )

    def test_that_is_poor_is_given_up_after_a_fold(self, home, training_set):
        study = search(tuning(folds=3), home, training_set, trials=16)

        pruned = [each for each in trials_of(home, study.name) if each.state == "pruned"]
        assert pruned
        assert all(each.kpi is None and len(each.steps) < 3 for each in pruned)
        assert "poorer than half of the others" in pruned[0].error

    def test_of_more_rows_than_memory_holds_is_fitted_in_batches(self, home, rng):
        told = draw(300, rng, months=6, words=4_000)
        small = with_config(
            tuning(pruner="none"),
            training={"memory_limit_mb": 64, "min_rows": 20, "min_rows_per_class": 2},
            split={"max_label_difference": 1.0},
        )

        study = search(small, home, learned_from(small, home, told), trials=2)

        logistic, sgd = trials_of(home, study.name)
        assert "learns from all rows at once" in logistic.error
        assert sgd.state == "done"
        assert not list((home.path / "tuning").rglob("*.npz"))

    def test_never_sees_the_test_rows(self, home, rows, training_set):
        """Poison in the test rows: a word that would be learned, and labels turned around."""
        before = outcomes(home, search(tuning(folds=2), home, training_set, trials=4))
        frame = training_frame(TUNED, home, training_set, splits=["test"])
        held_out = rows["loan_id"].isin(frame["loan_id"])
        poisoned = rows.assign(
            story=rows["story"].where(~held_out, "poison"),
            repaid=rows["repaid"].where(~held_out, ~rows["repaid"]),
        )
        loose = with_config(tuning(folds=2), split={"max_label_difference": 1.0})

        again = search(loose, home, learned_from(loose, home, poisoned), trials=4)

        assert outcomes(home, again) == before

    def test_is_validated_on_entities_that_it_was_not_fitted_on(self, home, rows):
        by_entity = with_config(tuning(folds=3, pruner="none"), split={"by": "entity"})

        study = search(by_entity, home, learned_from(by_entity, home, rows), trials=3)

        assert all(len(each.steps) == 3 for each in trials_of(home, study.name))
        assert best_trial(study, trials_of(home, study.name)).kpi < 0.95


class TestAStudy:
    def test_is_kept_on_a_server_too(self, home, training_set, postgres_url):
        study = search(TUNED, home, training_set, trials=5)
        shared = replace(home, store=Store(postgres_url))

        again = search(TUNED, shared, training_set, trials=5)

        assert outcomes(shared, again) == outcomes(home, study)

    def test_goes_on_when_more_trials_are_asked_for(self, home, training_set):
        study = search(TUNED, home, training_set, trials=3)
        first = outcomes(home, study)
        heard = []

        search(TUNED, home, training_set, trials=5, tell=heard.append)

        assert outcomes(home, study)[:3] == first
        assert [trial.number for trial in heard] == [3, 4]

    def test_runs_nothing_when_it_has_all(self, home, training_set):
        search(TUNED, home, training_set, trials=2)
        heard = []

        search(TUNED, home, training_set, trials=2, tell=heard.append)

        assert heard == []

    def test_begins_no_trial_after_its_time(self, home, training_set):
        over = now() - dt.timedelta(minutes=1)

        study = search(TUNED, home, training_set, trials=2, until=over)

        assert trials_of(home, study.name) == []

    def test_is_another_for_other_rows_or_another_space(self, home, rows, training_set, rng):
        search(TUNED, home, training_set, trials=1)
        search(tuning(space={"sgd": SPACE["sgd"]}), home, training_set, trials=1)
        more = pd.concat([rows, draw(50, rng, start="2020-07-01", months=1)])
        search(TUNED, home, learned_from(TUNED, home, more, now=NOW), trials=1)
        search(tuning(trials=99), home, learned_from(TUNED, home, more), trials=2)

        assert len(studies(TUNED, home)) == 3

    def test_finds_what_was_planted(self, home):
        """Where the KPI is lower-is-better as well."""
        problem = with_config(
            REPAYMENTS,
            tuning={
                "space": {
                    "ridge": {
                        "hyperparameters": {"alpha": {"low": 1.0, "high": 1e9, "log": True}}
                    }
                }
            },
        )
        made = learned_from(problem, home, draw(700, np.random.default_rng(1), months=6))

        study = search(problem, home, made, trials=12)

        found = trials_of(home, study.name)
        best = best_trial(study, found)
        assert best.kpi == min(each.kpi for each in found if each.kpi is not None)
        assert best.choice["ridge.hyperparameters.alpha"] < 1e4

    def test_refuses_to_search_nothing(self, home, training_set):
        with pytest.raises(TrainingError, match="says nothing of what may be tuned"):
            search(LOANS, home, training_set, trials=1)


class TestTheModel:
    def test_has_the_hyperparameters_of_the_best_trial(self, home, training_set):
        study = search(TUNED, home, training_set, trials=6)
        best = best_trial(study, trials_of(home, study.name))
        problem = with_config(TUNED, training={"hyperparameters": "tuned"})

        model = ensure_model(problem, home, now=NOW, run_id="r")

        algorithm = model.manifest.algorithm
        assert algorithm.estimator == best.choice["estimator"]
        for name, value in best.choice.items():
            if ".hyperparameters." in name:
                assert algorithm.hyperparameters[name.rpartition(".")[2]] == value
        assert model.course.contests[0].kpi == best.kpi
        assert algorithm.training["hyperparameters"] == best.name
        assert present_model(problem, home).version == model.version
        assert reproduce(problem, home, model).identical

    def test_is_another_when_a_better_trial_is_found(self, home, training_set):
        problem = with_config(TUNED, training={"hyperparameters": "tuned"})
        study = search(TUNED, home, training_set, trials=1)
        first = ensure_model(problem, home, now=NOW, run_id="r")
        search(TUNED, home, training_set, trials=8)
        assert best_trial(study, trials_of(home, study.name)).number > 0

        second = ensure_model(problem, home, now=NOW + dt.timedelta(hours=1), run_id="r")

        assert second.training_fingerprint != first.training_fingerprint

    def test_stays_with_a_trial_that_is_named(self, home, training_set):
        study = search(TUNED, home, training_set, trials=3)
        named = with_config(TUNED, training={"hyperparameters": f"{study.name}#1"})

        chosen = with_chosen(named, home).config.training

        assert list(chosen.estimators) == ["sgd"]
        assert (
            with_chosen(
                replace(named, config=with_chosen(named, home).config), home
            ).config.training
            == chosen
        )

    def test_needs_a_trial_that_is_done(self, home):
        with pytest.raises(TrainingError, match="no trial is done yet"):
            with_chosen(with_config(TUNED, training={"hyperparameters": "tuned"}), home)
        with pytest.raises(TrainingError, match="no trial 'loans-nix#3' that is done"):
            trial_named(TUNED, home, "loans-nix#3")


class TestTheSpace:
    @pytest.mark.parametrize(
        ("space", "message"),
        [
            ({"logistic": {"hyperparameters": {"C": {"low": 1}}}}, "low and high, or choices"),
            (
                {"logistic": {"hyperparameters": {"C": {"low": 2, "high": 1}}}},
                "low must be below high, got 2 and 1",
            ),
            (
                {"logistic": {"hyperparameters": {"C": {"low": 0, "high": 1, "log": True}}}},
                "log needs a low above 0",
            ),
            ({"logistic": {"hyperparameter": {}}}, "did you mean 'hyperparameters'"),
        ],
    )
    def test_is_refused_when_it_makes_no_sense(self, space, message):
        with pytest.raises(ProblemError, match=message):
            with_config(LOANS, tuning={"space": space})

    @pytest.mark.parametrize(
        ("space", "message"),
        [
            ({"logistik": {}}, "training has no 'logistik'; did you mean 'logistic'"),
            ({"logistic": {"encoders": {"storry": {}}}}, "no 'storry'; did you mean 'story'"),
        ],
    )
    def test_is_of_what_training_has(self, home, training_set, space, message):
        with pytest.raises(TrainingError, match=message):
            search(with_config(LOANS, tuning={"space": space}), home, training_set, trials=1)

    def test_leaves_out_what_interpretability_rules_out(self, home, training_set):
        trees = {
            "boosting": {"kind": "boosting"},
            **TUNED.config.training.model_dump()["estimators"],
        }
        space = {"boosting": {"hyperparameters": {"max_depth": {"low": 2, "high": 4}}}}
        values = with_config(
            TUNED, training={"estimators": trees}, tuning={"space": space | SPACE}
        )
        required = values.config.model_copy(update={"interpretability": "required"})
        problem = replace(values, config=required)

        study = search(problem, home, training_set, trials=6)

        tried = {each.choice["estimator"] for each in trials_of(home, study.name)}
        assert tried == {"logistic", "sgd"}
        only = required.model_copy(
            update={
                "tuning": required.tuning.model_copy(
                    update={"space": {"boosting": required.tuning.space["boosting"]}}
                )
            }
        )
        with pytest.raises(
            TrainingError, match="nothing is left to tune: boosting is ruled out"
        ):
            search(replace(values, config=only), home, training_set, trials=1)
