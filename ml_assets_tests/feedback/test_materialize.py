from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml_assets.errors import FeedbackError, TableNotFound
from ml_assets.features.view import contract_frame, feature_table
from ml_assets.feedback import (
    compact,
    feedback_event,
    feedback_partitions,
    input_text,
    log_predictions,
    logged_columns,
    materialize_feedback,
    pending_batches,
    predictions_by_id,
    record_feedback,
    seal,
)
from ml_assets.storage import Home
from ml_assets.validation import hold_to_contract

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
OLD = NOW - timedelta(days=60)
FIRST = "2026-11-20-001"


class Lake:
    """What is made of the batches of a problem, and what the lake has of them."""

    def __init__(self, problem, home):
        self.problem = problem
        self.home = home

    def seal(self, day=0):
        return seal(self.problem, self.home, now=NOW + timedelta(days=day))

    def materialize(self, batch=FIRST):
        return materialize_feedback(self.problem, self.home, batch, run_id="run", now=NOW)

    def rows(self, table="feedback"):
        try:
            return self.home.lake.read(f"{self.problem.name}/{table}")
        except TableNotFound:
            return None

    def pending(self):
        return pending_batches(self.problem, self.home)


@pytest.fixture
def lake(problem, home):
    return Lake(problem, home)


@pytest.fixture
def broken(problem, home, answered):
    """Logs answers about rows that say no more than this: broken(1, state="California")."""

    def log_broken(rows, **values):
        row = {"date_received": "2026-08-01", "issue": "Fees"} | values
        text = input_text(row, logged_columns(problem))
        answers = answered(rows, at=OLD, input=text)
        log_predictions(home.store, answers)
        return [answer.id for answer in answers]

    return log_broken


class TestRows:
    def test_are_the_features_that_the_gate_would_have_made(self, lake, answered, rng, say):
        problem = lake.problem
        sent = problem.sample(50, rng).assign(consumer_disputed="Yes")[list(problem.fields)]
        raw = pa.Table.from_pandas(
            sent.astype(object), pa.schema([(n, pa.string()) for n in sent])
        )
        answers = [
            answer._replace(input=input_text(row, logged_columns(problem)))
            for answer, row in zip(answered(50, at=OLD), raw.to_pylist(), strict=True)
        ]
        log_predictions(lake.home.store, answers)
        for answer in answers:
            say(answer.id, label=1)
        lake.seal()

        lake.materialize()

        valid = hold_to_contract(problem, raw).valid
        expected = feature_table(problem, contract_frame(problem, valid))
        assert len(expected) == 50
        assert lake.rows().select(expected.column_names).equals(expected)

    def test_say_whose_answer_they_are_about(self, lake, log, say):
        ids = log(3, at=OLD)
        for each in ids:
            say(each, label=0)
        lake.seal()

        partition = lake.materialize()

        rows = lake.rows()
        logged = predictions_by_id(lake.problem, lake.home, ids)
        assert rows["prediction_id"].to_pylist() == ids
        assert set(rows["model_version"].to_pylist()) == {logged[ids[0]].model_version}
        assert rows["predicted_at"].to_pylist() == [OLD] * 3
        assert rows["weight"].to_pylist() == [1.0] * 3
        assert (partition.admitted, partition.rows_in, partition.rows_valid) == (True, 3, 3)

    def test_weigh_what_the_rule_says(self, lake, log, say):
        rated, did, said = log(3, at=OLD)
        say(rated, rating=1)
        say(did, now=OLD + timedelta(days=1), event="wrote_again")
        say(said, label=0)
        lake.seal()

        lake.materialize()

        rows = lake.rows().select(["label", "weight"]).to_pydict()
        assert rows == {"label": [1.0, 1.0, 0.0], "weight": [0.5, 0.5, 1.0]}

    def test_stand_for_themselves_where_nobody_known_was_asked_about(self, lake, broken, say):
        (prediction,) = broken(1)
        say(prediction, label=1)
        lake.seal()

        lake.materialize()

        assert lake.rows()["complaint_id"].to_pylist() == [prediction]

    def test_happened_when_they_were_asked_about_where_sources_do_not_date_them(
        self, problem_with, home, broken, say
    ):
        lake = Lake(problem_with(source={"undated": "2015-03-07"}), home)
        (prediction,) = broken(1, date_received=None)
        say(prediction, label=1)
        lake.seal()

        lake.materialize()

        assert lake.rows()["date_received"].to_pylist() == [OLD]

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"timely_response": True}, "yes"),
            ({"timely_response": False}, "no"),
            ({"timely_response": None}, "unknown"),
            ({"timely_response": "Yes"}, "yes"),
        ],
    )
    def test_read_json_as_a_source_would_write_it(self, lake, broken, say, values, expected):
        (prediction,) = broken(1, **values)
        say(prediction, label=1)
        lake.seal()

        lake.materialize()

        assert lake.rows()["timely"].to_pylist() == [expected]


