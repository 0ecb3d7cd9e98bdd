"""Features of logged requests are computed again as training would; what differs is named."""

import datetime as dt

import orjson
import pytest
from loans import NOW, draw, features, learned_from
from skewed import WHERE, changed_unit, logarithm, problem_with, refitted_scaler

from ml_assets.feedback import (
    LoggedPrediction,
    features_hash,
    input_text,
    log_predictions,
    logged_columns,
    prediction_ids,
    recompute_features,
)
from ml_assets.inference import load_predictor
from ml_assets.registry import ensure_model


@pytest.fixture
def served(home, rng):
    """Train on loans with a feature function, and answer requests one by one, as a service does."""

    def serve(bug, requests=30):
        problem = problem_with(bug)
        learned_from(problem, home, draw(1_500, rng))
        version = ensure_model(problem, home, now=NOW, run_id="r")
        answer(problem, home, version.version, draw(requests, rng, start="2021-03-01"))
        return problem

    return serve


def answer(problem, home, version, rows):
    predictor = load_predictor(problem, home, version)
    known = rows[problem.known_columns]
    sent = orjson.loads(known.to_json(orient="records", date_format="iso"))
    kept = logged_columns(problem)
    answers = [
        LoggedPrediction(
            id=id_,
            problem=problem.name,
            model_version=version,
            at=NOW,
            input=input_text(row, kept),
            features_hash=features_hash(found.features.values()),
            prediction=found.prediction.value,
            decision=found.prediction.decision,
            exposed=True,
        )
        for id_, row, found in zip(
            prediction_ids(NOW, len(sent)), sent, map(predictor.answer, sent), strict=True
        )
    ]
    log_predictions(home.store, answers)


def test_finds_the_same_features_of_an_honest_model(served, home):
    problem = served(features)

    found = recompute_features(problem, home, now=NOW)

    assert found.differing == ()
    assert found.sentence == "30 logged requests have the features of today."


def test_takes_the_last_digit_of_a_logarithm_for_the_same(served, home):
    problem = served(logarithm, requests=300)

    found = recompute_features(problem, home, now=NOW)

    assert (found.rows, found.differing) == (300, ())


def test_names_a_feature_that_depends_on_the_rows_beside(served, home):
    problem = served(refitted_scaler)

    found = recompute_features(problem, home, now=NOW)

    assert len(found.differing) == 30
    assert {each.columns for each in found.differing} == {("amount_scaled",)}
    assert "amount_scaled in 30; such as request" in found.sentence


def test_sees_that_another_unit_was_served(served, home, monkeypatch):
    monkeypatch.setenv(WHERE, "yes")
    problem = served(changed_unit)
    monkeypatch.delenv(WHERE)

    found = recompute_features(problem, home, now=NOW)

    assert len(found.differing) == 30
    assert found.sentence.startswith(
        "30 of 30 logged requests were answered from other features"
    )


def test_leaves_out_what_was_served_by_other_code(served, home):
    served(refitted_scaler)

    found = recompute_features(problem_with(features), home, now=NOW)

    assert found == (0, 30, ())


def test_looks_no_further_back_than_it_is_told(served, home):
    problem = served(features)

    found = recompute_features(problem, home, now=NOW + dt.timedelta(days=8))

    assert found.rows == 0
