"""Experiments: what may be asked, what is fitted, what is remembered."""

import datetime as dt
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from hypotheses import STORY, WITHOUT_STORY, C, declared, run
from loans import NOW, admit, draw, learned_from, with_config
from programs import environment_of

from ml_assets.errors import ExperimentError, ProblemError, TrainingError
from ml_assets.experiments import experiments, last_run, runs_of
from ml_assets.experiments.stages import Side, frames_of
from ml_assets.features import load_training_set
from ml_assets.problem import Config
from ml_assets.registry import axes_of, ensure_model, evaluate, versions
from ml_assets.storage import Home


@pytest.fixture
def rows(rng):
    return draw(1_000, rng, months=6)


@pytest.fixture
def training_set(home, rows):
    return learned_from(WITHOUT_STORY, home, rows)


@pytest.fixture
def lab(home, training_set):
    """Declares experiments on the loans, and runs them."""
    assert training_set.rows["test"] > 100

    class Lab:
        def declare(self, *sets, **how):
            return declared(how.pop("problem", WITHOUT_STORY), home, *sets, **how)

        def run(self, *sets, **how):
            problem = how.get("problem", WITHOUT_STORY)
            return run(problem, home, self.declare(*sets, **how))

    return Lab()


class TestTheVerdict:
    def test_is_supported_when_an_effect_was_planted(self, lab):
        done = lab.run(STORY, hypothesis="What applicants tell says who repays.")

        assert done.verdict == "supported"
        assert done.difference.low > 0
        assert done.metrics["variant"]["roc_auc"] == done.difference.challenger

    def test_is_refuted_when_the_effect_is_the_other_way_round(self, lab):
        done = lab.run(STORY, expect="worse")

        assert done.verdict == "refuted"

    def test_is_not_supported_when_nothing_was_planted(self, lab):
        noise = "training.encoders.noise={kind: scale}"

        done = [
            lab.run(noise, features=f"hypotheses:noise_{number}").verdict
            for number in range(20)
        ]

        assert done.count("supported") <= 0.05 * len(done)

    def test_is_not_supported_by_luck_in_training(self, lab):
        """Seeds that draw other rows first are no effect, whatever one of them comes to."""
        done = [
            lab.run(f"training.seed={10 * number}", estimator="sgd", seeds=3).verdict
            for number in range(1, 6)
        ]

        assert "supported" not in done

    def test_of_several_seeds_is_that_of_one_where_nothing_is_drawn(self, lab):
        """Nothing of a logistic regression is drawn, so each seed gives the same."""
        once, often = lab.run(f"{C}=0.1"), lab.run(f"{C}=0.1", seeds=3)

        assert often.difference.low == pytest.approx(once.difference.low)
        assert "control fit" in often.reused

    def test_can_be_that_a_change_does_not_matter(self, lab):
        assert lab.run(f"{C}=1.01", expect="same", by=0.02).verdict == "supported"
        assert lab.run(STORY, expect="same", by=0.01).verdict == "refuted"


class TestTheAxis:
    @pytest.mark.parametrize(
        ("sets", "how", "axes"),
        [
            ([f"{C}=0.1"], {}, ("hyperparameters",)),
            (["training.seed=3"], {}, ("hyperparameters",)),
            ([STORY], {}, ("features",)),
            ([], {"features": "hypotheses:with_noise"}, ("features",)),
            ([], {"window": 3}, ("data",)),
            (["training.window_partitions=3"], {}, ("data",)),
            ([], {"algorithm": "sgd"}, ("algorithm",)),
            (["training.estimators.logistic.kind=naive_bayes", C + "=null"], None, None),
        ],
    )
    def test_follows_from_what_is_changed(self, lab, sets, how, axes):
        if how is None:
            with pytest.raises(TrainingError, match="naive_bayes has no hyperparameter 'C'"):
                lab.declare(*sets)
            return

        assert lab.declare(*sets, **how).axes == axes

    def test_is_one_unless_more_are_declared(self, lab):
        changes = ([f"{C}=0.1"], {"window": 3})

        with pytest.raises(ExperimentError, match="2 axes are changed"):
            lab.declare(*changes[0], **changes[1])
        both = lab.declare(*changes[0], **changes[1], axes=("data", "hyperparameters"))

        assert both.axes == ("data", "hyperparameters")

    def test_of_an_algorithm_with_other_values_than_its_own_is_two(self, lab):
        alpha = "training.estimators.sgd.hyperparameters.alpha=0.5"

        with pytest.raises(ExperimentError, match="algorithm, hyperparameters"):
            lab.declare(alpha, algorithm="sgd")

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ("training.estimators.logistik.hyperparameters.C=1", ExperimentError, "'logistic'"),
            (
                "training.estimators.logistic.hyperparametres.C=1",
                ExperimentError,
                "'hyperparam",
            ),
            ("training.estimators.logistic.hyperparameters.CC=1", TrainingError, "mean 'C'"),
            ("training.encoders.purpose.kind=onehot", ProblemError, "one_hot"),
            ("training.encoders.purpose.options={sparse: 1}", TrainingError, "sparse_output"),
            ("training.min_rows=5", ExperimentError, "Other values make another training set"),
            (f"{C}", ExperimentError, "has no value"),
            (f"{C}=1.0", ExperimentError, "Nothing is changed"),
        ],
    )
    def test_is_refused_when_there_is_no_such_thing(self, lab, change, error, message):
        with pytest.raises(error, match=message):
            lab.declare(change)

    def test_of_features_needs_a_function(self, lab):
        with pytest.raises(ExperimentError, match="hypotheses has no function 'nix'"):
            lab.declare(features="hypotheses:nix")
        with pytest.raises(ExperimentError, match="No module named 'no_such_module'"):
            lab.declare(features="no_such_module:features")


