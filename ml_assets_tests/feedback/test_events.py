import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ml_assets.errors import FeedbackError
from ml_assets.feedback import (
    GroupCommit,
    Receipt,
    Refusal,
    events_of,
    feedback_event,
    feedback_events,
    record_feedback,
    write_feedback,
)

PREDICTION = "01a1f640-bc00-7000-8000-000000000001"


@pytest.fixture
def read(problem, now):
    def event(**sent):
        return feedback_event(
            problem, {"prediction_id": PREDICTION, **sent}, source="api", now=now
        )

    return event


class TestReading:
    @pytest.mark.parametrize("given", [1, 1.0, True, "1", "1.0", "Yes", " true "])
    def test_takes_a_label_as_a_number_or_a_word_of_the_source(self, read, given):
        assert read(label=given).value == 1.0

    @pytest.mark.parametrize(
        ("sent", "kind", "name", "value"),
        [
            ({"correction": 0}, "correction", None, 0.0),
            ({"rating": "4.5"}, "rating", None, 4.5),
            ({"event": "wrote_again"}, "event", "wrote_again", None),
            ({"label": 0, "rating": None, "event": ""}, "label", None, 0.0),
            ({"retraction": "an event"}, "retraction", "an event", None),
        ],
    )
    def test_takes_each_kind(self, read, sent, kind, name, value):
        event = read(**sent)

        assert (event.kind, event.name, event.value) == (kind, name, value)

    @pytest.mark.parametrize(
        ("given", "at"),
        [
            ("2026-11-19T22:30:00+02:00", datetime(2026, 11, 19, 20, 30, tzinfo=UTC)),
            ("2026-11-19T20:30:00Z", datetime(2026, 11, 19, 20, 30, tzinfo=UTC)),
            ("2026-11-19T20:30:00", datetime(2026, 11, 19, 20, 30, tzinfo=UTC)),
            ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ],
    )
    def test_takes_times_of_any_zone_and_without_one_as_utc(self, read, given, at):
        assert read(label=1, at=given).at == at

    def test_takes_the_time_it_is_received_where_none_is_sent(self, read, now):
        assert read(label=1).at == now

    @pytest.mark.parametrize(
        ("sent", "message"),
        [
            ({"label": "maybe"}, "label: 'maybe' is not a number"),
            ({"label": 0.5}, r"label: 0.5 is no label. Send 1 or 0 \(or one of Yes"),
            ({"label": float("inf")}, "label: inf is not a finite number"),
            ({"label": [1]}, r"label: \[1\] is not a number"),
            ({"rating": "good"}, "rating: 'good' is not a number"),
            ({"event": "clicked"}, "event: 'clicked' says nothing .* has wrote_again"),
            ({}, "one of label, correction, rating, event, retraction, got none of them"),
            ({"label": 1, "rating": 5}, "got label and rating"),
            ({"lable": 1}, "lable: unknown field; did you mean 'label'"),
            ({"label": 1, "zzz": 1}, "zzz: unknown field; known are prediction_id, label"),
            ({"label": 1, "at": "yesterday"}, "at: 'yesterday' is no time. Send ISO 8601"),
            ({"label": 1, "at": 5}, "at: 5 is no time"),
            ({"label": 1, "event_id": 7}, "event_id: needs a text of at most 100"),
            ({"label": 1, "event_id": "x" * 101}, "event_id: needs a text of at most 100"),
            ({"label": 1, "prediction_id": None}, "prediction_id: needs a text"),
            ({"label": 1, "prediction_id": "a\0"}, "prediction_id: needs a text"),
        ],
    )
    def test_refuses_what_it_cannot_read_and_names_the_field(self, read, sent, message):
        with pytest.raises(FeedbackError, match=message):
            read(**sent)

    def test_refuses_a_rating_where_the_problem_does_not_say_what_it_means(
        self, problem_with, now
    ):
        sent = {"prediction_id": PREDICTION, "rating": 5}

        with pytest.raises(FeedbackError, match="rating: complaints takes none"):
            feedback_event(problem_with(feedback={"rating": None}), sent, source="api", now=now)

    def test_takes_any_number_as_the_label_of_a_regression(self, problem_with, now):
        regression = problem_with(feedback={"rating": None})
        values = regression.config.model_copy(update={"kind": "regression"})
        object.__setattr__(regression, "config", values)

        sent = {"prediction_id": PREDICTION, "correction": "249000.5"}

        assert feedback_event(regression, sent, source="api", now=now).value == 249000.5


