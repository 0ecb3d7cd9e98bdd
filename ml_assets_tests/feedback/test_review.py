"""Which answers wait for a person's label, and what was said lately."""

from datetime import date, timedelta

import pytest

from ml_assets.feedback import feedback_event, log_predictions, record_feedback, seal
from ml_assets.feedback.history import WeekOfEvents, events_by_week, newest_feedback
from ml_assets.feedback.review import count_reviewed, review_queue
from ml_assets.storage import Home


@pytest.fixture
def unsure(log, now):
    """Logs an answer that is unsure unless told otherwise, and returns its id."""

    def logged(prediction=0.5, *, at=now, **changes):
        changes = {"prediction": prediction, "decision": prediction >= 0.5} | changes
        (found,) = log(1, at=at, **changes)
        return found

    return logged


@pytest.fixture
def queue(problem, home, now):
    def drawn(limit=10, after=None):
        return review_queue(problem, home, now=now, limit=limit, after=after)

    return drawn


def ids(queue):
    return [each.prediction.id for each in queue.waiting]


class TestQueue:
    def test_has_the_closest_to_the_threshold_first(self, unsure, queue):
        far, near, nearest = unsure(0.3), unsure(0.55), unsure(0.49)

        assert ids(queue()) == [nearest, near, far]
        assert [each.distance for each in queue().waiting] == pytest.approx([0.01, 0.05, 0.2])

    def test_leaves_out_what_nobody_has_to_look_at(self, unsure, queue, now):
        unsure(0.9)
        unsure(exposed=False)
        unsure(decision=None)
        unsure(at=now - timedelta(days=31))
        unsure(problem="homes")

        assert queue() == ((), 0, None)

    @pytest.mark.parametrize("said", [{"label": 0}, {"correction": 1}])
    def test_leaves_out_what_has_a_label(self, unsure, queue, say, said):
        labelled, waiting = unsure(), unsure()
        say(labelled, **said)

        assert ids(queue()) == [waiting]

    @pytest.mark.parametrize("said", [{"rating": 5}, {"event": "wrote_again"}])
    def test_keeps_what_has_no_more_than_a_sign(self, unsure, queue, say, said):
        waiting = unsure()
        say(waiting, **said)

        assert ids(queue()) == [waiting]

    def test_has_an_answer_again_whose_label_was_taken_back(self, unsure, queue, say):
        answer = unsure()
        say(answer, label=1, event_id="in error")
        say(answer, retraction="in error")

        assert ids(queue()) == [answer]

    def test_comes_in_pages_that_are_the_whole(self, unsure, queue):
        answers = [*sorted(unsure(0.5) for _ in range(3)), unsure(0.51), unsure(0.52)]

        first = queue(2)
        second = queue(2, first.after)
        third = queue(2, second.after)

        assert ids(first) + ids(second) + ids(third) == answers
        assert [page.left for page in (first, second, third)] == [5, 5, 5]
        assert third.after is None

    def test_goes_on_behind_an_answer_that_was_labelled_meanwhile(self, unsure, queue, say):
        answers = [unsure(0.5 + place / 100) for place in range(4)]
        page = queue(2)
        say(answers[1], label=1)

        assert ids(queue(2, page.after)) == answers[2:]


class TestReviewed:
    def test_are_counted_without_other_labels_and_what_was_taken_back(
        self, problem, home, unsure, now
    ):
        first, second, third, fourth = (unsure() for _ in range(4))

        def say(prediction, source, *, now=now, **sent):
            sent = {"prediction_id": prediction} | sent
            event = feedback_event(problem, sent, source=source, now=now)
            return record_feedback(home, [event])

        say(first, "review:ada", label=1)
        say(first, "review:ada", correction=0)
        say(second, "review:ada", label=1, event_id="in error")
        say(second, "review:ada", retraction="in error")
        say(third, "api", label=1)
        say(fourth, "review:ada", label=1, now=now - timedelta(days=2))

        assert count_reviewed(problem, home, since=now - timedelta(days=1)) == 1


class TestNewestFeedback:
    def test_comes_newest_first_with_its_answer(self, problem, home, unsure, say):
        first, second = unsure(0.4), unsure(0.6)
        say(first, label=1)
        say(second, rating=5)

        told = newest_feedback(problem, home, limit=10)

        assert [each.event.kind for each in told] == ["rating", "label"]
        assert [each.about.prediction.id for each in told] == [second, first]
        assert newest_feedback(problem, home, limit=1) == told[:1]
        assert newest_feedback(problem, home, limit=1, before=told[0].sequence) == told[1:]

    def test_says_what_was_taken_back(self, problem, home, unsure, say):
        answer = unsure()
        say(answer, label=1, event_id="in error")
        say(answer, retraction="in error")

        told = newest_feedback(problem, home, limit=10)

        assert [each.is_taken_back for each in told] == [False, True]

    def test_says_when_a_label_can_be_sealed_and_into_which_batch_it_was(
        self, problem, home, unsure, say, now
    ):
        old, young = unsure(at=now - timedelta(days=61)), unsure()
        say(old, label=1)
        say(young, label=1)
        seal(problem, home, now=now)
        say(old, correction=0)

        late, of_young, of_old = newest_feedback(problem, home, limit=10)

        assert (of_old.about.batch, of_old.about.is_counted) == ("2026-11-20-001", True)
        assert (late.about.batch, late.about.is_counted) == ("2026-11-20-001", False)
        assert (of_young.about.batch, of_young.about.is_counted) == (None, False)
        assert of_young.about.ripe_at == now + timedelta(days=60)


class TestWeeks:
    def test_count_answers_by_what_was_said_about_them(self, problem, home, unsure, say, now):
        first, second = unsure(), unsure()
        say(first, label=1, now=now - timedelta(days=7))
        say(first, correction=0, now=now)
        say(first, label=1, now=now, event_id="again")
        say(second, rating=5, now=now)
        say(second, label=1, now=now, event_id="in error")
        say(second, retraction="in error", now=now)

        assert events_by_week(problem, home, now=now, weeks=3) == [
            WeekOfEvents(date(2026, 11, 2), labels=0, signs=0),
            WeekOfEvents(date(2026, 11, 9), labels=1, signs=0),
            WeekOfEvents(date(2026, 11, 16), labels=1, signs=1),
        ]


def test_works_on_postgres(problem, answered, now, postgres_url, tmp_path):
    home = Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": postgres_url})
    log_predictions(home.store, answered(3, at=now, prediction=0.55, decision=True))

    page = review_queue(problem, home, now=now, limit=2)

    assert len(page.waiting) == 2
    assert len(review_queue(problem, home, now=now, limit=2, after=page.after).waiting) == 1
    assert events_by_week(problem, home, now=now, weeks=1)[0].labels == 0
    assert newest_feedback(problem, home, limit=5) == []
    home.store.close()
