import datetime as dt
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from loans import LOANS, NOW, REPAYMENTS, admit, draw, features, learned_from, with_config

from ml_assets.errors import InsufficientData, TrainingError
from ml_assets.evaluation import measure
from ml_assets.features import build_training_set, materialize_partitions, training_frame
from ml_assets.progress import shown_by
from ml_assets.registry.frozen import freeze, model_hash
from ml_assets.training import Parent, train, training_fingerprint
from ml_assets.training.estimators import KINDS

EVERY_KIND = {
    "binary": (LOANS, ["logistic", "sgd", "naive_bayes", "boosting"]),
    "regression": (REPAYMENTS, ["ridge", "sgd_regression", "boosting_regression"]),
}


@pytest.fixture
def rows(rng):
    return draw(1_500, rng, months=4)


def trained(problem, home, training_set, **arguments):
    measured = partial(measure, problem.config.metrics)
    return train(problem, home, training_set, measure=measured, **arguments)


def with_estimators(problem, **estimators):
    return with_config(problem, training={"estimators": estimators})


def only(kind, problem=LOANS, **hyperparameters):
    if kind.startswith("boosting"):
        hyperparameters |= {"max_iter": 20}
    return with_estimators(problem, it={"kind": kind, "hyperparameters": hyperparameters})


def hashed(trained):
    return model_hash(freeze(trained.winner.pipeline))


