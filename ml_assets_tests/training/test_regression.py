"""A regression on a log scale, with local models and intervals: what is fitted, and on which rows."""

from functools import partial

import numpy as np
import pytest
from flats import CITIES, FLATS, NOW, draw, learned_from
from loans import LOANS, with_config
from sklearn.linear_model import LinearRegression

from ml_assets.errors import ProblemError, TrainingError
from ml_assets.evaluation import measure
from ml_assets.features import training_frame
from ml_assets.registry.frozen import freeze, thaw
from ml_assets.registry.retraining import ensure_model
from ml_assets.training import Parent, train
from ml_assets.training.encoders import column_transformer
from ml_assets.training.rows import Rows, fitting_part
from ml_assets.training.wrappers import LocalModels, LogTarget

RIDGE = {"ridge": {"kind": "ridge"}}
LOCAL = {"by": "location", "min_rows": 100}
EVERY = {
    "ridge": {"kind": "ridge"},
    "ridge_local": {"kind": "ridge", "local": LOCAL},
    "sgd": {"kind": "sgd_regression", "hyperparameters": {"max_iter": 5}},
    "boosting": {"kind": "boosting_regression", "hyperparameters": {"max_iter": 20}},
    "boosting_local": {
        "kind": "boosting_regression",
        "hyperparameters": {"max_iter": 20, "loss": "absolute_error"},
        "local": LOCAL,
    },
}


@pytest.fixture
def rows(rng):
    return draw(1_500, rng)


def trained(problem, home, training_set, **arguments):
    names = [problem.config.kpi.metric, *problem.config.metrics]
    return train(problem, home, training_set, measure=partial(measure, names), **arguments)


def with_training(**changed):
    return with_config(FLATS, training=changed)


def frame_of(problem, home, training_set, *splits):
    return training_frame(problem, home, training_set, splits=splits)


@pytest.mark.parametrize("name", EVERY)
def test_every_estimator_is_the_same_when_it_is_fitted_again_and_when_it_was_stored(
    name, home, rows
):
    problem = with_training(estimators={name: EVERY[name]})
    training_set = learned_from(problem, home, rows)

    first, second = (trained(problem, home, training_set).winner for _ in range(2))

    test = frame_of(problem, home, training_set, "test")
    frozen = freeze(first.pipeline)
    assert frozen == freeze(second.pipeline)
    assert first.intervals == second.intervals
    assert thaw(frozen).predict(test).tolist() == first.pipeline.predict(test).tolist()


@pytest.mark.parametrize("name", EVERY)
def test_answers_prices_although_it_learned_logarithms(name, home, rows):
    problem = with_training(estimators={name: EVERY[name]})
    training_set = learned_from(problem, home, rows)

    found = trained(problem, home, training_set)

    test = frame_of(problem, home, training_set, "test")
    prices = found.winner.pipeline.predict(test)
    assert (prices > 0).all()
    assert measure(["median_ape"], test["label"], prices)["median_ape"] < 0.25


def test_refuses_labels_that_have_no_logarithm(home, rows):
    rows.loc[3, "price_usd"] = 0.0
    training_set = learned_from(FLATS, home, rows)

    with pytest.raises(
        TrainingError, match=r"is log, and 1 of .* labels are not above 0; the l"
    ):
        trained(FLATS, home, training_set)


