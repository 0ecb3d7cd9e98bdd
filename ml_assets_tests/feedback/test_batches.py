import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml_assets.errors import FeedbackError
from ml_assets.feedback import (
    compact,
    feedback_event,
    log_predictions,
    predictions,
    record_feedback,
    seal,
    sealed_batch,
    sealed_batches,
    unsealed,
)
from ml_assets.feedback.batches import Stretch, _members_query, label_wait, members, prepare
from ml_assets.storage import Home

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
OLD = NOW - timedelta(days=60)
"""Whose answers have just passed the label delay of the complaints."""


class Batches:
    """The batches of a problem in a home, and what is in them."""

    def __init__(self, problem, home):
        self.problem = problem
        self.home = home

    def seal(self, day=0):
        return seal(self.problem, self.home, now=NOW + timedelta(days=day))

    def all(self):
        return sealed_batches(self.problem, self.home)

    def of_problem(self, problem):
        return Batches(problem, self.home)

    def labels(self, *batches):
        """Labels by prediction, of some batches or of all."""
        with self.home.store.connect() as connection:
            return {
                member.answer.id: member.label
                for batch in batches or self.all()
                for member in members(connection, self.problem, batch.stretch, with_input=False)
            }


@pytest.fixture
def home(any_home):
    return any_home


@pytest.fixture
def batches(problem, home):
    return Batches(problem, home)


@pytest.fixture
def instant(batches, problem_with):
    """Batches of the problem, if labels could be trusted at once."""
    return batches.of_problem(problem_with(label={"delay_days": 0}, feedback={"implicit": {}}))


class TestSealing:
    def test_closes_what_has_passed_its_label_delay(self, batches, log, say):
        ripe = log(3, at=OLD)
        for each in [*ripe, *log(2, at=OLD + timedelta(seconds=1))]:
            say(each, label=1)

        sealing = batches.seal()

        assert sealing.reason == "2026-11-20-001 sealed: 3 labels."
        assert batches.all() == (sealing.sealed,)
        assert sealing.sealed.counts[:3] == (3, 0, 0)
        assert list(batches.labels(sealing.sealed)) == ripe

    def test_finds_nothing_when_it_is_asked_again(self, batches, log, say):
        for each in log(3, at=OLD):
            say(each, label=1)
        first = batches.seal()

        again = batches.seal(1)

        assert (again.sealed, again.revised) == (None, ())
        assert again.reason == "0 new labels have passed their delay, 1 make a batch."
        assert batches.all() == (first.sealed,)

    def test_waits_for_the_longest_window_of_implicit_events(self, problem_with):
        event = {"label": 1, "weight": 0.5, "window_days": 90}

        waits = problem_with(feedback={"implicit": {"wrote_again": event}})

        assert label_wait(waits) == timedelta(days=90)

    def test_waits_until_there_are_enough_labels(self, batches, problem_with, log, say):
        choosy = batches.of_problem(problem_with(feedback={"min_batch_labels": 3}))
        first, second, third = log(3, at=OLD)
        for each in (first, second):
            say(each, label=1)

        too_few = choosy.seal()
        say(third, label=0)
        enough = choosy.seal()

        assert too_few.reason == "2 new labels have passed their delay, 3 make a batch."
        assert enough.sealed.counts.labels == 3

    def test_goes_by_time_alone_where_no_label_is_needed(self, batches, problem_with, log):
        eager = batches.of_problem(problem_with(feedback={"min_batch_labels": 0}))
        log(3, at=OLD)

        assert eager.seal().sealed.counts[:3] == (0, 0, 0)
        assert eager.seal().sealed is None

    def test_names_batches_so_that_they_sort(self, instant, log, say):
        names = []
        for day in (0, 0.1, 0.2, 1, 0):
            at = NOW + timedelta(days=day)
            say(log(1, at=NOW)[0], now=at, label=1)
            names.append(instant.seal(day).sealed.batch)

        assert names == [
            "2026-11-20-001",
            "2026-11-20-002",
            "2026-11-20-003",
            "2026-11-21-001",
            "2026-11-21-002",  # by a clock that goes back
        ]

    def test_leaves_the_thousandth_batch_of_a_day_to_tomorrow(
        self, instant, log, say, monkeypatch
    ):
        monkeypatch.setattr("ml_assets.feedback.batches.BATCHES_PER_DAY", 1)
        for _ in range(2):
            say(log(1, at=NOW)[0], label=1)
            today = instant.seal()

        tomorrow = instant.seal(1)

        assert today.sealed is None
        assert today.reason == "1 batches were sealed today; the next one is sealed tomorrow."
        assert tomorrow.sealed.batch == "2026-11-21-001"

    def test_keeps_problems_apart(self, batches, log, say):
        log(2, at=OLD, problem="homes")
        (mine,) = log(1, at=OLD)
        say(mine, label=1)

        batches.seal()

        assert list(batches.labels()) == [mine]

    def test_takes_an_answer_that_is_logged_late(self, batches, log, say):
        first = log(2, at=OLD)
        for each in first:
            say(each, label=1)
        batches.seal()

        (straggler,) = log(1, at=OLD - timedelta(days=5))
        say(straggler, label=0)
        batches.seal()

        earlier, later = batches.all()
        assert list(batches.labels(earlier)) == first
        assert list(batches.labels(later)) == [straggler]

    def test_takes_silence_for_a_label_where_the_problem_says_so(
        self, batches, problem_with, log
    ):
        rule = {"share": 0.5, "weight": 0.2, "window_days": 14}
        silent = batches.of_problem(problem_with(feedback={"negatives": rule}))
        seen = log(200, at=OLD)
        log(50, at=OLD, exposed=False)

        batch = silent.seal().sealed

        drawn = silent.labels(batch)
        assert 60 < len(drawn) < 140
        assert set(drawn) < set(seen)
        assert {(label.value, label.weight) for label in drawn.values()} == {(0.0, 0.2)}


