"""Feedback in training sets: which label of a thing counts, and that it counts once."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pytest
from loans import LOANS, NOW, Loan, draw, features, learned_from, with_config
from pandera.typing import Series

from ml_assets.errors import ProblemError, TrainingError
from ml_assets.features import build_features, build_training_set, training_frame
from ml_assets.features.view import feature_recipe, feature_table
from ml_assets.storage import Commit


class UniqueLoan(Loan):
    """The same rows; an application comes once."""

    loan_id: Series[str] = pandera.Field(
        unique=True, metadata={"role": "id", "known_at": "applied"}
    )


UNIQUE = replace(LOANS, contract=UniqueLoan)
MID_YEAR = dt.datetime(2020, 7, 1, tzinfo=dt.UTC)


@pytest.fixture
def rows(rng):
    return draw(2_000, rng)


@pytest.fixture
def say(home):
    """Writes a batch of feedback, as materializing one does: say(rows, label=0)."""

    def said(rows, *, label, at=NOW, batch="2021-06-01-001", weight=1.0, problem=UNIQUE):
        labelled = rows.assign(repaid=pd.array(np.full(len(rows), label), dtype="boolean"))
        ids = [f"{at:%Y%m%d}-{batch}-{place:05d}" for place in range(len(rows))]
        table = feature_table(problem, labelled)
        own = {
            "weight": pa.array([weight] * len(rows), pa.float64()),
            "prediction_id": pa.array(ids, pa.string()),
            "model_version": pa.array(["v1"] * len(rows), pa.string()),
            "predicted_at": pa.array(
                [at - dt.timedelta(days=30)] * len(rows), pa.timestamp("us", "UTC")
            ),
        }
        for name, column in own.items():
            table = table.append_column(name, column)
        commit = Commit(run_id="r", code_hash=feature_recipe(problem), fingerprint=batch)
        return home.lake.write(f"{problem.name}/feedback", batch, table, commit=commit)

    return said


def build(home, problem=UNIQUE, **arguments):
    return build_training_set(problem, home, now=NOW, run_id="r", **arguments)


def labels(home, training_set, problem=UNIQUE):
    return training_frame(problem, home, training_set).set_index("loan_id")["label"]


class TestUnion:
    def test_adds_rows_that_only_feedback_knows(self, home, rows, rng, say):
        before = learned_from(UNIQUE, home, rows)
        new = draw(50, rng, start="2020-03-01", months=2)
        state = say(new, label=True)

        training_set = build(home)

        frame = training_frame(UNIQUE, home, training_set)
        assert sum(training_set.rows.values()) == len(frame) == 2_050
        assert training_set.id != before.id
        assert training_set.snapshot == before.snapshot
        assert training_set.feedback == {"2021-06-01-001": state.content_hash}
        assert training_set.feedback_version == 1
        added = frame[frame["loan_id"].isin(new["loan_id"])]
        assert set(added["partition"]) == {"feedback/2021-06-01-001"}
        expected = build_features(UNIQUE, new).set_axis(new["loan_id"])
        found = added.set_index("loan_id").loc[expected.index, expected.columns]
        pd.testing.assert_frame_equal(found, expected)

    def test_is_the_set_of_before_where_there_is_no_feedback(self, home, rows):
        learned_from(UNIQUE, home, rows)

        training_set = build(home)

        assert training_set.unchanged
        assert (training_set.feedback, training_set.feedback_version) == ({}, None)

    def test_never_has_a_thing_twice(self, home, rows, say):
        learned_from(UNIQUE, home, rows)
        say(rows.head(300), label=True)
        say(rows.head(200), label=False, batch="2021-06-02-001")
        say(rows.head(100), label=True, batch="2021-06-03-001")

        frame = training_frame(UNIQUE, home, build(home))

        assert frame["loan_id"].is_unique
        assert len(frame) == 2_000

    def test_lets_feedback_override_the_source(self, home, rows, say):
        learned_from(UNIQUE, home, rows)
        wrong = rows[rows["repaid"]].head(30)
        say(wrong, label=False)

        found = labels(home, build(home))

        assert (found[wrong["loan_id"]] == 0).all()

    def test_lets_the_source_override_a_prediction_before_the_event(self, home, rows, say):
        learned_from(UNIQUE, home, rows)
        early = rows[rows["repaid"]].tail(30)
        say(early, label=False, at=MID_YEAR)

        training_set = build(home)

        assert (labels(home, training_set)[early["loan_id"]] == 1).all()
        assert training_set.feedback == {}
        assert training_set.excluded["feedback/2021-06-01-001"].startswith(
            "has no label that counts"
        )

    def test_takes_the_label_of_the_newest_prediction(self, home, rows, say):
        learned_from(UNIQUE, home, rows)
        some = rows.head(30)
        say(some, label=True, at=NOW, batch="2021-06-01-001")
        say(some, label=False, at=NOW - dt.timedelta(days=1), batch="2021-06-02-001")

        assert (labels(home, build(home))[some["loan_id"]] == 1).all()

    def test_takes_one_of_two_answers_in_a_batch(self, home, rows, say):
        learned_from(UNIQUE, home, rows)
        say(pd.concat([rows.head(30)] * 2), label=True)

        frame = training_frame(UNIQUE, home, build(home))

        assert len(frame) == 2_000

    def test_goes_by_id_and_time_where_an_id_may_come_again(self, home, rows, say):
        learned_from(LOANS, home, rows)
        later = rows.head(30).assign(applied_at=pd.Timestamp(MID_YEAR))
        say(later, label=True, problem=LOANS)

        training_set = build(home, LOANS)

        assert sum(training_set.rows.values()) == 2_030


class TestWeight:
    def test_of_a_weak_label_is_its_own(self, home, rows, rng, say):
        learned_from(UNIQUE, home, rows)
        new = draw(50, rng, start="2020-01-02", months=1)
        say(new, label=True, weight=0.25)

        frame = training_frame(UNIQUE, home, build(home)).set_index("loan_id")

        assert set(frame.loc[new["loan_id"], "weight"]) == {0.25}
        assert set(frame.loc[rows["loan_id"], "weight"]) == {1.0}

    def test_is_multiplied_with_that_of_its_class(self, home, rows, rng, say):
        weighted = with_config(UNIQUE, training={"imbalance": "class_weight"})
        learned_from(weighted, home, rows)
        new = draw(50, rng, start="2020-01-02", months=1)
        say(new, label=True, weight=0.25)

        frame = training_frame(weighted, home, build(home, weighted)).set_index("loan_id")

        strong = frame[(frame["split"] == "train") & (frame["label"] == 1)]
        (full,) = set(strong.drop(new["loan_id"])["weight"])
        assert set(frame.loc[new["loan_id"], "weight"]) == {0.25 * full}

    def test_of_a_weak_label_keeps_it_from_judging(self, home, rows, rng, say):
        learned_from(UNIQUE, home, rows)
        newest = draw(50, rng, start="2020-12-20", months=1)
        newest = newest.assign(applied_at=rows["applied_at"].max())
        say(newest, label=True, weight=0.25)

        training_set = build(home)

        frame = training_frame(UNIQUE, home, training_set)
        assert not frame["loan_id"].isin(newest["loan_id"]).any()
        assert training_set.feedback == {}


class TestWindow:
    def test_holds_for_the_events_of_feedback_too(self, home, rows, rng, say):
        learned_from(UNIQUE, home, rows)
        old = draw(20, rng, start="2020-02-01", months=1)
        new = draw(20, rng, start="2020-11-02", months=1)
        say(pd.concat([old, new]), label=True)

        found = labels(home, build(home, window=3))

        assert found.index.isin(new["loan_id"]).sum() == 20
        assert found.index.isin(old["loan_id"]).sum() == 0


class TestStaleness:
    def test_refuses_feedback_with_features_of_other_code(self, home, rows, rng, say):
        edited = replace(UNIQUE, features=lambda loans: features(loans).assign(more=1.0))
        say(draw(50, rng), label=True)

        with pytest.raises(
            TrainingError,
            match="the features of 1 of 1 feedback batches were made by other code",
        ):
            learned_from(edited, home, rows)

    def test_notices_one_label_that_changed(self, home, rows, rng, say):
        learned_from(UNIQUE, home, rows)
        new = draw(50, rng, start="2020-03-01", months=2)
        say(new, label=True)
        before = build(home)

        say(new, label=False)
        after = build(home)

        assert after.id != before.id
        assert build(home).unchanged

    def test_reads_the_rows_that_were_pinned(self, home, rows, rng, say):
        learned_from(UNIQUE, home, rows)
        new = draw(50, rng, start="2020-03-01", months=2)
        say(new, label=True)
        pinned = build(home)
        before = training_frame(UNIQUE, home, pinned)

        say(new.head(1), label=False)

        pd.testing.assert_frame_equal(training_frame(UNIQUE, home, pinned), before)

    def test_refuses_a_feature_with_the_name_of_a_column_of_feedback(self, rows):
        named = replace(
            UNIQUE, features=lambda loans: features(loans).assign(model_version="x")
        )

        with pytest.raises(ProblemError, match="model_version is taken"):
            build_features(named, rows)


def test_learns_from_feedback_alone_where_the_source_has_no_labels(home, rows, say):
    unlabelled = rows.assign(repaid=pd.array([None] * len(rows), dtype="boolean"))
    say(rows[rows["repaid"]], label=True)
    say(rows[~rows["repaid"]], label=False, batch="2021-06-02-001")

    training_set = learned_from(UNIQUE, home, unlabelled)

    assert (training_set.snapshot, len(training_set.feedback)) == ({}, 2)
    assert len(training_frame(UNIQUE, home, training_set)) == 2_000