class TestCalibratingRows:
    @pytest.fixture
    def parts(self, home, rows):
        training_set = learned_from(FLATS, home, rows)
        found = Rows.of(FLATS, home, training_set, folder=home.path / "batches")
        return training_set, found, home

    def test_are_about_the_declared_share_of_the_validation_rows(self, parts):
        training_set, rows, _ = parts

        calibrating = fitting_part(FLATS, rows.frame, calibrating=True)

        assert set(calibrating["split"]) == {"validation"}
        share = len(calibrating) / training_set.rows["validation"]
        assert share == pytest.approx(FLATS.config.training.interval.share, abs=0.1)

    def test_and_the_others_are_all_rows(self, parts):
        _, rows, _ = parts

        two = [fitting_part(FLATS, rows.frame, calibrating=which) for which in (True, False)]

        ids = [set(part["flat_id"]) for part in two]
        assert not ids[0] & ids[1]
        assert len(ids[0] | ids[1]) == len(rows.frame)

    def test_never_move_the_model(self, parts, rng):
        """Other labels of the calibrating rows: the same model, and other intervals."""
        training_set, found, home = parts
        calibrating = set(fitting_part(FLATS, found.frame, calibrating=True)["flat_id"])
        rows = draw(1_500, np.random.default_rng(0))
        drawn = rows["flat_id"].isin(calibrating)
        rows.loc[drawn, "price_usd"] *= np.exp(rng.normal(size=drawn.sum()))

        before = trained(FLATS, home, training_set).winner
        after = trained(FLATS, home, learned_from(FLATS, home, rows)).winner

        assert freeze(before.pipeline) == freeze(after.pipeline)
        assert after.intervals.shared.reach > 1.5 * before.intervals.shared.reach

    def test_are_the_same_in_batches_on_disk(self, home, rows):
        training_set = learned_from(FLATS, home, rows)
        problem = with_training(batch_rows=200)
        encoder = column_transformer(problem.config.training.encoders, "sparse", seed=0)
        folder = home.path / "batches"
        found = []
        for on_disk in (False, True):
            of = Rows(problem, home, training_set, folder, on_disk=on_disk)
            of.matrices(encoder, ["train"], learn=True, name="train")
            batches = of.matrices(
                encoder, ["validation"], counted=False, calibrating=True, name="calibrating"
            )
            found.append(
                sorted(
                    (group, label)
                    for place in range(len(batches))
                    for group, label in zip(
                        batches.load(place).groups, batches.load(place).y, strict=True
                    )
                )
            )

        assert found[0] == found[1]
        assert {group for group, _ in found[0]} <= set(CITIES)


def test_intervals_hold_nine_of_ten_prices_that_nobody_saw(home):
    """Coverage on held-out rows, within its binomial error and that of the calibrating rows."""
    problem = with_config(FLATS, split={"by": "entity"})
    training_set = learned_from(problem, home, draw(6_000, np.random.default_rng(1)))
    found = trained(problem, home, training_set).winner

    test = frame_of(problem, home, training_set, "test")
    ends = found.intervals.with_ends(found.pipeline.predict(test), test["location"].tolist())

    held = measure(["coverage"], test["label"], ends)["coverage"]
    error = (0.9 * 0.1 * (1 / len(test) + 1 / found.intervals.shared.rows)) ** 0.5
    assert held == pytest.approx(0.9, abs=3 * error)