class TestConcurrency:
    def test_puts_each_answer_into_one_batch_whoever_seals(self, instant, home, answered):
        answers = answered(400, at=NOW)
        is_done = threading.Event()
        home.store.ensure(predictions)

        def serve(mine):
            for answer in mine:
                log_predictions(home.store, [answer])
                sent = {"prediction_id": answer.id, "label": 1}
                event = feedback_event(instant.problem, sent, source="test", now=NOW)
                record_feedback(home, [event])

        def keep_sealing():
            while not is_done.is_set():
                instant.seal()

        with ThreadPoolExecutor(8) as threads:
            sealers = [threads.submit(keep_sealing) for _ in range(4)]
            for served in [threads.submit(serve, answers[some::4]) for some in range(4)]:
                served.result()
            is_done.set()
            for sealer in sealers:
                sealer.result()
        instant.seal()

        found = [each for batch in instant.all() for each in instant.labels(batch)]
        assert sorted(found) == sorted(answer.id for answer in answers)
        assert sum(batch.counts.labels for batch in instant.all()) == 400
        assert len(instant.all()) > 1

    def test_has_one_of_many_sealers_close_a_batch(self, batches, log, say):
        for each in log(20, at=OLD):
            say(each, label=1)

        with ThreadPoolExecutor(8) as threads:
            sealings = list(threads.map(lambda _: batches.seal(), range(8)))

        assert sum(sealing.sealed is not None for sealing in sealings) == 1
        assert len(batches.all()) == 1


class TestRevisions:
    @pytest.fixture
    def answers(self, batches, log, say):
        """Three batches of two answers each; the first of each has the label 1."""
        answers = []
        for day in range(3):
            answers.append(log(2, at=OLD + timedelta(days=day)))
            say(answers[-1][0], now=OLD + timedelta(days=day + 1), label=1)
            batches.seal(day)
        return answers

    @pytest.fixture
    def say_later(self, say):
        return lambda prediction, **sent: say(prediction, now=NOW + timedelta(days=5), **sent)

    def test_follow_a_correction(self, batches, answers, say_later):
        _, before, _ = batches.all()
        say_later(answers[1][0], correction=0)

        sealing = batches.seal(5)

        (revised,) = sealing.revised
        assert sealing.reason.endswith("1 of 3 batches revised.")
        assert (revised.batch, revised.revision) == (before.batch, 1)
        assert revised.counts.content_hash != before.counts.content_hash
        assert batches.all()[1] == revised
        assert batches.labels()[answers[1][0]].value == 0.0

    def test_follow_a_label_that_comes_late(self, batches, answers, say_later):
        say_later(answers[0][1], label=1)

        sealing = batches.seal(5)

        assert sealing.sealed is None
        assert [(each.batch, each.counts.labels) for each in sealing.revised] == [
            ("2026-11-20-001", 2)
        ]

    def test_follow_a_label_that_is_taken_back(self, batches, answers, say_later):
        say_later(answers[0][1], label=1, event_id="in error")
        batches.seal(4)
        say_later(answers[0][1], retraction="in error")

        (revised,) = batches.seal(5).revised

        assert revised.counts[:3] == (1, 0, 1)

    def test_are_not_made_of_a_label_that_comes_again(self, batches, answers, say_later):
        say_later(answers[0][0], label=1, event_id="again")

        assert batches.seal(5).revised == ()

    def test_count_labels_that_contradict_each_other(self, batches, answers, say_later):
        at = (OLD + timedelta(days=3)).isoformat()
        say_later(answers[2][0], label=0, at=at)

        (revised,) = batches.seal(5).revised

        assert revised.counts[:3] == (0, 1, 0)

    def test_come_with_a_new_batch_in_one_sealing(self, batches, answers, log, say_later):
        (young,) = log(1, at=OLD + timedelta(days=4))
        for each in (answers[0][0], young):
            say_later(each, label=0)

        sealing = batches.seal(5)

        assert sealing.sealed.batch == "2026-11-25-001"
        assert [each.batch for each in sealing.revised] == ["2026-11-20-001"]

    def test_of_a_revision_follow_as_well(self, batches, answers, say):
        for day, label in ((5, 0), (6, 1), (7, 0)):
            at = NOW + timedelta(days=day)
            say(answers[0][0], now=at, at=at.isoformat(), label=label)
            batches.seal(day)

        assert batches.all()[0].revision == 3
        assert batches.labels()[answers[0][0]].value == 0.0