class TestTheSides:
    def test_answer_what_a_model_of_the_same_values_answers(self, lab, home):
        only = {"estimators": {"logistic": {"kind": "logistic", "hyperparameters": {"C": 1.0}}}}
        problem = with_config(WITHOUT_STORY, training=only)
        model = ensure_model(problem, home, now=NOW, run_id="r")
        measured = evaluate(problem, home, model, now=NOW)

        done = lab.run(STORY)

        assert done.metrics["control"] == pytest.approx(measured.metrics["test"], rel=1e-12)
        assert done.versions["control"] == axes_of(model.manifest)

    def test_have_the_same_versions_but_for_the_axis_that_differs(self, lab):
        differing = {
            axis: [
                name
                for name in done.versions["control"]._fields
                if getattr(done.versions["control"], name)
                != getattr(done.versions["variant"], name)
            ]
            for axis, done in {
                "data": lab.run(window=3),
                "features": lab.run(STORY),
                "hyperparameters": lab.run(f"{C}=0.1"),
            }.items()
        }

        assert differing == {
            "data": ["data"],
            "features": ["pipeline"],
            "hyperparameters": ["hyperparameters"],
        }

    def test_answer_the_same_rows_and_learn_from_none_of_them(self, lab, home, rows, rng):
        older = load_training_set(WITHOUT_STORY, home).id
        more = draw(400, rng, start="2020-07-01", months=2)
        moved = learned_from(WITHOUT_STORY, home, more)
        experiment = lab.declare(training_set=older)
        assert experiment.held_out == moved.id
        sides = [
            Side(WITHOUT_STORY, home, arm, experiment.held_out)
            for arm in (experiment.control, experiment.variant)
        ]

        frames = [frames_of(side, WITHOUT_STORY) for side in sides]

        assert frames[0][1].equals(frames[1][1])
        for fit, test in frames:
            assert not set(fit["loan_id"]) & set(test["loan_id"])
        assert len(frames[1][0]) < len(frames[0][0])
        assert len(rows) > len(frames[1][0])

    def test_read_the_newest_partitions_of_a_window(self, lab, home):
        experiment = lab.declare(window=2)

        fit, _ = frames_of(
            Side(WITHOUT_STORY, home, experiment.variant, experiment.held_out), WITHOUT_STORY
        )

        assert sorted(fit["partition"].unique()) == ["2020-05"]
        with pytest.raises(ExperimentError, match="window of 9 partitions is longer"):
            lab.run(window=9)

    def test_have_features_of_the_rows_that_were_validated(self, lab, home, rows):
        experiment = lab.declare(
            "training.encoders.noise={kind: scale}", features="hypotheses:with_noise"
        )
        changed = rows.assign(income_usd=1.0)
        admit(WITHOUT_STORY, home, changed, fingerprint="revised")

        with pytest.raises(ExperimentError, match="were validated or made into features anew"):
            run(WITHOUT_STORY, home, experiment)

    def test_leave_models_and_training_sets_alone(self, lab, home, training_set):
        lab.run(f"{C}=0.1")

        assert versions(WITHOUT_STORY, home) == []
        assert load_training_set(WITHOUT_STORY, home) == training_set


class TestTheSecondIteration:
    def test_uses_what_the_first_has_made(self, lab):
        lab.run(f"{C}=0.1")

        again = lab.run(f"{C}=0.2")

        assert set(again.reused) == {"control fit", "variant encode"}

    def test_is_fitted_again_when_the_cache_is_lost(self, lab, home):
        first = lab.run(f"{C}=0.1")
        for path in (home.path / "cache" / "experiments").rglob("*.npz"):
            path.unlink()
        for path in (home.path / "cache" / "experiments" / "loans").iterdir():
            path.rmdir()

        again = lab.run(f"{C}=0.1")

        assert (again.difference, again.reused) == (first.difference, ("variant encode",))

    def test_of_the_same_gives_the_same_run(self, lab, home):
        experiment = lab.declare(f"{C}=0.1")
        first = run(WITHOUT_STORY, home, experiment)

        again = run(WITHOUT_STORY, home, experiment)

        assert again.unchanged
        assert (again.at, again.difference) == (first.at, first.difference)
        assert len(runs_of(home, experiment)) == 1


