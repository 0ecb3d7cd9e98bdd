import json
import threading
import time
import uuid
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from loans import LOANS

from ml_assets.errors import ProblemError
from ml_assets.feedback import (
    LoggedPrediction,
    features_hash,
    features_hashes,
    input_text,
    log_predictions,
    logged_columns,
    newest_predictions,
    prediction_ids,
    predictions,
    predictions_by_id,
)

CPU_SECONDS_PER_ROW = 50e-6
"""20,000 rows a second on one core; CPU time, because other programs run here too."""


def answer(now, **changes):
    return LoggedPrediction(
        id=prediction_ids(now, 1)[0],
        problem="complaints",
        model_version="20260901T000000Z-3f9ac",
        at=now,
        input='{"state":"CA","consumer_complaint_narrative":"naïve \\u0000 “quoted”"}',
        features_hash=features_hash(["CA"]),
        prediction=0.1 + 0.2,
        decision=True,
        exposed=True,
    )._replace(**changes)


class TestIds:
    def test_sort_by_time_and_within_one_call(self, now):
        ids = [
            each
            for minute in range(3)
            for each in prediction_ids(now + timedelta(minutes=minute), 5_000)
        ]

        assert ids == sorted(ids)

    def test_are_uuids_of_version_7(self, now):
        found = uuid.UUID(prediction_ids(now, 1)[0])

        assert (found.version, found.variant) == (7, uuid.RFC_4122)

    def test_differ_between_callers_at_the_same_moment(self, now):
        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda: ids.extend(prediction_ids(now, 1_000)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(ids)) == 8_000

    def test_cannot_be_guessed_from_a_neighbour(self, now):
        tails = [int(each[-12:], 16) for each in prediction_ids(now, 1_000)]

        assert np.abs(np.diff(tails)).min() > 1_000


class TestWhatIsLogged:
    def test_is_the_contract_without_personal_columns_and_label(self, problem):
        kept = logged_columns(problem)

        assert {*problem.known_columns} <= kept
        assert not kept & {"zip_code", "tags", "consumer_disputed"}

    def test_leaves_out_what_the_problem_lists(self, problem_with):
        listed = problem_with(feedback={"personal": ["company_public_response"]})

        assert "company_public_response" in logged_columns(problem_with())
        assert "company_public_response" not in logged_columns(listed)

    def test_leaves_out_what_stands_for_something_protected(self):
        assert "district" in LOANS.fields
        assert not logged_columns(LOANS) & {"district", "gender", "repaid"}

    def test_refuses_to_leave_out_what_features_read(self, problem_with):
        listed = problem_with(feedback={"personal": ["state"]})

        with pytest.raises(ProblemError, match="lists state, which features may read"):
            logged_columns(listed)

    def test_refuses_a_personal_column_that_is_none(self, problem_with):
        listed = problem_with(feedback={"personal": ["shoe_size"]})

        with pytest.raises(ProblemError, match="lists shoe_size, which the contract does not"):
            logged_columns(listed)

    def test_never_reaches_the_disk_when_it_is_personal(self, problem, home, now):
        row = {"state": "CA", "zip_code": "94016", "tags": "Older American", "email": "a@b.org"}
        text = input_text(row, logged_columns(problem))

        log_predictions(home.store, [answer(now, input=text)])

        written = b"".join(path.read_bytes() for path in home.path.glob("store.sqlite*"))
        assert b'"state":"CA"' in written
        assert not any(word in written for word in (b"94016", b"Older American", b"a@b.org"))

    def test_keeps_values_of_any_json_type(self):
        row = {"a": None, "b": True, "c": 1.5, "d": "naïve \0 “x”", "e": 2**53}

        assert json.loads(input_text(row, kept=set(row))) == row

    def test_keeps_what_a_frame_or_a_careless_client_has(self):
        row = {
            "time": pd.Timestamp("2026-11-20", tz="UTC"),
            "none": pd.NaT,
            "nan": np.float64("nan"),
            "number": np.int64(5),
            "large": 10**30,
            "half": "\ud800",
        }

        assert json.loads(input_text(row, kept=set(row))) == {
            "time": "2026-11-20T00:00:00+00:00",
            "none": None,
            "nan": None,
            "number": 5,
            "large": 10**30,
            "half": "\ud800",
        }