class TestQuarantine:
    def test_keeps_what_breaks_the_contract_with_its_reasons(self, lake, log, broken, say):
        good = log(30, at=OLD)
        (bad,) = broken(1, state="California", date_sent_to_company="soon", issue=None)
        for each in [*good, bad]:
            say(each, label=1)
        lake.seal()

        partition = lake.materialize()

        (row,) = lake.rows("feedback_quarantined").to_pylist()
        assert partition.admitted
        assert (partition.rows_in, partition.rows_valid, partition.rows_quarantined) == (
            31,
            30,
            1,
        )
        assert row["prediction_id"] == bad
        assert row["reasons"] == (
            "issue: is missing; "
            "state: str_matches('^([A-Z]{2}|UNITED STATES MINOR OUTLYING ISLANDS)$'); "
            "date_sent_to_company: is not a time"
        )
        assert '"state":"California"' in row["input"]
        assert set(partition.broken.values()) == {1}

    def test_keeps_labels_that_contradict_each_other(self, lake, log, say):
        good, torn = log(2, at=OLD)
        say(good, label=1)
        for label in (0, 1):
            say(torn, label=label, at="2026-10-01")
        lake.seal()

        partition = lake.materialize()

        (row,) = lake.rows("feedback_quarantined").to_pylist()
        assert (partition.rows_valid, partition.contradictory) == (1, 1)
        assert (row["prediction_id"], row["label"]) == (torn, None)
        assert row["reasons"] == "labels of the same time contradict each other"

    def test_counts_answers_about_which_nothing_was_said(self, lake, log, say):
        labelled, lukewarm = log(2, at=OLD)
        say(labelled, label=1)
        say(lukewarm, rating=3)
        lake.seal()

        partition = lake.materialize()

        assert (partition.rows_in, partition.unlabelled) == (1, 1)

    def test_loses_no_row(self, lake, log, broken, say):
        ids = [*log(40, at=OLD), *broken(2, state="California")]
        for each in ids:
            say(each, label=1)
        lake.seal()

        lake.materialize()

        kept = {*lake.rows()["prediction_id"].to_pylist()}
        aside = {*lake.rows("feedback_quarantined")["prediction_id"].to_pylist()}
        assert (len(kept), len(aside)) == (40, 2)
        assert kept | aside == set(ids)

    def test_keeps_labels_that_the_problem_does_not_have(self, lake, log, home):
        *good, bad = log(30, at=OLD)
        events = [label_by_id(lake.problem, each) for each in [*good, bad]]
        record_feedback(home, [*events[:-1], events[-1]._replace(value=7.0)])
        lake.seal()

        partition = lake.materialize()

        assert partition.broken == {"label: isin([0.0, 1.0])": 1}
        assert lake.rows("feedback_quarantined")["prediction_id"].to_pylist() == [bad]


class TestGate:
    def test_writes_no_row_of_a_batch_with_too_many_broken_ones(self, lake, log, broken, say):
        ids = [*log(8, at=OLD), *broken(2, state="California")]
        for each in ids:
            say(each, label=1)
        lake.seal()

        partition = lake.materialize()

        aside = lake.rows("feedback_quarantined")
        assert not partition.admitted
        assert partition.sentence.startswith(
            "2026-11-20-001 refused: 2 of 10 labelled rows were quarantined "
            "(20%, at most 5% allowed). Most broken: state: str_matches("
        )
        assert lake.rows() is None
        assert (partition.rows_in, len(aside)) == (10, 10)
        assert (
            sum("the batch was refused" in each for each in aside["reasons"].to_pylist()) == 8
        )

    def test_keeps_what_was_admitted_when_a_revision_is_refused(self, lake, log, broken, say):
        good, bad = log(4, at=OLD), broken(4, state="California")
        for each in good:
            say(each, label=1)
        lake.seal()
        lake.materialize()
        before = lake.rows()
        for each in bad:
            say(each, label=1)
        lake.seal(1)

        partition = lake.materialize()

        assert (partition.revision, partition.admitted) == (1, False)
        assert lake.rows().equals(before)
        assert lake.pending() == {}

    def test_is_remembered(self, lake, broken, say):
        for each in broken(2, state="California"):
            say(each, label=1)
        lake.seal()

        refused = lake.materialize()

        assert feedback_partitions(lake.problem, lake.home) == {FIRST: refused}

    def test_refuses_a_batch_that_was_never_sealed(self, lake):
        with pytest.raises(FeedbackError, match="has no feedback batch 2026-11-20-001"):
            lake.materialize()


