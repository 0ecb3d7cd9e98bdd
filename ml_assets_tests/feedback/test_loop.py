"""The whole way of a label: answered, said, sealed, materialized, learned from, once."""

import datetime as dt

import numpy as np
import pytest
from loans import LOANS, NOW, draw, learned_from, with_config

from ml_assets.features import build_training_set, training_frame
from ml_assets.feedback import (
    Facts,
    LoggedPrediction,
    count_new_labels,
    decide,
    features_hash,
    feedback_event,
    input_text,
    log_predictions,
    logged_columns,
    materialize_pending,
    prediction_ids,
    record_feedback,
    seal,
)
from ml_assets.registry import ensure_model

INSTANT = with_config(LOANS, label={"delay_days": 0}, retraining={"min_new_labels": 50})


@pytest.fixture
def answer_and_label(home):
    """Logs answers to applications, then says whether each was repaid."""

    def answered(rows, *, at):
        kept = logged_columns(INSTANT)
        ids = prediction_ids(at, len(rows))
        answers = [
            LoggedPrediction(
                id=prediction_id,
                problem="loans",
                model_version="v1",
                at=at,
                input=input_text(row, kept),
                features_hash=features_hash([]),
                prediction=0.5,
                decision=True,
                exposed=True,
            )
            for prediction_id, row in zip(ids, rows.to_dict("records"), strict=True)
        ]
        log_predictions(home.store, answers)
        events = [
            feedback_event(
                INSTANT, {"prediction_id": each, "label": repaid}, source="test", now=at
            )
            for each, repaid in zip(ids, rows["repaid"].tolist(), strict=True)
        ]
        return record_feedback(home, events).require_all()

    return answered


def settle(home, now):
    """What a sensor does: seal, and materialize what is pending."""
    seal(INSTANT, home, now=now)
    return list(materialize_pending(INSTANT, home, run_id="sensor", now=now))


def test_a_label_becomes_part_of_the_next_model_and_only_once(home, rng, answer_and_label):
    first_set = learned_from(INSTANT, home, draw(1_500, rng))
    first = ensure_model(INSTANT, home, now=NOW, run_id="first")
    asked = draw(120, rng, start="2021-01-01", months=3)
    answer_and_label(asked, at=NOW)

    made = settle(home, NOW + dt.timedelta(minutes=1))
    again = settle(home, NOW + dt.timedelta(minutes=2))
    labels = count_new_labels(
        INSTANT, home, snapshot=first_set.feedback, version=first_set.feedback_version
    )
    decision = decide(INSTANT.config.retraining, Facts(new_labels=labels), "feedback", now=NOW)
    training_set = build_training_set(
        INSTANT, home, now=NOW + dt.timedelta(hours=1), run_id="set"
    )
    second = ensure_model(INSTANT, home, now=NOW, run_id="second", trigger="feedback")
    third = ensure_model(INSTANT, home, now=NOW, run_id="third", trigger="feedback")

    assert [(each.admitted, each.rows_valid) for each in made] == [(True, 120)]
    assert again == []
    assert (labels, decision.retrain) == (120, True)
    frame = training_frame(INSTANT, home, training_set)
    learned = frame[frame["loan_id"].isin(asked["loan_id"])]
    by_id = asked.set_index("loan_id")["repaid"].astype(float)
    assert len(frame) == 1_620
    assert learned.set_index("loan_id")["label"].to_dict() == by_id.to_dict()
    assert second.version != first.version
    assert second.manifest.data.feedback == {"2021-07-01-001": made[0].state.content_hash}
    assert (third.unchanged, third.version) == (True, second.version)
    assert (
        count_new_labels(
            INSTANT, home, snapshot=training_set.feedback, version=training_set.feedback_version
        )
        == 0
    )


def test_features_of_feedback_are_those_of_the_source_for_the_same_rows(
    home, rng, answer_and_label
):
    rows = draw(300, rng)
    learned_from(INSTANT, home, rows)
    before = training_frame(
        INSTANT, home, build_training_set(INSTANT, home, now=NOW, run_id="r")
    )
    answer_and_label(rows, at=NOW)
    settle(home, NOW + dt.timedelta(minutes=1))

    after = training_frame(
        INSTANT,
        home,
        build_training_set(INSTANT, home, now=NOW + dt.timedelta(hours=1), run_id="r"),
    )

    assert set(after["partition"]) == {"feedback/2021-07-01-001"}
    features = ["loan_id", "purpose", "amount_to_income", "is_large", "story", "label"]
    assert np.array_equal(
        after[features].fillna(-1).to_numpy(), before[features].fillna(-1).to_numpy()
    )