class TestIds:
    def test_are_those_that_the_sender_gives(self, read):
        assert read(label=1, event_id="crm-17").id == "crm-17"

    def test_are_the_same_for_the_same_thing_said_again(self, read, problem, now):
        later = feedback_event(
            problem,
            {"label": "Yes", "prediction_id": PREDICTION, "at": "2026-11-19"},
            source="file",
            now=now + timedelta(days=3),
        )

        assert read(label=1, at="2026-11-19").id == later.id

    def test_differ_for_anything_else(self, read):
        said = [
            read(label=1),
            read(label=0),
            read(correction=1),
            read(rating=1),
            read(event="wrote_again"),
            read(label=1, at="2026-11-19"),
            read(label=1, at="2026-11-20"),
            read(label=1, prediction_id=PREDICTION[:-1] + "2"),
        ]

        assert len({event.id for event in said}) == len(said)


class TestRecording:
    def test_keeps_every_event_of_a_prediction(self, problem, any_home, log, say, now):
        first, second = log(2, at=now, home=any_home)

        say(first, now=now, home=any_home, label=1)
        say(first, now=now, home=any_home, event="wrote_again")
        say(second, now=now, home=any_home, rating=5)

        with any_home.store.connect() as connection:
            found = events_of(connection, problem, [first])
        assert [(event.kind, event.value, event.name) for event in found] == [
            ("label", 1.0, None),
            ("event", None, "wrote_again"),
        ]

    def test_counts_an_event_sent_three_times_once(self, any_home, log, say, now):
        (prediction,) = log(1, at=now, home=any_home)

        receipts = [
            say(prediction, now=now + timedelta(days=day), home=any_home, label=1, event_id="a")
            for day in range(3)
        ]

        assert [(each.taken, each.repeated) for each in receipts] == [(1, 0), (0, 1), (0, 1)]

    def test_counts_an_event_three_times_in_one_submission_once(
        self, problem, any_home, log, now
    ):
        (prediction,) = log(1, at=now, home=any_home)
        event = feedback_event(
            problem, {"prediction_id": prediction, "label": 1}, source="api", now=now
        )

        assert record_feedback(any_home, [event] * 3) == Receipt(taken=1, repeated=2)

    def test_counts_an_event_that_eight_callers_send_at_once_once(
        self, problem, any_home, log, now
    ):
        (prediction,) = log(1, at=now, home=any_home)
        event = feedback_event(
            problem, {"prediction_id": prediction, "label": 1}, source="api", now=now
        )
        any_home.store.ensure(feedback_events)
        receipts = []

        threads = [
            threading.Thread(target=lambda: receipts.append(record_feedback(any_home, [event])))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(receipt.taken for receipt in receipts) == 1
        assert sum(receipt.repeated for receipt in receipts) == 7

    def test_names_the_predictions_that_it_does_not_know(self, problem, any_home, log, now):
        (known,) = log(1, at=now, home=any_home)
        events = [
            feedback_event(problem, {"prediction_id": each, "label": 1}, source="api", now=now)
            for each in [known, PREDICTION]
        ]

        receipt = record_feedback(any_home, events)

        assert (receipt.taken, receipt.repeated) == (1, 0)
        assert receipt.refused == (
            Refusal(events[1].id, PREDICTION, f"no prediction has the id {PREDICTION}"),
        )
        with pytest.raises(FeedbackError, match=f"1 of 2 events were refused: .*{PREDICTION}"):
            receipt.require_all()

    def test_refuses_an_event_about_a_prediction_of_another_problem(self, log, say, now):
        (prediction,) = log(1, at=now, problem="homes")

        assert say(prediction, now=now, label=1).refused

    def test_refuses_a_known_id_that_says_something_else(self, any_home, log, say, now):
        (prediction,) = log(1, at=now, home=any_home)
        say(prediction, now=now, home=any_home, label=1, event_id="a")

        receipt = say(prediction, now=now, home=any_home, label=0, event_id="a")

        assert receipt.taken == 0
        assert "event a was received before, saying something else" in receipt.refused[0].reason

    def test_keeps_events_as_they_came(self, any_home, log, say, now):
        (prediction,) = log(1, at=now, home=any_home)
        say(prediction, now=now, home=any_home, label=1)

        for change in (feedback_events.update().values(value=0), feedback_events.delete()):
            with (
                pytest.raises(sa.exc.DBAPIError, match="append-only"),
                any_home.store.begin() as connection,
            ):
                connection.execute(change)

    def test_shares_a_writer_with_the_prediction_log(self, problem, any_home, log, now):
        ids = log(50, at=now, home=any_home)
        any_home.store.ensure(feedback_events)
        events = [
            feedback_event(problem, {"prediction_id": each, "label": 1}, source="api", now=now)
            for each in [*ids, PREDICTION]
        ]

        with GroupCommit(any_home.store) as writer:
            futures = [writer.submit(write_feedback, [event]) for event in events]

        receipts = [future.result() for future in futures]
        assert [receipt.taken for receipt in receipts] == [1] * 50 + [0]
        assert receipts[-1].refused[0].prediction_id == PREDICTION