class TestTheWinner:
    def test_is_the_best_by_the_kpi_on_validation_rows(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        found = trained(LOANS, home, training_set)

        best = max(found.competitors, key=lambda each: each.validation["roc_auc"])
        assert found.winner.estimator == best.name
        assert {each.name for each in found.competitors} == {"logistic", "sgd"}

    def test_is_another_when_the_kpi_is(self, home, rows):
        estimators = {
            "sure": {"kind": "logistic", "hyperparameters": {"C": 1000.0}},
            "careful": {"kind": "logistic", "hyperparameters": {"C": 0.001}},
        }
        by_rank = with_estimators(LOANS, **estimators)
        by_loss = with_config(by_rank, kpi={"metric": "log_loss", "direction": "lower"})
        training_set = learned_from(by_rank, home, rows)

        ranked, calibrated = (trained(each, home, training_set) for each in (by_rank, by_loss))

        for found, sign in ((ranked, -1), (calibrated, 1)):
            kpi = {each.name: sign * each.kpi for each in found.competitors}
            assert found.winner.estimator == min(kpi, key=kpi.get)
        assert ranked.winner.estimator != calibrated.winner.estimator

    def test_is_the_first_declared_of_equals(self, home, rows):
        same = {"kind": "logistic", "hyperparameters": {"C": 1.0}}
        twins = with_estimators(LOANS, second=same, first=same)

        found = trained(twins, home, learned_from(twins, home, rows))

        assert found.winner.estimator == "second"

    def test_is_fitted_on_train_and_validation_rows(self, home, rows):
        problem = only("logistic")
        training_set = learned_from(problem, home, rows)

        found = trained(problem, home, training_set)

        text = found.winner.pipeline.named_steps["encode"].named_transformers_["story"]
        frame = training_frame(problem, home, training_set, splits=["train", "validation"])
        assert text.idf_.min() == pytest.approx(
            np.log((1 + len(frame)) / (1 + _most_texts(frame["story"]))) + 1
        )

    def test_learned_something(self, home, rows):
        found = trained(LOANS, home, learned_from(LOANS, home, rows))

        assert all(each.validation["roc_auc"] > 0.7 for each in found.competitors)

    def test_never_sees_the_test_rows(self, home, rows):
        """Poison in the test rows: a word that would be learned, and labels turned around."""
        clean = learned_from(LOANS, home, rows)
        before = hashed(trained(LOANS, home, clean))
        frame = training_frame(LOANS, home, clean, splits=["test"])
        held_out = rows["loan_id"].isin(frame["loan_id"])
        poisoned = rows.assign(
            story=rows["story"].where(~held_out, "poison"),
            repaid=rows["repaid"].where(~held_out, ~rows["repaid"]),
        )
        loose = with_config(LOANS, split={"max_label_difference": 1.0})

        after = hashed(trained(loose, home, learned_from(loose, home, poisoned)))

        assert after == before


def _most_texts(stories):
    return (
        pd.Series([word for story in stories for word in set(story.split())])
        .value_counts()
        .max()
    )


class TestWhatIsKept:
    def test_both_errors_and_the_circumstances(self, home, rows):
        found = trained(LOANS, home, learned_from(LOANS, home, rows))

        for each in found.competitors:
            assert each.train["roc_auc"] > each.validation["roc_auc"]
            assert each.kpi == each.validation["roc_auc"]
            assert each.seconds > 0
        assert found.seed == 0
        assert found.winner.hyperparameters["C" if found.winner.kind == "logistic" else "alpha"]
        assert found.environment["scikit-learn"]
        assert found.environment["python"].startswith("3.")
        assert found.feature_names == ("purpose", "amount_to_income", "is_large", "story")
        assert found.seconds > sum(each.seconds for each in found.competitors)

    def test_a_learning_curve_of_each_epoch(self, home, rows):
        found = trained(LOANS, home, learned_from(LOANS, home, rows))

        curve = next(each for each in found.competitors if each.name == "sgd").curve
        assert [point.epoch for point in curve] == [1, 2, 3, 4, 5]
        assert curve[-1].loss_train < curve[0].loss_train
        assert curve[-1].kpi_validation == pytest.approx(
            next(each.kpi for each in found.competitors if each.name == "sgd")
        )

    def test_what_an_estimator_warned_of(self, home, rows):
        hasty = only("logistic", max_iter=1)

        found = trained(hasty, home, learned_from(hasty, home, rows))

        assert found.winner.warnings[0].startswith(
            "ConvergenceWarning: lbfgs failed to converge"
        )

    @pytest.mark.parametrize("kind", ["logistic", "boosting"])
    def test_that_a_text_without_words_tells_nothing(self, home, rows, kind):
        silent = only(kind)

        found = trained(silent, home, learned_from(silent, home, rows.assign(story="")))

        assert "so the text tells the model nothing" in found.winner.warnings[0]
        assert "so the text tells the model nothing" in found.competitors[0].warnings[0]

    def test_progress_is_told(self, home, rows):
        class Told:
            def __init__(self):
                self.labels = []

            def start(self, label, total):
                self.labels.append((label, total))

            def advance(self, handle, steps):
                pass

            def finish(self, handle):
                pass

        told = Told()
        training_set = learned_from(LOANS, home, rows)
        with shown_by(told):
            trained(LOANS, home, training_set)

        assert ("estimators", 2) in told.labels
        assert ("epochs of sgd", 5) in told.labels


@pytest.mark.parametrize(
    ("problem", "kind"),
    [(problem, kind) for problem, kinds in EVERY_KIND.values() for kind in kinds],
    ids=[kind for _, kinds in EVERY_KIND.values() for kind in kinds],
)
class TestLawsOfEveryKind:
    def test_the_same_inputs_give_the_same_model_and_others_another(
        self, problem, kind, home, rows
    ):
        declared = only(kind, problem)
        training_set = learned_from(declared, home, rows)

        one, again = (trained(declared, home, training_set) for _ in range(2))
        other = trained(
            declared, home, learned_from(declared, home, rows.drop(index=range(100)))
        )

        assert hashed(one) == hashed(again)
        assert hashed(one) != hashed(other)
        assert one.fingerprint == again.fingerprint != other.fingerprint

    def test_beats_the_trivial_answer(self, problem, kind, home, rows):
        declared = only(kind, problem)

        found = trained(declared, home, learned_from(declared, home, rows))

        (competitor,) = found.competitors
        if problem is LOANS:
            assert competitor.kpi > 0.55
        else:
            amounts = rows["repaid_usd"]
            assert competitor.kpi < (amounts - amounts.median()).abs().mean()


@pytest.mark.parametrize("kind", EVERY_KIND["binary"][1])
def test_weights_of_rows_count(kind, home, rows):
    skewed = rows[rows["repaid"].to_numpy(bool) | (rows.index % 4 == 0)]
    plain = only(kind)
    weighed = with_config(plain, training={"imbalance": "class_weight"})

    def mean_probability(declared):
        training_set = learned_from(declared, home, skewed)
        found = trained(declared, home, training_set)
        frame = training_frame(declared, home, training_set, splits=["test"])
        return found.winner.pipeline.predict_proba(frame)[:, 1].mean()

    assert mean_probability(weighed) < mean_probability(plain) - 0.05


def test_every_kind_is_covered_by_the_laws():
    assert {kind for _, kinds in EVERY_KIND.values() for kind in kinds} == set(KINDS)


def test_rows_that_were_left_out_are_not_fitted(home, rows):
    skewed = rows[rows["repaid"].to_numpy(bool) | (rows.index % 4 == 0)]
    fewer = with_config(only("logistic"), training={"imbalance": "undersample"})

    training_set = learned_from(fewer, home, skewed)
    found = trained(fewer, home, training_set)

    frame = training_frame(fewer, home, training_set, splits=["train", "validation"])
    text = found.winner.pipeline.named_steps["encode"].named_transformers_["story"]
    counted = frame[frame["weight"] > 0]
    assert training_set.left_out > 0
    assert text.idf_.min() == pytest.approx(
        np.log((1 + len(counted)) / (1 + _most_texts(counted["story"]))) + 1
    )


class TestRefusals:
    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            ({"kind": "logistics"}, "no kind 'logistics'; did you mean 'logistic'?"),
            (
                {"kind": "ridge"},
                "ridge is for regression problems, this one is binary. Use one",
            ),
            (
                {"kind": "sgd", "hyperparameters": {"alfa": 1}},
                "sgd has no hyperparameter 'alfa'; did you mean 'alpha'?",
            ),
            (
                {"kind": "sgd", "hyperparameters": {"loss": "hinge"}},
                "with loss 'hinge' there are no probabilities",
            ),
            (
                {"kind": "logistic", "hyperparameters": {"C": -1}},
                "it cannot be fitted: The 'C'",
            ),
        ],
        ids=["kind", "regression", "hyperparameter", "no probabilities", "value"],
    )
    def test_says_what_is_wrong_with_an_estimator(self, home, rows, estimator, message):
        declared = with_estimators(LOANS, it=estimator)
        training_set = learned_from(declared, home, rows)

        with pytest.raises(TrainingError) as refused:
            trained(declared, home, training_set)

        assert message in str(refused.value)

    def test_says_which_encoder_is_no_feature(self, home, rows):
        typo = with_config(LOANS, training={"encoders": {"storry": {"kind": "tfidf"}}})

        with pytest.raises(TrainingError, match="names storry, which is no feature of loans"):
            trained(typo, home, learned_from(typo, home, rows))

    def test_needs_the_kpi_among_the_metrics(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        with pytest.raises(TrainingError, match="The KPI roc_auc is not among the metrics"):
            train(LOANS, home, training_set, measure=partial(measure, ["accuracy"]))


class TestFingerprint:
    @pytest.fixture
    def training_set(self, home, rows):
        return learned_from(LOANS, home, rows)

    def test_is_the_same_for_the_same_inputs(self, training_set):
        same = with_config(LOANS, training={"checkpoint_every": 7})

        assert training_fingerprint(LOANS, training_set) == training_fingerprint(
            same, replace(training_set, created_at=NOW, run_id="another")
        )

    @pytest.mark.parametrize(
        "changed",
        [
            with_config(LOANS, training={"seed": 1}),
            with_config(LOANS, kpi={"metric": "log_loss"}),
            with_estimators(
                LOANS, logistic={"kind": "logistic", "hyperparameters": {"C": 2.0}}
            ),
            with_estimators(LOANS, **dict(reversed(LOANS.config.training.estimators.items()))),
            replace(LOANS, features=lambda loans: features(loans).head(len(loans))),
            replace(LOANS, contract=REPAYMENTS.contract),
        ],
        ids=["seed", "kpi", "hyperparameter", "order", "features", "contract"],
    )
    def test_changes_with_what_makes_the_model(self, training_set, changed):
        assert training_fingerprint(changed, training_set) != training_fingerprint(
            LOANS, training_set
        )

    def test_does_not_mind_what_makes_no_difference(self, training_set):
        renamed = with_config(LOANS, label={"positive": "in other words"})

        assert training_fingerprint(renamed, training_set) == training_fingerprint(
            LOANS, training_set
        )


class TestStatefulTraining:
    @pytest.fixture
    def problem(self):
        return only("sgd", max_iter=3, average=True)

    @pytest.fixture
    def parent(self, problem, home, rows):
        training_set = learned_from(problem, home, rows)
        found = trained(problem, home, training_set)
        return Parent("v1", "it", found.winner.pipeline, training_set)

    @pytest.fixture
    def newer(self, problem, home, parent, rng):  # noqa: ARG002 - after its parent
        more = draw(400, rng, start="2020-05-01", months=2)
        partitions = admit(problem, home, more)
        list(materialize_partitions(problem, home, partitions, run_id="r"))
        return build_training_set(problem, home, now=NOW, run_id="r")

    def test_goes_on_from_the_weights_of_its_parent(self, problem, home, parent, newer):
        before = freeze(parent.pipeline)

        found = trained(problem, home, newer, parent=parent)

        encode, model = found.winner.pipeline
        assert found.parent == "v1"
        assert encode is parent.pipeline.named_steps["encode"]
        assert model.t_ > parent.pipeline.named_steps["model"].t_
        assert freeze(parent.pipeline) == before
        assert found.competitors[0].kpi > 0.6

    def test_costs_what_is_new_and_not_the_history(self, problem, home, parent, newer):
        found = trained(problem, home, newer, parent=parent)

        steps = found.winner.pipeline.named_steps["model"].t_ - parent.pipeline[-1].t_
        seen, now_seen = (
            training_frame(problem, home, each, splits=["train", "validation"])
            for each in (parent.training_set, newer)
        )
        assert steps == len(set(now_seen["loan_id"]) - set(seen["loan_id"]))
        assert steps < len(seen)

    def test_has_a_fingerprint_of_its_own(self, problem, home, parent, newer):
        continued = trained(problem, home, newer, parent=parent)

        assert continued.fingerprint != trained(problem, home, newer).fingerprint

    def test_refuses_when_there_is_nothing_new(self, problem, home, parent):
        with pytest.raises(InsufficientData, match=r"that it has not seen.* got 0"):
            trained(problem, home, parent.training_set, parent=parent)

    def test_refuses_what_cannot_be_continued(self, home, parent, newer):
        at_once = only("logistic")

        with pytest.raises(TrainingError, match="learns from all rows at once"):
            trained(at_once, home, newer, parent=parent)

    def test_refuses_other_features(self, problem, home, parent, newer):
        encoders = {"purpose": {"kind": "one_hot"}}
        fewer = with_config(problem, training={"encoders": encoders})

        with pytest.raises(TrainingError, match=r"reads other features .*amount_to_income"):
            trained(fewer, home, newer, parent=parent)


def test_small_problems_train_quickly(home, rng):
    """Ten thousand rows, four algorithms: seconds of work, on one core."""
    import time

    kinds = {kind: {"kind": kind} for kind in EVERY_KIND["binary"][1]}
    problem = with_estimators(LOANS, **kinds)
    training_set = learned_from(problem, home, draw(10_000, rng, months=2))
    started = time.process_time()

    trained(problem, home, training_set)

    assert time.process_time() - started < 20
    assert training_set.days["test"][1] <= dt.date(2020, 3, 1)


class TestInterpretability:
    def test_rules_estimators_out_before_training_and_says_which_and_why(self, home, rows):
        problem = interpretable(trees={"kind": "boosting"}, logistic={"kind": "logistic"})

        found = trained(problem, home, learned_from(problem, home, rows))

        assert [each.name for each in found.competitors] == ["logistic"]
        assert "ruled out by interpretability: required" in found.skipped["trees"]

    def test_refuses_when_no_estimator_is_left(self, home, rows):
        problem = interpretable(trees={"kind": "boosting"})

        with pytest.raises(TrainingError, match="Add a linear estimator, such as logistic"):
            trained(problem, home, learned_from(problem, home, rows))


def interpretable(**estimators):
    problem = with_estimators(LOANS, **estimators)
    return replace(
        problem, config=problem.config.model_copy(update={"interpretability": "required"})
    )
