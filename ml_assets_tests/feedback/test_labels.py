from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.feedback import Answer, FeedbackEvent, Label, label_of
from ml_assets.feedback.labels import is_sampled
from ml_assets.problem.config import Feedback, ImplicitEvent, Negatives, Rating

AT = datetime(2026, 9, 1, tzinfo=UTC)
ANSWER = Answer(id="p", at=AT, decision=True, exposed=True)
RULE = Feedback(
    implicit={
        "clicked": ImplicitEvent(label=1, weight=0.3, window_days=7),
        "hid": ImplicitEvent(label=0, weight=0.6, window_days=30),
        "scrolled": ImplicitEvent(label=0, weight=0.3, window_days=7),
    },
    rating=Rating(agrees_from=4, disagrees_to=2, weight=0.5),
)
SAMPLED = RULE.model_copy(
    update={"negatives": Negatives(share=1.0, weight=0.1, window_days=7, seed=0)}
)
NOTHING = Label(None, 0.0, None)


def event(kind="label", value=1.0, *, day=1.0, name=None, received=None, **given):
    at = AT + timedelta(days=day)
    return FeedbackEvent(
        id=given.get("id", "a"),
        problem="complaints",
        prediction_id="p",
        kind=kind,
        name=name,
        value=value,
        at=at,
        received_at=at if received is None else AT + timedelta(days=received),
        source="test",
    )


def did(name, *, day=1.0, **given):
    return event("event", None, name=name, day=day, **given)


class TestOneEvent:
    @pytest.mark.parametrize(
        ("said", "label", "weight"),
        [
            (event("label", 0.0), 0.0, 1.0),
            (event("correction", 1.0), 1.0, 1.0),
            (event("rating", 5.0), 1.0, 0.5),
            (event("rating", 1.0), 0.0, 0.5),
            (did("clicked"), 1.0, 0.3),
            (did("hid"), 0.0, 0.6),
        ],
    )
    def test_is_a_label_of_the_weight_of_its_kind(self, said, label, weight):
        assert label_of(ANSWER, [said], RULE) == Label(label, weight, "a")

    @pytest.mark.parametrize(
        "said",
        [
            event("rating", 3.0),
            did("clicked", day=7.001),
            did("clicked", day=-0.001),
            did("bought"),
        ],
        ids=["a rating in between", "after its window", "before the answer", "not declared"],
    )
    def test_says_nothing_otherwise(self, said):
        assert label_of(ANSWER, [said], RULE) == NOTHING

    def test_of_rating_says_nothing_where_there_was_no_decision(self):
        undecided = ANSWER._replace(decision=None)

        assert label_of(undecided, [event("rating", 5.0)], RULE) == NOTHING

    def test_may_be_from_before_the_answer_when_it_was_said(self):
        assert label_of(ANSWER, [event(day=-0.5)], RULE).value == 1.0


class TestSeveralEvents:
    @pytest.mark.parametrize(
        ("strong", "weak"),
        [
            (event("label", 0.0, day=1), event("rating", 5.0, day=9)),
            (event("label", 0.0, day=1), did("clicked", day=6)),
            (event("rating", 1.0, day=1), did("clicked", day=6)),
            (did("hid", day=1), did("clicked", day=6)),
            (event("label", 0.0, day=2), event("label", 1.0, day=1)),
            (event("label", 0.0, day=2), event("correction", 1.0, day=1)),
            (event("correction", 0.0, day=1), event("label", 1.0, day=1)),
            (event("rating", 1.0, day=2), event("rating", 5.0, day=1)),
        ],
        ids=[
            "said before rated",
            "said before done",
            "rated before done",
            "the larger weight",
            "the newer label",
            "a newer label before an older correction",
            "a correction before a label of the same time",
            "the newer rating",
        ],
    )
    def test_are_decided_by_the_strongest(self, strong, weak):
        events = [strong._replace(id="strong"), weak._replace(id="weak")]

        assert label_of(ANSWER, events, RULE).value == 0.0
        assert label_of(ANSWER, events, RULE).decided_by == "strong"

    def test_that_agree_go_by_the_smallest_id(self):
        events = [event(id="b"), event(id="a"), event(id="c")]

        assert label_of(ANSWER, events, RULE) == Label(1.0, 1.0, "a")

    @pytest.mark.parametrize(
        "events",
        [
            [event(value=1.0, id="a"), event(value=0.0, id="b")],
            [event("rating", 5.0, id="a"), event("rating", 1.0, id="b")],
            [did("clicked", id="a"), did("scrolled", id="b")],
        ],
        ids=["labels", "ratings", "deeds"],
    )
    def test_that_contradict_each_other_are_no_label(self, events):
        found = label_of(ANSWER, events, RULE)

        assert found == Label(None, 0.0, "a", is_contradictory=True)

    def test_are_no_contradiction_any_more_when_somebody_says_something_newer(self):
        events = [event(value=1.0, id="a"), event(value=0.0, id="b")]

        settled = label_of(ANSWER, [*events, event(value=0.0, day=2, id="c")], RULE)

        assert settled == Label(0.0, 1.0, "c")

    def test_do_not_go_by_a_clock_that_is_ahead(self):
        wrong_clock = event(value=1.0, day=36_500, received=1, id="a")
        later = event(value=0.0, day=2, received=2, id="b")

        assert label_of(ANSWER, [wrong_clock, later], RULE).value == 0.0

    def test_do_not_count_once_they_were_taken_back(self):
        events = [event("label", 0.0, day=1, id="a"), event("label", 1.0, day=2, id="b")]
        taken_back = event("retraction", None, name="b", id="c")

        assert label_of(ANSWER, [*events, taken_back], RULE) == Label(0.0, 1.0, "a")
        assert label_of(ANSWER, [taken_back, *events], RULE) == Label(0.0, 1.0, "a")
        assert label_of(ANSWER, [taken_back], RULE) == NOTHING