class TestLocalModels:
    def test_are_those_of_groups_with_enough_rows(self, home, rows):
        problem = with_training(estimators={"local": EVERY["ridge_local"]})

        learned_from(problem, home, rows)
        version = ensure_model(problem, home, now=NOW, run_id="test")

        own = version.manifest.local_rows
        assert {"Berlin", "Bonn"} <= set(own) <= {"Berlin", "Bonn", "Madrid", "Sydney"}
        assert min(own.values()) >= 100

    def test_answer_for_their_group_and_nobody_else(self, home, rows):
        problems = [
            with_training(estimators={name: EVERY[name]}) for name in ("ridge", "ridge_local")
        ]
        training_set = learned_from(FLATS, home, rows)
        test = frame_of(FLATS, home, training_set, "test")
        unknown = test.assign(location="Oslo")

        whole, local = (trained(each, home, training_set).winner.pipeline for each in problems)

        assert local.predict(unknown) == pytest.approx(whole.predict(unknown), rel=1e-9)
        berlin = test[test["location"] == "Berlin"]
        assert abs(local.predict(berlin) / whole.predict(berlin) - 1).max() > 0.01

    def test_are_each_fitted_on_the_rows_of_their_group(self, rng):
        groups = np.repeat([0.0, 1.0, 2.0, -1.0], [60, 60, 5, 5])
        x = rng.normal(size=130)
        slopes = np.array([1.0, -1.0, 5.0, 5.0])[groups.astype(int)]
        X = np.column_stack([groups, x])
        model = LocalModels(LinearRegression(), min_rows=50).fit(X, slopes * x)

        assert [own.coef_[0] for own in model.own_] == pytest.approx([1.0, -1.0])
        assert model.rows_.tolist() == [60, 60]
        rest = model.predict(X)[groups > 1]
        assert rest == pytest.approx(model.whole_.predict(x[groups > 1, None]))

    def test_compete_with_the_model_of_all_rows(self, home, rng):
        training_set = learned_from(FLATS, home, draw(6_000, rng))

        found = trained(FLATS, home, training_set)

        assert {each.name for each in found.competitors} == {"ridge", "ridge_local"}
        assert found.winner.hyperparameters["target"] == "log"

    def test_are_refused_for_an_estimator_that_learns_in_epochs(self, home, rows):
        sgd = EVERY["sgd"] | {"local": LOCAL}
        problem = with_training(estimators={"sgd": sgd})
        training_set = learned_from(problem, home, rows)

        with pytest.raises(
            TrainingError, match=r"learns in epochs and cannot have local models"
        ):
            trained(problem, home, training_set)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"interval": {"by": "rooms"}}, r"training\.interval\.by is rooms"),
        (
            {"estimators": {"ridge": {"kind": "ridge", "local": {"by": "city"}}}},
            r"training\.estimators\.ridge\.local\.by is city",
        ),
    ],
)
def test_refuses_to_group_by_what_is_no_text_that_the_model_reads(changed, place, home, rows):
    problem = with_training(**changed)
    training_set = learned_from(problem, home, rows)

    with pytest.raises(TrainingError, match=place + r", .* There are: location, heating\."):
        trained(problem, home, training_set)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"target": {"transform": "log"}}, r"training\.target\.transform"),
        ({"interval": {}}, r"training\.interval"),
        (
            {"estimators": {"logistic": {"kind": "logistic", "local": {"by": "purpose"}}}},
            r"training\.estimators\.logistic\.local",
        ),
    ],
)
def test_refuses_for_probabilities_what_only_values_have(changed, place):
    with pytest.raises(ProblemError, match=place + ": only for kind: regression"):
        with_config(LOANS, training=changed)


def test_goes_on_from_a_model_with_intervals_of_rows_that_are_new(home, rng):
    problem = with_training(estimators={"sgd": EVERY["sgd"]})
    earlier = learned_from(problem, home, draw(1_000, rng, months=3))
    first = trained(problem, home, earlier).winner
    parent = Parent("v1", "sgd", first.pipeline, earlier)

    later = learned_from(problem, home, draw(1_000, rng, start="2020-04-01", months=3))
    second = trained(problem, home, later, parent=parent).winner

    assert isinstance(second.pipeline.named_steps["model"], LogTarget)
    assert second.intervals.shared.rows < later.rows["validation"]
    assert second.intervals != first.intervals


def test_measures_a_competitor_with_intervals_of_its_own(home, rows):
    training_set = learned_from(FLATS, home, rows)

    found = trained(FLATS, home, training_set)

    for each in found.competitors:
        assert 0.75 < each.validation["coverage"] <= 1
        assert each.validation["relative_width"] > 0


def test_lets_the_width_of_intervals_choose_the_winner(home, rows):
    kpi = {"metric": "relative_width", "direction": "lower"}
    problem = with_config(FLATS, kpi=kpi)
    training_set = learned_from(problem, home, rows)

    found = trained(problem, home, training_set)

    narrowest = min(found.competitors, key=lambda each: each.validation["relative_width"])
    assert found.winner.estimator == narrowest.name
