from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
import sqlalchemy as sa

from ml_assets.feedback import (
    Facts,
    count_new_labels,
    decide,
    decisions,
    materialize_feedback,
    record_decision,
    seal,
)
from ml_assets.feedback.policy import BY_ITSELF, retraining_decisions
from ml_assets.problem.config import Retraining, Trigger

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
OLD = NOW - timedelta(days=60)
EVERY = Retraining(triggers=sorted(BY_ITSELF), min_new_labels=100, min_days_between=0)


class TestDecision:
    @pytest.mark.parametrize(
        ("trigger", "facts", "retrain", "reason"),
        [
            (
                "feedback",
                Facts(new_labels=100),
                True,
                "100 new labels since the last training, enough; it takes 100.",
            ),
            (
                "feedback",
                Facts(new_labels=99),
                False,
                "99 new labels since the last training; it takes 100.",
            ),
            (
                "code",
                Facts(new_code=True),
                True,
                "Code, configuration or libraries changed since.",
            ),
            (
                "code",
                Facts(new_labels=1_000),
                False,
                "Code, configuration or libraries did not change since.",
            ),
            (
                "schedule",
                Facts(new_rows=True),
                True,
                "There is something new to learn from since the last training.",
            ),
            (
                "schedule",
                Facts(),
                False,
                "There is nothing new to learn from since the last training.",
            ),
            ("drift", Facts(alert="state: PSI 0.31."), True, "state: PSI 0.31."),
            ("drift", Facts(), False, "Nothing drifted."),
            ("performance", Facts(), False, "Performance did not fall."),
        ],
    )
    def test_follows_from_the_facts(self, trigger, facts, retrain, reason):
        assert decide(EVERY, facts, trigger, now=NOW) == (retrain, trigger, reason)

    @pytest.mark.parametrize("trigger", sorted(BY_ITSELF))
    def test_is_no_where_the_policy_does_not_list_the_trigger(self, trigger):
        policy = Retraining(triggers=["manual"])
        everything = Facts(
            new_labels=1_000, new_rows=True, new_code=True, alert="Something is wrong."
        )

        decision = decide(policy, everything, trigger, now=NOW)

        assert not decision.retrain
        assert decision.reason == f"{trigger} is none of retraining.triggers: manual."

    @pytest.mark.parametrize("trigger", sorted({*get_args(Trigger)} - BY_ITSELF))
    def test_is_yes_whenever_a_person_asks(self, trigger):
        policy = Retraining(triggers=[], min_days_between=1_000)

        decision = decide(policy, Facts(last_trained_at=NOW), trigger, now=NOW, why="a new law")

        assert decision == (True, trigger, f"A person asked for it ({trigger}): a new law.")

    @pytest.mark.parametrize(("days", "retrain"), [(6.9, False), (7, True)])
    def test_waits_as_long_as_the_policy_says(self, days, retrain):
        policy = EVERY.model_copy(update={"min_days_between": 7})
        facts = Facts(new_labels=100, last_trained_at=NOW - timedelta(days=days))

        decision = decide(policy, facts, "feedback", now=NOW)

        assert decision.retrain == retrain
        assert retrain or decision.reason == (
            "The last training was 6.9 days ago; retraining.min_days_between is 7."
        )

    def test_does_not_wait_for_the_first_time(self):
        policy = EVERY.model_copy(update={"min_days_between": 7})

        assert decide(policy, Facts(new_labels=100), "feedback", now=NOW).retrain


class TestRecord:
    def test_gives_back_every_decision_newest_first(self, problem, any_home):
        for day, labels in enumerate((7, 170)):
            facts = Facts(new_labels=labels)
            at = NOW + timedelta(days=day)
            decision = decide(EVERY, facts, "feedback", now=at)
            record_decision(problem, any_home, decision, facts, now=at, run_id=f"run {day}")

        found = decisions(problem, any_home)

        assert [(each.retrain, each.run_id, each.new_labels) for each in found] == [
            (True, "run 1", 170),
            (False, "run 0", 7),
        ]
        assert (found[0].at, found[0].mode) == (NOW + timedelta(days=1), "stateless")
        assert found[1].reason == "7 new labels since the last training; it takes 100."

    def test_is_never_changed(self, problem, any_home):
        decision = decide(EVERY, Facts(), "manual", now=NOW)
        record_decision(problem, any_home, decision, Facts(), now=NOW, run_id="run")

        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            any_home.store.begin() as connection,
        ):
            connection.execute(retraining_decisions.delete())


class TestNewLabels:
    @pytest.fixture
    def learn(self, problem, home):
        """Seals and materializes; returns what a training set would remember of it."""

        def learned(day):
            sealing = seal(problem, home, now=NOW + timedelta(days=day))
            for batch in filter(None, [sealing.sealed, *sealing.revised]):
                materialize_feedback(problem, home, batch.batch, run_id="run", now=NOW)
            states = home.lake.partitions("complaints/feedback")
            return {
                "snapshot": {name: state.content_hash for name, state in states.items()},
                "version": home.lake.version("complaints/feedback"),
            }

        return learned

    def test_are_all_of_them_before_the_first_training(self, problem, home, log, say, learn):
        for each in log(5, at=OLD):
            say(each, label=1)
        learn(0)

        assert count_new_labels(problem, home, snapshot={}, version=None) == 5

    def test_are_none_right_after_a_training(self, problem, home, log, say, learn):
        for each in log(5, at=OLD):
            say(each, label=1)

        assert count_new_labels(problem, home, **learn(0)) == 0

    def test_are_those_that_came_or_were_corrected_since(self, problem, home, log, say, learn):
        first = log(5, at=OLD)
        for each in first[:4]:
            say(each, label=1)
        trained = learn(0)
        for each in log(3, at=OLD + timedelta(days=1)):
            say(each, label=0)
        later = NOW + timedelta(days=1)
        say(first[0], now=later, correction=0)
        say(first[4], now=later, label=1)

        learn(1)

        assert count_new_labels(problem, home, **trained) == 5