class TestRevisions:
    def test_are_pending_until_they_are_made(self, lake, log, say):
        (prediction,) = log(1, at=OLD)
        say(prediction, label=1)
        lake.seal()
        sealed = lake.pending()
        made = lake.materialize()
        nothing = lake.pending()
        say(prediction, now=NOW + timedelta(days=1), correction=0)
        lake.seal(1)
        revised = lake.pending()

        assert sealed == {FIRST: made.fingerprint}
        assert nothing == {}
        assert revised.keys() == {FIRST}
        assert revised != sealed

    def test_change_the_content_of_the_partition(self, lake, log, say):
        first, second = log(2, at=OLD)
        for each in (first, second):
            say(each, label=1)
        lake.seal()
        before = lake.materialize()

        say(first, now=NOW + timedelta(days=1), correction=0)
        lake.seal(1)
        after = lake.materialize()

        assert after.state.content_hash != before.state.content_hash
        assert lake.rows()["label"].to_pylist() == [0.0, 1.0]

    def test_are_not_made_twice(self, lake, log, say):
        say(log(1, at=OLD)[0], label=1)
        lake.seal()
        first = lake.materialize()

        again = lake.materialize()

        assert (first.unchanged, again.unchanged) == (False, True)
        assert again.state == first.state
        assert len(lake.home.lake.history("complaints/feedback")) == 2  # create and write

    def test_make_a_batch_again_when_the_rule_is_another(self, lake, log, say, problem_with):
        (prediction,) = log(1, at=OLD)
        say(prediction, rating=5)
        lake.seal()
        lake.materialize()

        rating = {"agrees_from": 4, "disagrees_to": 2, "weight": 0.9}
        other = Lake(problem_with(feedback={"rating": rating}), lake.home)
        pending = other.pending()
        other.materialize()

        assert pending.keys() == {FIRST}
        assert other.rows()["weight"].to_pylist() == [0.9]


class TestOrder:
    """Each label comes one to three times, in any order, some days late."""

    @pytest.mark.parametrize("seed", range(3))
    def test_does_not_change_the_content(self, problem, answered, tmp_path, seed):
        answers = answered(60, at=OLD)
        events = [label_by_id(problem, answer.id) for answer in answers]
        rng = np.random.default_rng(seed)
        sent = [event for event in events for _ in range(rng.integers(1, 4))]
        late = [[] for _ in range(5)]
        for place in rng.permutation(len(sent)):
            late[rng.integers(0, 5)].append(sent[place])

        tidy = self.content(problem, tmp_path / "tidy", answers, [events])
        untidy = self.content(problem, tmp_path / "untidy", answers, late)

        assert untidy == tidy

    def content(self, problem, path, answers, deliveries):
        """Hash of the partition after feedback came in some deliveries, a day each."""
        lake = Lake(problem, Home.open(path, environment={}))
        log_predictions(lake.home.store, answers)
        for day, events in enumerate(deliveries):
            received_at = NOW + timedelta(days=day)
            received = [event._replace(received_at=received_at) for event in events]
            record_feedback(lake.home, received).require_all()
            lake.seal(day)
        return lake.materialize().state.content_hash


def label_by_id(problem, prediction):
    sent = {
        "prediction_id": prediction,
        "label": int(prediction[-1] in "02468ace"),
        "at": "2026-10-01",
    }
    return feedback_event(problem, sent, source="test", now=NOW)


def test_compaction_takes_old_partitions_out_of_the_lake(problem, home, lake, log, say):
    for day in range(4):
        (prediction,) = log(1, at=OLD + timedelta(days=day))
        say(prediction, now=OLD + timedelta(days=day), label=1)
        lake.materialize(lake.seal(day).sealed.batch)
    before = set(lake.rows()["prediction_id"].to_pylist())

    joined = compact(problem, home, keep=1, now=NOW + timedelta(days=4))
    pending = lake.pending()
    lake.materialize(joined.batch)

    assert pending.keys() == {joined.batch}
    assert list(home.lake.partitions("complaints/feedback")) == [
        "2026-11-22-001",
        "2026-11-23-001",
    ]
    assert set(lake.rows()["prediction_id"].to_pylist()) == before
    assert lake.pending() == {}