class TestWhatIsRemembered:
    def test_are_runs_that_failed_with_their_reason(self, lab, home):
        experiment = lab.declare(features="hypotheses:broken")

        with pytest.raises(KeyError):
            run(WITHOUT_STORY, home, experiment)

        (failed,) = runs_of(home, experiment)
        assert failed.state == "failed"
        assert "no such column" in failed.error
        assert last_run(home, experiment).verdict is None

    def test_is_who_asked_what_when(self, lab, home):
        lab.declare(f"{C}=0.1", owner="grace", hypothesis="Smaller is safer.", by=0.01)

        (found,) = experiments(WITHOUT_STORY, home)

        assert (found.id, found.owner) == ("loans-1", "grace")
        assert found.hypothesis == "Smaller is safer."
        assert str(found.expectation) == "better by more than 0.01"
        assert found.changes == (f"{C}=0.1",)

    def test_is_never_changed(self, lab, home):
        lab.run(f"{C}=0.1")

        for table in ("experiments", "experiment_runs"):
            with (
                pytest.raises(sa.exc.DatabaseError, match="append-only"),
                home.store.begin() as it,
            ):
                it.exec_driver_sql(f"delete from {table}")

    def test_is_followed_only_once_it_has_a_verdict(self, lab):
        first = lab.declare(STORY)

        with pytest.raises(ExperimentError, match="no verdict yet that could be followed"):
            lab.declare(f"{C}=0.1", follows=first.id)

    def test_follows_what_was_shown(self, lab, home):
        supported, refuted = lab.declare(STORY), lab.declare(f"{C}=1e-6")
        for each in (supported, refuted):
            run(WITHOUT_STORY, home, each)

        after = lab.declare(f"{C}=0.1", follows=supported.id)
        instead = lab.declare(f"{C}=0.1", follows=refuted.id)

        assert (after.follows, after.control) == (supported.number, supported.variant)
        assert instead.control == refuted.control


@pytest.mark.slow
@pytest.mark.usefixtures("training_set")
def test_several_people_at_once_do_not_collide(home):
    declared(WITHOUT_STORY, home, f"{C}=0.3", owner="first")
    program = Path(__file__).parents[1] / "examples" / "hypotheses.py"
    people = ["ada", "grace", "joan"]

    running = [
        subprocess.Popen([sys.executable, program, home.path, name], env=environment_of(home))
        for name in people
    ]
    codes = [each.wait(timeout=120) for each in running]

    assert codes == [0, 0, 0]
    found = experiments(WITHOUT_STORY, home)
    assert [each.number for each in found] == list(range(1, 11))
    assert sorted(each.owner for each in found) == sorted(["first", *people * 3])
    assert all(each.owner in ("first", each.hypothesis) for each in found)
    outcomes = {}
    for each in found:
        done = last_run(home, each)
        outcomes.setdefault(each.variant.hyperparameters["C"], set()).add(done.difference)
    assert all(len(each) == 1 for each in outcomes.values())


def test_says_what_to_do_when_the_hypothesis_is_not_one(lab):
    with pytest.raises(ExperimentError, match="needs a hypothesis, in words"):
        lab.declare(f"{C}=0.1", hypothesis=" ")
    with pytest.raises(ExperimentError, match="only be shown up to a margin"):
        lab.declare(f"{C}=0.1", expect="same")


def test_a_server_keeps_experiments_as_a_file_does(postgres_url, tmp_path, rows):
    shared = Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": postgres_url})
    learned_from(WITHOUT_STORY, shared, rows)
    first = declared(WITHOUT_STORY, shared, STORY, by=0.01)
    outcome = run(WITHOUT_STORY, shared, first)

    after = declared(WITHOUT_STORY, shared, f"{C}=0.1", follows=first.id)

    assert experiments(WITHOUT_STORY, shared) == [first, after]
    assert last_run(shared, first).difference == outcome.difference
    assert after.control == first.variant


def test_rows_about_one_thing_are_not_on_both_sides_of_the_fit(home, rows):
    twins = {
        "source": "purpose",
        "blocking": [["story"]],
        "comparisons": {
            "story": {"kind": "text", "levels": [{"within": 0, "m": 0.9, "u": 0.001}]},
            "amount_usd": {"kind": "number"},
        },
    }
    values = WITHOUT_STORY.config.model_dump(mode="json") | {"duplicates": twins}
    problem = replace(WITHOUT_STORY, config=Config.from_values(values, where="the test"))
    older = learned_from(problem, home, rows)
    copies = rows.assign(
        loan_id=rows["loan_id"] + "-again",
        applied_at=(rows["applied_at"] + pd.Timedelta(days=90)).astype("datetime64[us, UTC]"),
    )
    learned_from(problem, home, pd.concat([rows, copies.tail(300)]), now=NOW + dt.timedelta(90))
    experiment = declared(problem, home, training_set=older.id)

    fit, test = frames_of(Side(problem, home, experiment.variant, experiment.held_out), problem)

    things = [set(each["loan_id"].str.removesuffix("-again")) for each in (fit, test)]
    assert len(fit) > 100
    assert not things[0] & things[1]
