"""A release is blocked when the service would not see what training saw; it names what differs."""

import re

import pytest
from loans import NOW, admit, draw, features, learned_from
from skewed import (
    WHERE,
    changed_unit,
    missing_category,
    problem_with,
    refitted_scaler,
    reordered_dummies,
)

from ml_assets.feedback import predictions
from ml_assets.registry import champion, consider_promotion, ensure_model, load_bundle
from ml_assets.serving.replay import CHECK, served_alike


def clock():
    return NOW


@pytest.fixture
def considered(home, rng):
    """Train on loans with a feature function, and consider the promotion of what came of it."""

    def consider(bug, reason=None):
        problem = problem_with(bug)
        learned_from(problem, home, draw(1_500, rng))
        version = ensure_model(problem, home, now=NOW, run_id="r")
        return consider_promotion(
            problem,
            home,
            version,
            now=NOW,
            who="tests",
            run_id="r",
            reason=reason,
            checks=[served_alike(clock)],
        )

    return consider


def replayed(decision):
    """What the replay found."""
    return next(each for each in decision.findings if each.check == CHECK)


def test_an_honest_model_is_released(considered, home):
    decision = considered(features)

    assert replayed(decision).text.endswith(
        "held-out rows replayed: every feature and prediction the same"
    )
    assert decision.promoted
    assert champion(problem_with(features), home).version == decision.version


def test_leaves_nothing_in_the_prediction_log(considered, home):
    considered(features)

    home.store.ensure(predictions)
    with home.store.connect() as connection:
        assert connection.execute(predictions.select()).all() == []


@pytest.mark.parametrize(
    ("bug", "column"),
    [
        (refitted_scaler, "amount_scaled"),
        (reordered_dummies, "purpose_0"),
        (missing_category, "purpose_code"),
    ],
)
def test_blocks_features_that_depend_on_the_rows_beside(considered, home, bug, column):
    decision = considered(bug)

    assert not replayed(decision).passed
    assert f"{column} in " in replayed(decision).text
    assert "the prediction in " in replayed(decision).text
    assert decision.outcome == "refused"
    assert champion(problem_with(bug), home) is None


def test_blocks_a_unit_that_is_another_one_where_it_is_served(home, rng, monkeypatch):
    problem = problem_with(changed_unit)
    learned_from(problem, home, draw(1_500, rng))
    version = ensure_model(problem, home, now=NOW, run_id="r")
    monkeypatch.setenv(WHERE, "yes")

    decision = consider_promotion(
        problem,
        home,
        version,
        now=NOW,
        who="tests",
        run_id="r",
        checks=[served_alike(clock)],
    )

    assert decision.outcome == "refused"
    assert "amount in 302" in replayed(decision).text
    assert "such as amount of loan-" in replayed(decision).text


class TestRowsRevisedSince:
    @pytest.fixture
    def model(self, home, rng):
        """A model, and the rows that it was made from."""
        problem, rows = problem_with(features), draw(1_500, rng)
        learned_from(problem, home, rows)
        return problem, ensure_model(problem, home, now=NOW, run_id="r"), rows

    def found(self, home, problem, version):
        bundle = load_bundle(problem, home, version)
        return served_alike(clock)(problem, home, version, bundle)

    def test_are_left_out_and_counted(self, home, model):
        problem, version, rows = model
        december = rows[rows["applied_at"].dt.month == 12]
        admit(problem, home, december.assign(amount_usd=1.0))

        finding = self.found(home, problem, version)

        assert finding.passed
        assert re.search(r"held-out rows replayed \(\d+ were revised since\)", finding.text)

    def test_block_the_release_when_none_is_left(self, home, model):
        problem, version, rows = model
        admit(problem, home, rows.assign(amount_usd=1.0))

        finding = self.found(home, problem, version)

        assert not finding.passed
        assert finding.text.startswith("none of 302 held-out rows can be replayed")