class TestSilence:
    def test_says_nothing_unless_the_problem_wants_it(self):
        assert label_of(ANSWER, [], RULE) == NOTHING

    def test_is_a_weak_negative_label(self):
        assert label_of(ANSWER, [], SAMPLED) == Label(0.0, 0.1, None)

    def test_says_nothing_about_what_nobody_saw(self):
        assert label_of(ANSWER._replace(exposed=False), [], SAMPLED) == NOTHING

    def test_is_broken_by_anything_that_says_something(self):
        assert label_of(ANSWER, [did("clicked")], SAMPLED).value == 1.0

    def test_is_not_broken_by_what_came_too_late(self):
        assert label_of(ANSWER, [did("clicked", day=8)], SAMPLED) == Label(0.0, 0.1, None)

    def test_is_drawn_as_often_as_asked_and_the_same_every_time(self):
        negatives = Negatives(share=0.2, weight=0.1, window_days=7, seed=3)
        ids = [f"prediction {number}" for number in range(5_000)]

        drawn = [is_sampled(each, negatives) for each in ids]

        assert drawn == [is_sampled(each, negatives) for each in ids]
        assert 0.18 < sum(drawn) / len(drawn) < 0.22

    def test_is_drawn_otherwise_with_another_seed(self):
        ids = [f"prediction {number}" for number in range(100)]
        drawn = {
            seed: [
                is_sampled(each, Negatives(share=0.5, weight=0.1, window_days=7, seed=seed))
                for each in ids
            ]
            for seed in (0, 1)
        }

        assert drawn[0] != drawn[1]


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["label", "correction", "rating"]),
        st.sampled_from([0.0, 1.0, 3.0, 5.0]),
        day=st.sampled_from([-1.0, 0.0, 1.0, 2.0, 40.0]),
        id=st.sampled_from("abcdef"),
        received=st.sampled_from([1.0, 2.0, 50.0]),
    )
    | st.builds(
        did,
        st.sampled_from(["clicked", "hid", "scrolled", "bought"]),
        day=st.sampled_from([-1.0, 0.0, 1.0, 2.0, 40.0]),
        id=st.sampled_from("ghijkl"),
    ),
    max_size=8,
    unique_by=lambda event: event.id,
).map(
    lambda events: [
        e._replace(value=min(e.value, 1.0)) if e.kind in {"label", "correction"} else e
        for e in events
    ]
)
"""Events of one prediction, all ids different, many at the same time."""


class TestLaws:
    @given(EVENTS, st.randoms(use_true_random=False))
    def test_the_order_of_events_does_not_matter(self, events, chance):
        shuffled = events.copy()
        chance.shuffle(shuffled)

        assert label_of(ANSWER, shuffled, SAMPLED) == label_of(ANSWER, events, SAMPLED)

    @given(EVENTS, st.data())
    def test_an_event_that_comes_again_does_not_matter(self, events, data):
        again = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []

        assert label_of(ANSWER, events + again, RULE) == label_of(ANSWER, events, RULE)

    @given(EVENTS)
    def test_there_is_a_label_of_some_weight_or_none(self, events):
        found = label_of(ANSWER, events, RULE)

        assert (found.value is None) == (found.weight == 0)
        assert found.value in {None, 0.0, 1.0}
        assert 0 <= found.weight <= 1
        assert not (found.is_contradictory and found.value is not None)

    @given(EVENTS)
    def test_what_a_person_says_last_decides(self, events):
        last = event("correction", 0.0, day=99, received=99, id="z")

        assert label_of(ANSWER, [*events, last], RULE) == Label(0.0, 1.0, "z")

    @given(EVENTS)
    def test_the_event_that_decides_would_decide_alone(self, events):
        found = label_of(ANSWER, events, RULE)

        if found.decided_by is not None and not found.is_contradictory:
            (decisive,) = [each for each in events if each.id == found.decided_by]
            assert label_of(ANSWER, [decisive], RULE) == found

    @given(EVENTS)
    def test_an_event_that_does_not_decide_can_be_left_out(self, events):
        found = label_of(ANSWER, events, RULE)

        for each in events:
            rest = [other for other in events if other.id != each.id]
            if each.id != found.decided_by and not found.is_contradictory:
                assert label_of(ANSWER, rest, RULE) == found
