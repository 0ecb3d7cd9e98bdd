import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from loans import LOANS, NOW, REPAYMENTS, admit, draw, features, learned_from, with_config

from ml_assets.errors import InsufficientData, TableNotFound, TrainingError
from ml_assets.features import (
    build_training_set,
    load_training_set,
    materialize_partitions,
    training_batches,
    training_frame,
)
from ml_assets.storage import Commit, Lake
from ml_assets.validation import admit as admit_by_gate


@pytest.fixture
def rows(rng):
    return draw(2_000, rng)


def build(problem, home, *, now=NOW, **arguments):
    return build_training_set(problem, home, now=now, run_id="again", **arguments)


def rebuilt(problem, home, rows):
    list(materialize_partitions(problem, home, admit(problem, home, rows), run_id="r"))
    return build(problem, home)


class TestWhichRows:
    def test_has_every_labelled_row_once_with_its_features(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        frame = training_frame(LOANS, home, training_set)

        assert sum(training_set.rows.values()) == len(rows) == len(frame)
        assert set(frame["loan_id"]) == set(rows["loan_id"])
        by_id = rows.set_index("loan_id").loc[frame["loan_id"]]
        assert (frame["label"].to_numpy() == by_id["repaid"].astype(float).to_numpy()).all()
        assert (frame["story"].to_numpy() == by_id["story"].to_numpy()).all()
        assert frame["applied_at"].is_monotonic_increasing

    def test_leaves_out_rows_without_a_label(self, home, rows):
        some = rows.copy()
        some.loc[::4, "repaid"] = pd.NA

        training_set = learned_from(LOANS, home, some)

        assert sum(training_set.rows.values()) == some["repaid"].notna().sum()

    def test_trusts_a_label_only_after_its_delay(self, home, rows):
        last_trusted = dt.datetime(2020, 9, 15, tzinfo=dt.UTC)

        training_set = learned_from(LOANS, home, rows, now=last_trusted + dt.timedelta(days=30))

        frame = training_frame(LOANS, home, training_set)
        assert frame["applied_at"].max() == pd.Timestamp(last_trusted)
        assert training_set.excluded == {
            "2020-10": "its labels can be trusted from 2020-11-30 on",
            "2020-11": "its labels can be trusted from 2020-12-30 on",
            "2020-12": "its labels can be trusted from 2021-01-24 on",
        }

    def test_names_the_partitions_that_it_did_not_see(self, home, rows):
        partitions = admit(LOANS, home, rows)
        list(materialize_partitions(LOANS, home, partitions[1:], run_id="r"))
        no_label = rows[rows["applied_at"].dt.month == 3].assign(repaid=pd.NA)
        no_label["repaid"] = no_label["repaid"].astype("boolean")
        list(materialize_partitions(LOANS, home, admit(LOANS, home, no_label), run_id="r"))
        raw = pa.table({"loan_id": ["x"]})
        commit = Commit(run_id="r", code_hash="c", fingerprint="f")
        home.lake.write("loans/raw", "2019-12", raw, commit=commit)
        home.lake.delete("loans/validated", "2020-07", commit=commit)

        training_set = build(LOANS, home)

        assert training_set.excluded == {
            "2019-12": "was never judged by the gate",
            "2020-01": "has no features yet",
            "2020-03": "has no labels",
            "2020-07": "is no longer among the validated rows",
        }
        assert set(training_set.snapshot) == set(partitions) - set(training_set.excluded)

    def test_says_why_the_gate_refused_a_partition(self, home, rows, now):
        learned_from(LOANS, home, rows)
        broken = pa.table({"loan_id": ["x", "y"], "applied_at": ["2019-12-05", "2019-12-06"]})
        commit = Commit(run_id="r", code_hash="c", fingerprint="f")
        home.lake.write("loans/raw", "2019-12", broken, commit=commit)
        refused = admit_by_gate(LOANS, home, "2019-12", run_id="r", now=now)

        training_set = build(LOANS, home)

        (reason,) = training_set.excluded.values()
        assert not refused.admitted
        assert reason == f"was refused by the gate: {'; '.join(refused.reasons)}"

    def test_takes_the_newest_partitions_of_a_window(self, home, rows):
        learned_from(LOANS, home, rows)

        training_set = build(LOANS, home, window=3, now=dt.datetime(2020, 12, 1, tzinfo=dt.UTC))

        assert list(training_set.snapshot) == ["2020-09", "2020-10", "2020-11"]
        assert training_set.excluded["2020-08"] == (
            "is older than the newest 3 labelled partitions"
        )
        assert training_set.window == 3

    def test_refuses_features_of_other_rows_or_other_code(self, home, rows):
        learned_from(LOANS, home, rows)
        edited = replace(LOANS, features=lambda loans: features(loans).assign(more=1.0))

        with pytest.raises(
            TrainingError, match="the features of 12 of 12 partitions were made"
        ):
            build(edited, home)
        admit(LOANS, home, rows[rows["applied_at"].dt.month == 5].assign(amount_usd=1.0))
        with pytest.raises(TrainingError, match=r"1 of 12 .*: 2020-05. Materialize features"):
            build(LOANS, home)

    def test_says_that_there_are_no_features(self, home):
        with pytest.raises(TableNotFound, match="no table loans/features"):
            build(LOANS, home)

    def test_needs_enough_rows(self, home, rng):
        with pytest.raises(InsufficientData, match="needs at least 100 rows, got 99"):
            learned_from(LOANS, home, draw(99, rng))

    def test_needs_enough_of_each_class(self, home, rows):
        one_sided = rows.assign(repaid=pd.array([True] * len(rows), dtype="boolean"))

        with pytest.raises(
            InsufficientData, match="class 0 in the train rows needs at least 10 rows, got 0"
        ):
            learned_from(LOANS, home, one_sided)


class TestSameInputsSameSet:
    def test_writes_nothing_new(self, home, rows):
        first = learned_from(LOANS, home, rows)

        again = build(LOANS, home, now=NOW + dt.timedelta(days=100))

        assert again == replace(first, unchanged=True)
        assert home.lake.version("loans/training_set") == first.version

    def test_does_not_mind_partitions_rewritten_alike_in_another_order(self, home, rows):
        first = learned_from(LOANS, home, rows)
        commit = Commit(run_id="r", code_hash="c", fingerprint="f")
        for partition in reversed(list(first.snapshot)):
            home.lake.delete("loans/features", partition, commit=commit)

        again = rebuilt(LOANS, home, rows)

        assert again.unchanged
        assert again.id == first.id

    @pytest.mark.parametrize(
        "change",
        [
            lambda rows: rows.assign(repaid=rows["repaid"] ^ (rows.index == 5)),
            lambda rows: rows.assign(purpose=rows["purpose"].where(rows.index != 5, "boat")),
            lambda rows: rows.drop(index=5),
        ],
        ids=["label", "feature", "row"],
    )
    def test_is_another_set_when_one_thing_changed(self, home, rows, change):
        first = learned_from(LOANS, home, rows)
        changed = change(rows)
        changed["repaid"] = changed["repaid"].astype("boolean")

        assert rebuilt(LOANS, home, changed).id != first.id

    def test_is_remembered(self, home, rows):
        first = learned_from(LOANS, home, rows)
        second = rebuilt(LOANS, home, rows.drop(index=5))
        later = replace(second, unchanged=False)

        assert load_training_set(LOANS, home, first.id) == first
        assert load_training_set(LOANS, home, second.id) == later
        with pytest.raises(TrainingError, match="loans has no training set nowhere yet"):
            load_training_set(LOANS, home, "nowhere")

    def test_is_the_newest_when_none_is_named(self, home, rows):
        learned_from(LOANS, home, rows)
        newer = build(LOANS, home, window=6, now=NOW + dt.timedelta(days=1))

        assert load_training_set(LOANS, home) == newer

    def test_can_be_read_after_its_partitions_were_revised(self, home, rows):
        first = learned_from(LOANS, home, rows)
        before = training_frame(LOANS, home, first)

        rebuilt(LOANS, home, rows.assign(amount_usd=1.0, repaid=~rows["repaid"]))

        pd.testing.assert_frame_equal(training_frame(LOANS, home, first), before)


class TestBalance:
    @pytest.fixture
    def skewed(self, rng):
        rows = draw(4_000, rng)
        return rows[rows["repaid"].fillna(False).to_numpy(bool) | (rng.random(4_000) < 0.2)]

    def test_counts_every_row_alike_by_default(self, home, skewed):
        training_set = learned_from(LOANS, home, skewed)

        assert set(training_frame(LOANS, home, training_set)["weight"]) == {1.0}

    def test_weighs_classes_alike(self, home, skewed):
        weighed = with_config(LOANS, training={"imbalance": "class_weight"})

        frame = training_frame(weighed, home, learned_from(weighed, home, skewed))

        train = frame[frame["split"] == "train"]
        by_class = train.groupby("label")["weight"].sum()
        assert by_class[0.0] == pytest.approx(by_class[1.0])
        assert by_class.sum() == pytest.approx(len(train))
        assert set(frame.loc[frame["split"] == "test", "weight"]) == {1.0}

    def test_leaves_out_rows_of_the_larger_class_and_says_how_many(self, home, skewed):
        fewer = with_config(LOANS, training={"imbalance": "undersample"})

        training_set = learned_from(fewer, home, skewed)

        frame = training_frame(fewer, home, training_set)
        kept = frame[(frame["weight"] > 0) & (frame["split"] == "train")]
        assert kept["label"].mean() == pytest.approx(0.5, abs=0.05)
        assert training_set.left_out == (frame["weight"] == 0).sum() > 0
        assert frame.loc[frame["weight"] == 0, "label"].eq(1.0).all()
        assert (frame.loc[frame["split"] == "test", "weight"] == 1.0).all()


class TestLabelShares:
    @pytest.fixture
    def drifting(self, rng):
        """Hardly anyone repays in the last months."""
        rows = draw(3_000, rng)
        late = (rows["applied_at"].dt.month >= 10) & (rng.random(3_000) < 0.8)
        return rows.assign(repaid=rows["repaid"] & ~late)

    def test_warns_of_a_difference_that_time_made(self, home, drifting):
        training_set = learned_from(LOANS, home, drifting)

        (warning,) = training_set.warnings
        assert "positive labels of train and test differ by 0." in warning
        assert training_set.label_shares["train"] - training_set.label_shares["test"] > 0.15

    def test_says_nothing_of_a_small_difference(self, home, rows):
        assert learned_from(LOANS, home, rows).warnings == ()

    def test_refuses_a_difference_that_no_time_explains(self, home, rows):
        strict = with_config(LOANS, split={"by": "entity", "max_label_difference": 0.0})

        with pytest.raises(
            TrainingError, match=r"Collect more rows, or raise split\.max_label"
        ):
            learned_from(strict, home, rows)


class TestReading:
    def test_reads_only_what_is_asked_for(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        frame = training_frame(LOANS, home, training_set, splits=["test"], columns=["purpose"])

        assert set(frame["split"]) == {"test"}
        assert len(frame) == training_set.rows["test"]
        assert "story" not in frame

    def test_reads_the_same_rows_in_batches(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        batches = list(training_batches(LOANS, home, training_set, rows=300))

        whole = training_frame(LOANS, home, training_set)
        joined = pd.concat(batches).sort_values(["applied_at", "loan_id"], ignore_index=True)
        assert [len(batch) for batch in batches] == [300] * 6 + [200]
        pd.testing.assert_frame_equal(joined, whole)

    def test_reads_a_share_of_the_rows_that_is_always_the_same(self, home, rows):
        training_set = learned_from(LOANS, home, rows)

        one, again = (
            pd.concat(training_batches(LOANS, home, training_set, share=0.2)) for _ in range(2)
        )

        assert len(one) == pytest.approx(0.2 * len(rows), rel=0.2)
        assert one["applied_at"].dt.month.nunique() == 12
        pd.testing.assert_frame_equal(one, again)

    def test_a_share_has_rows_of_every_split_by_entity(self, home, rows):
        by_entity = with_config(LOANS, split={"by": "entity"})
        training_set = learned_from(by_entity, home, rows)

        for split, count in training_set.rows.items():
            batches = training_batches(by_entity, home, training_set, splits=[split], share=0.2)
            assert sum(map(len, batches)) == pytest.approx(0.2 * count, rel=0.4)

    def test_joins_each_row_of_an_entity_with_its_own_label(self, home, rows):
        twice = rows.assign(loan_id=[f"loan-{number % 1000}" for number in range(len(rows))])
        training_set = learned_from(LOANS, home, twice)

        frame = training_frame(LOANS, home, training_set)

        keys = ["loan_id", "applied_at"]
        expected = twice.set_index(keys)["repaid"].astype(float)
        assert frame.set_index(keys)["label"].sort_index().equals(expected.sort_index())
        assert frame.groupby("loan_id")["split"].nunique().max() == 1

    def test_refuses_rows_that_cannot_be_told_apart(self, home, rows):
        twice = rows.assign(loan_id=[f"loan-{number // 2}" for number in range(len(rows))])

        with pytest.raises(
            TrainingError, match=r"several rows at the same time.*loan_id unique"
        ):
            learned_from(LOANS, home, twice)

    def test_reads_only_what_an_earlier_set_did_not_have(self, home, rows, rng):
        earlier = learned_from(LOANS, home, rows)
        seen = set(
            training_frame(LOANS, home, earlier, splits=["train", "validation"])["loan_id"]
        )
        newer = rebuilt(LOANS, home, draw(500, rng, start="2021-01-01", months=3))
        read = []

        class Watched(Lake):
            def batches(self, table, *, partitions=None, **arguments):
                if table == "loans/features":
                    read.extend(partitions)
                return super().batches(table, partitions=partitions, **arguments)

        watched = replace(home, lake=Watched(home.lake.url))
        frame = training_frame(LOANS, watched, newer, since=earlier)

        whole = set(training_frame(LOANS, home, newer)["loan_id"])
        assert set(frame["loan_id"]) == whole - seen
        assert "2020-03" not in read
        assert "2021-02" in read

    def test_refuses_a_lake_that_lost_rows(self, home, rows):
        training_set = learned_from(LOANS, home, rows)
        more = {**training_set.rows, "test": training_set.rows["test"] + 1}

        with pytest.raises(TrainingError, match="is recorded with other rows"):
            training_frame(LOANS, home, replace(training_set, rows=more))


def test_a_regression_has_a_mean_instead_of_a_share(home, rows):
    training_set = learned_from(REPAYMENTS, home, rows)

    train = training_frame(REPAYMENTS, home, training_set, splits=["train"])
    assert training_set.label_shares["train"] == pytest.approx(train["label"].mean())


@pytest.mark.slow
def test_has_no_limit_on_the_number_of_partitions(home):
    rng = np.random.default_rng(0)
    daily = with_config(LOANS, partitions={"grain": "daily"})
    rows = draw(5_000, rng, start="2019-01-01", months=17)

    training_set = learned_from(daily, home, rows)
    flipped = rows.assign(repaid=rows["repaid"] ^ (rows.index == 2_500))
    flipped["repaid"] = flipped["repaid"].astype("boolean")
    changed = rebuilt(daily, home, flipped[flipped["applied_at"] == rows["applied_at"][2_500]])

    assert len(training_set.snapshot) > 500
    assert changed.id != training_set.id
    differing = {
        name
        for name, content in changed.snapshot.items()
        if training_set.snapshot[name] != content
    }
    assert differing == {rows["applied_at"][2_500].strftime("%Y-%m-%d")}