class TestOrder:
    """Each label comes one to three times, in any order, some days late."""

    @pytest.fixture
    def answers(self, answered):
        return [
            answer for day in range(6) for answer in answered(8, at=OLD + timedelta(days=day))
        ]

    @pytest.fixture
    def played(self, problem_with, answers, tmp_path):
        """Logs all answers, takes in one delivery of events a day, and seals every day."""
        problem = problem_with(feedback={"min_batch_labels": 0})

        def play(name, deliveries):
            home = Home.open(tmp_path / name, environment={})
            batches = Batches(problem, home)
            log_predictions(home.store, answers)
            prepare(home)
            for day, events in enumerate(deliveries):
                record_feedback(home, events)
                batches.seal(day)
            return [(each.batch, each.counts) for each in batches.all()], batches.labels()

        return play

    @pytest.mark.parametrize("seed", range(3))
    def test_does_not_matter_in_the_end(self, problem, answers, played, seed):
        events = [label_by_id(problem, answer) for answer in answers]
        rng = np.random.default_rng(seed)
        sent = [event for event in events for _ in range(rng.integers(1, 4))]
        late = [[] for _ in range(9)]
        for place in rng.permutation(len(sent)):
            late[rng.integers(0, 9)].append(sent[place])

        tidy = played("tidy", [events, *([] for _ in range(8))])
        untidy = played("untidy", late)

        assert untidy == tidy
        assert len(tidy[0]) == 6


def label_by_id(problem, answer):
    sent = {
        "prediction_id": answer.id,
        "label": int(answer.id[-1] in "02468ace"),
        "at": (answer.at + timedelta(days=1)).isoformat(),
    }
    return feedback_event(problem, sent, source="test", now=NOW)


class TestUnsealed:
    def test_counts_what_is_in_no_batch(self, problem, home, batches, log, say):
        sealed, without_label = log(2, at=OLD)
        say(sealed, label=1)
        batches.seal()
        young = log(3, at=OLD + timedelta(days=10))
        say(young[0], label=1)

        found = unsealed(problem, home, now=NOW + timedelta(days=5))
        later = unsealed(problem, home, now=NOW + timedelta(days=10))

        assert found == (3, 1, 0, NOW + timedelta(days=10))
        assert later == (3, 1, 3, None)
        assert without_label not in batches.labels()

    def test_says_which_batches_there_are_when_one_is_not(self, problem, home):
        with pytest.raises(FeedbackError, match="no feedback batch 2026-01-01-001"):
            sealed_batch(problem, home, "2026-01-01-001")


class TestCompaction:
    @pytest.fixture(autouse=True)
    def answers(self, batches, log, say):
        """Five batches of three labels."""
        answers = []
        for day in range(5):
            answers.append(log(3, at=OLD + timedelta(days=day)))
            for each in answers[-1]:
                say(each, now=OLD + timedelta(days=day), label=1)
            batches.seal(day)
        return answers

    def test_joins_old_batches_into_the_newest_of_them(self, batches, problem, home):
        before = batches.labels()

        joined = compact(problem, home, keep=2, now=NOW + timedelta(days=5))

        names = [batch.batch for batch in batches.all()]
        assert names == ["2026-11-22-001", "2026-11-23-001", "2026-11-24-001"]
        assert joined == batches.all()[0]
        assert joined.takes_in == ("2026-11-20-001", "2026-11-21-001")
        assert joined.counts.labels == 9
        assert batches.labels() == before

    def test_may_be_done_again_and_again(self, batches, answers, problem, home):
        for keep in (3, 2, 1):
            compact(problem, home, keep=keep, now=NOW + timedelta(days=5))

        joined, newest = batches.all()
        assert joined.counts.labels == 12
        assert set(joined.takes_in) == {"2026-11-20-001", "2026-11-21-001", "2026-11-22-001"}
        assert list(batches.labels(newest)) == answers[-1]

    def test_does_nothing_where_there_are_few(self, batches, problem, home):
        assert compact(problem, home, keep=4, now=NOW) is None
        assert len(batches.all()) == 5

    def test_leaves_revisions_possible(self, batches, answers, home, say):
        compact(batches.problem, home, keep=1, now=NOW + timedelta(days=5))
        say(answers[0][0], now=NOW + timedelta(days=6), correction=0)

        (revised,) = batches.seal(6).revised

        assert (revised.batch, revised.revision) == ("2026-11-23-001", 2)
        assert batches.labels()[answers[0][0]].value == 0.0


def test_reads_by_index_however_long_the_log_is(problem, tmp_path):
    home = Home.open(tmp_path / "sqlite", environment={})
    prepare(home)
    stretch = Stretch(5, 10, NOW - timedelta(days=1), NOW, 10)
    query = _members_query(problem, stretch, with_input=False)

    with home.store.connect() as connection:
        sql = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"explain query plan {sql}").all()

    steps = [step for *_, step in plan if "predictions" in step or "feedback_events" in step]
    assert steps
    assert all(step.startswith("SEARCH") for step in steps)