class TestFeaturesHash:
    def test_is_the_same_for_a_row_alone_and_in_a_frame(self):
        frame = pd.DataFrame({"days": [0.5, np.nan], "state": ["CA", None], "timely": [1, 0]})

        alone = [features_hash([0.5, "CA", 1.0]), features_hash([None, None, 0.0])]

        assert features_hashes(frame) == alone

    def test_changes_with_any_value(self):
        row = [0.5, "CA", None]
        others = [
            [0.5000001, "CA", None],
            [0.5, "Ca", None],
            [0.5, "CA", ""],
            [None, "CA", 0.5],
        ]

        assert features_hash(row) not in {features_hash(other) for other in others}


class TestLog:
    def test_gives_back_what_was_written(self, problem, any_home, now):
        answers = [answer(now), answer(now, decision=None, exposed=False)]

        log_predictions(any_home.store, answers)

        found = predictions_by_id(problem, any_home, [each.id for each in answers])
        assert found == {each.id: each for each in answers}

    def test_stores_the_bytes_that_sqlalchemy_would(self, home, now):
        answers = [answer(now), answer(now.replace(microsecond=0), decision=None)]
        log_predictions(home.store, answers[:0])
        with home.store.begin() as connection:
            connection.execute(predictions.insert(), [each._asdict() for each in answers])
        log_predictions(home.store, [each._replace(id=each.id[::-1]) for each in answers])

        with home.store.connect() as connection:
            rows = connection.exec_driver_sql("select * from predictions order by sequence")
            stored = [tuple(row)[2:] for row in rows]

        assert stored[:2] == stored[2:]

    def test_writes_all_of_a_batch_or_nothing(self, problem, any_home, now):
        first = answer(now)
        log_predictions(any_home.store, [first])
        second = answer(now)

        with pytest.raises(sa.exc.IntegrityError):
            log_predictions(any_home.store, [second, first])

        assert predictions_by_id(problem, any_home, [second.id]) == {}

    def test_finds_nothing_of_another_problem(self, problem, home, now):
        other = answer(now, problem="homes")

        log_predictions(home.store, [other])

        assert predictions_by_id(problem, home, [other.id]) == {}

    def test_finds_thousands_of_ids_at_once(self, problem, home, now):
        answers = [answer(now)._replace(id=each) for each in prediction_ids(now, 25_000)]

        log_predictions(home.store, answers)

        assert len(predictions_by_id(problem, home, [each.id for each in answers])) == 25_000

    def test_lists_the_newest_first(self, problem, any_home, now):
        ages = [3, 0, 40, 1]
        answers = [answer(now - timedelta(days=age)) for age in ages]
        log_predictions(any_home.store, answers)

        found = newest_predictions(problem, any_home, until=now, days=30, limit=2)

        assert found == [answers[1], answers[3]]

    def test_keeps_an_answer_as_it_was_given(self, any_home, now):
        log_predictions(any_home.store, [answer(now)])

        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            any_home.store.begin() as connection,
        ):
            connection.execute(predictions.update().values(prediction=0.9))

    def test_can_forget_an_answer(self, problem, any_home, now):
        forgotten, kept = answer(now), answer(now)
        log_predictions(any_home.store, [forgotten, kept])

        with any_home.store.begin() as connection:
            connection.execute(predictions.delete().where(predictions.c.id == forgotten.id))

        found = predictions_by_id(problem, any_home, [forgotten.id, kept.id])
        assert list(found) == [kept.id]

    def test_takes_20_000_rows_a_second(self, home, now):
        answers = [answer(now)._replace(id=each) for each in prediction_ids(now, 20_000)]
        log_predictions(home.store, answers[:1])

        started = time.process_time()
        log_predictions(home.store, answers[1:])
        seconds = time.process_time() - started

        assert seconds / len(answers) < CPU_SECONDS_PER_ROW
