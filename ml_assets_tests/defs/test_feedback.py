"""Feedback through Dagster: sealed by the sensor, made by a run, learned from when the policy says."""

import datetime as dt
import shutil
from dataclasses import replace

import dagster as dg
import numpy as np
import pytest
from answering import log_answers, say
from quick import (
    AT_ONCE,
    COMPLAINTS,
    GOOD,
    IN_EPOCHS,
    LOOP,
    declared_with,
    definitions_on,
    deliver,
    key_of,
    trained_home,
)

from ml_assets.cli.models import promote
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.runs import instance_of, run_here, tick_here
from ml_assets.features import load_training_set
from ml_assets.feedback import (
    decisions,
    feedback_partitions,
    flywheel,
    materialize_pending,
    seal,
    sealed_batches,
)
from ml_assets.ingestion import register_source
from ml_assets.registry import champion, last_decision, rollback, versions
from ml_assets.registry import decisions as promotions
from ml_assets.serving.replay import CHECK
from ml_assets.storage import Home

SENSOR = "complaints_feedback"


def earlier(**ago):
    return utc_now() - dt.timedelta(**ago)


def look(home, declared=LOOP, sensor=SENSOR):
    return tick_here(definitions_on(home, declared), sensor, home=home)


def learned(home, rows=60, seed=0, declared=LOOP):
    """Answers that were labelled a moment ago."""
    problem = declared.load()
    labels = log_answers(problem, home, rows, at=earlier(minutes=5), seed=seed)
    say(problem, home, labels, at=earlier(minutes=1))
    return labels


def newest(home, declared=LOOP):
    return versions(declared.load(), home)[-1]


def tags(home, run):
    with instance_of(home.path) as instance:
        return instance.get_run_by_id(run.run_id).tags


def shown(home, noun):
    with instance_of(home.path) as instance:
        return sorted(instance.get_materialized_partitions(key_of(noun)))


def shown_in(home):
    """Batches that Dagster knows of."""
    with instance_of(home.path) as instance:
        return sorted(instance.get_dynamic_partitions("complaints_feedback"))


class TestSensor:
    def test_says_what_it_waits_for(self, opened):
        tick = look(opened)

        assert tick.runs == ()
        assert tick.reason == (
            "0 new labels have passed their delay, 1 make a batch. 0 new labels since the last "
            "training; it takes 50. Code, configuration or libraries did not change since."
        )

    def test_makes_a_batch_and_a_model_in_one_run(self, opened):
        learned(opened)

        tick = look(opened)

        (run,) = tick.runs
        (batch,) = sealed_batches(LOOP.load(), opened)
        assert run.failures == ()
        assert newest(opened).trigger == "feedback"
        assert newest(opened).manifest.data.feedback.keys() == {batch.batch}
        assert newest(opened).run_id == run.run_id
        assert shown(opened, "feedback") == [batch.batch]

    def test_writes_the_reason_on_the_run_and_into_the_store(self, opened):
        learned(opened)

        (run,) = look(opened).runs

        reason = "60 new labels since the last training, enough; it takes 50."
        assert tags(opened, run)["ml_assets/retrained"] == "yes"
        assert tags(opened, run)["ml_assets/reason"] == reason
        (decision,) = decisions(LOOP.load(), opened)
        assert (decision.run_id, decision.retrain, decision.reason) == (
            run.run_id,
            True,
            reason,
        )

    def test_replays_the_held_out_rows_of_feedback_too(self, opened):
        learned(opened)

        look(opened)

        rows = newest(opened).manifest.data.rows["test"]
        decision = last_decision(LOOP.load(), opened, newest(opened))
        replayed = next(
            each for each in decision.evidence["findings"] if each["check"] == CHECK
        )
        assert replayed["text"] == (
            f"{rows:,} held-out rows replayed: every feature and prediction the same"
        )

    def test_shows_what_labels_are_worth(self, opened):
        learned(opened, seed=0)
        look(opened)
        learned(opened, seed=1)

        look(opened)

        with instance_of(opened.path) as instance:
            shown_last = instance.get_latest_materialization_event(key_of("feedback"))
        facts = shown_last.asset_materialization.metadata
        (cycle,) = flywheel(LOOP.load(), opened).cycles[:1]
        assert facts["labels_per_week"].value == 120.0
        assert facts["gain_per_cycle"].value == cycle.gain
        assert (cycle.trigger, cycle.new_batches) == ("feedback", 1)

    def test_trains_nothing_while_there_are_too_few_labels(self, opened):
        before = newest(opened)
        learned(opened, rows=30)

        (run,) = look(opened).runs

        reason = "30 new labels since the last training; it takes 50."
        assert run.failures == ()
        assert newest(opened) == before
        assert len(shown(opened, "feedback")) == 1
        assert tags(opened, run)["ml_assets/retrained"] == "no"
        assert tags(opened, run)["ml_assets/reason"] == reason

    def test_counts_the_labels_of_all_batches_since_the_last_training(self, opened):
        learned(opened, rows=30, seed=0)
        look(opened)
        learned(opened, rows=30, seed=1)

        look(opened)

        assert len(newest(opened).manifest.data.feedback) == 2

    def test_asks_for_nothing_twice(self, opened):
        learned(opened)
        look(opened)

        tick = look(opened)

        assert tick.runs == ()
        assert "0 new labels since the last training; it takes 50." in tick.reason

    def test_learns_a_label_that_was_corrected_and_corrected_back(self, opened):
        labels = learned(opened)
        id_, first = next(iter(labels.items()))
        look(opened)
        states = [feedback_of(opened)]
        for place, label in enumerate((not first, first)):
            at = earlier(seconds=30 - place)
            say(LOOP.load(), opened, {id_: label}, at=at)
            (run,) = look(opened).runs
            assert run.failures == ()
            states.append(feedback_of(opened))

        assert states[0] == states[2] != states[1]

    def test_says_why_a_batch_was_refused_and_does_not_ask_again(self, opened):
        labels = log_answers(LOOP.load(), opened, 60, at=earlier(minutes=5), state="California")
        say(LOOP.load(), opened, labels, at=earlier(minutes=1))

        (run,) = look(opened).runs
        again = look(opened)

        assert run.failures[0].is_refusal
        assert "60 of 60 labelled rows were quarantined" in run.failures[0].message
        assert again.runs == ()
        assert shown(opened, "feedback") == []

    def test_learns_later_what_it_was_too_early_for(self, opened):
        patient = declared_with(LOOP, retraining={"min_days_between": 30})
        learned(opened)
        (run,) = look(opened, patient).runs
        too_soon = tags(opened, run)["ml_assets/reason"]

        (later,) = look(opened, LOOP).runs

        assert "retraining.min_days_between is 30" in too_soon
        assert later.failures == ()
        assert newest(opened).run_id == later.run_id
        assert len(newest(opened).manifest.data.feedback) == 1

    def test_retrains_when_the_configuration_of_training_changed(self, opened):
        other = {"logistic": {"kind": "logistic", "hyperparameters": {"C": 0.1}}}
        changed = declared_with(LOOP, training={"estimators": other})

        (run,) = look(opened, changed).runs
        again = look(opened, changed)

        assert tags(opened, run)["ml_assets/trigger"] == "code"
        assert newest(opened).run_id == run.run_id
        assert again.runs == ()

    def test_goes_back_once_when_a_change_was_taken_back(self, opened):
        first = newest(opened)
        other = {"logistic": {"kind": "logistic", "hyperparameters": {"C": 0.1}}}
        look(opened, declared_with(LOOP, training={"estimators": other}))

        (run,) = look(opened).runs
        again = look(opened)

        considered = decisions_about(opened)[-1]
        assert (considered.version, considered.run_id) == (first.version, run.run_id)
        assert again.reason.endswith(f"Run {run.run_id[:8]} was asked to do the same and did.")

    def test_joins_the_older_batches_of_too_many(self, opened):
        few = declared_with(LOOP, feedback={"most_batches": 2})
        for seed in range(3):
            learned(opened, rows=20, seed=seed)
            look(opened)
        before = newest(opened)

        (run,) = look(opened, few).runs

        joined, last = sealed_batches(few.load(), opened)
        assert run.failures == ()
        assert (joined.counts.labels, last.counts.labels) == (40, 20)
        assert shown_in(opened) == list(feedback_of(opened)) == [joined.batch, last.batch]
        assert newest(opened) == before

    def test_waits_for_a_lost_run_that_dagster_starts_again(self, opened):
        learned(opened)
        seal(LOOP.load(), opened, now=utc_now())
        list(materialize_pending(LOOP.load(), opened, run_id="lost", now=utc_now()))
        with instance_of(opened.path) as instance:
            run = instance.create_run_for_job(
                definitions_on(opened, LOOP).resolve_job_def("complaints_feedback"),
                tags={"dagster/will_retry": "true"},
                status=dg.DagsterRunStatus.FAILURE,
            )
        waiting = look(opened)
        with instance_of(opened.path) as instance:
            instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})

        (retraining,) = look(opened).runs

        assert waiting.reason.endswith(
            f"Run {run.run_id[:8]} was lost, and is about to be started again."
        )
        assert newest(opened).run_id == retraining.run_id

    def test_does_only_what_the_policy_lists(self, opened):
        by_hand = declared_with(LOOP, retraining={"triggers": ["schedule"]})
        before = newest(opened)
        learned(opened)

        (run,) = look(opened, by_hand).runs

        assert newest(opened) == before
        assert tags(opened, run)["ml_assets/reason"] == (
            "feedback is none of retraining.triggers: schedule."
        )


def decisions_about(home):
    """What was decided about promotions."""
    return promotions(LOOP.load(), home)


def feedback_of(home):
    """Content of the feedback partitions."""
    return {
        name: state.content_hash
        for name, state in home.lake.partitions("complaints/feedback").items()
    }


def test_a_promotion_by_hand_replays_held_out_rows_as_the_chain_does(opened):
    learned(opened)
    look(opened)
    answering = champion(LOOP.load(), opened)
    (other,) = {each.version for each in versions(LOOP.load(), opened)} - {answering.version}

    decision = promote("complaints", opened, other, reason=None, who="test")

    replayed = next(each for each in decision.findings if each.check == CHECK)
    assert replayed.passed
    assert "held-out rows replayed" in replayed.text


class TestSchedule:
    def tock(self, home, declared):
        with instance_of(home.path) as instance:
            context = dg.build_schedule_context(
                instance,
                scheduled_execution_time=utc_now(),
                resources={"home": HomeResource(path=str(home.path))},
            )
            with context as opened:
                schedule = definitions_on(home, declared).resolve_schedule_def(
                    "complaints_weekly"
                )
                return schedule.evaluate_tick(opened)

    def test_asks_when_labels_became_old_enough(self, tmp_path):
        month = (utc_now().replace(day=1) - dt.timedelta(days=1)).strftime("%Y-%m")
        home, inbox = Home.open(tmp_path / "home", environment={}), tmp_path / "inbox"
        inbox.mkdir()
        register_source(COMPLAINTS.load(), home, inbox)
        for each in (*GOOD, month):
            deliver(inbox, each)
        for some in ([month], GOOD):
            definitions = definitions_on(home, COMPLAINTS)
            run_here(definitions, "complaints_refresh", home=home, partitions=some)
        too_young = self.tock(home, COMPLAINTS)

        (request,) = self.tock(home, LOOP).run_requests

        assert month in newest(home).manifest.data.excluded
        assert too_young.skip_message.startswith("Nothing new: ")
        assert request.tags["ml_assets/reason"] == (
            "There is something new to learn from since the last training."
        )

    def test_asks_when_a_batch_was_sealed_that_nobody_made(self, opened):
        learned(opened, rows=5)
        seal(LOOP.load(), opened, now=utc_now())

        (request,) = self.tock(opened, LOOP).run_requests

        assert request.tags["ml_assets/trigger"] == "schedule"

    def test_asks_for_nothing_that_the_policy_does_not_list(self, opened):
        learned(opened, rows=5)
        seal(LOOP.load(), opened, now=utc_now())
        by_labels = declared_with(LOOP, retraining={"triggers": ["feedback"]})

        tick = self.tock(opened, by_labels)

        assert tick.skip_message == "schedule is none of retraining.triggers: feedback."


class TestRetrainingByHand:
    def test_brings_feedback_up_to_date_first(self, opened):
        labels = learned(opened, rows=20)
        look(opened)
        id_, label = next(iter(labels.items()))
        say(LOOP.load(), opened, {id_: not label}, at=earlier(seconds=1))
        seal(LOOP.load(), opened, now=utc_now())

        run = run_here(definitions_on(opened, LOOP), "complaints_retrain", home=opened)

        (made_of,) = feedback_partitions(LOOP.load(), opened).values()
        assert run.failures == ()
        assert (made_of.revision, made_of.run_id) == (1, run.run_id)
        assert newest(opened).manifest.data.feedback == feedback_of(opened)
        assert decisions(LOOP.load(), opened)[0].trigger == "manual"


def shorter_narratives(complaints):
    """The features of complaints, counted in other units."""
    made = COMPLAINTS.load().features(complaints)
    return made.assign(narrative_length=made["narrative_length"] / 10)


REWRITTEN = replace(LOOP, load=lambda: replace(LOOP.load(), features=shorter_narratives))


class TestOtherFeatureCode:
    def test_waits_until_the_source_was_made_by_it(self, opened):
        learned(opened)
        look(opened)

        tick = look(opened, REWRITTEN)

        assert tick.runs == ()
        assert "3 partitions wait to be made by them: run complaints_refresh" in tick.reason

    def test_makes_feedback_anew_with_the_source(self, opened):
        learned(opened)
        look(opened)
        before = feedback_of(opened)

        run = run_here(
            definitions_on(opened, REWRITTEN),
            "complaints_refresh",
            home=opened,
            partitions=GOOD,
        )

        after = newest(opened, REWRITTEN)
        assert run.failures == ()
        assert feedback_of(opened).keys() == before.keys()
        assert feedback_of(opened) != before
        assert after.manifest.data.feedback == feedback_of(opened)
        assert shown(opened, "feedback") == list(before)


class TestExactlyOnce:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_repeated_shuffled_and_late_labels_make_the_same_training_set(
        self, copied, opened, seed
    ):
        declared = declared_with(LOOP, retraining={"min_new_labels": 1})
        problem, rng = declared.load(), np.random.default_rng(seed)
        labels = log_answers(problem, opened, 80, at=earlier(minutes=5))
        other = Home.open(shutil.copytree(opened.path, copied().path / "other"), environment={})
        pairs = list(labels.items())
        repeated = [pair for pair in pairs for _ in range(rng.integers(1, 4))]
        rng.shuffle(repeated)
        at = earlier(minutes=1)

        say(problem, opened, pairs, at=at)
        look(opened, declared)
        for some in np.array_split(np.arange(len(repeated)), 3):
            say(problem, other, [repeated[place] for place in some], at=at)
            look(other, declared)

        first, second = (load_training_set(problem, each) for each in (opened, other))
        assert first.id == second.id
        assert table_of(opened) == table_of(other)
        assert first.feedback == feedback_of(other)


def table_of(home):
    return home.lake.partitions("complaints/training_set")["all"].content_hash


class TestStatefulRetraining:
    @pytest.fixture
    def stateful(self):
        return declared_with(
            IN_EPOCHS, **AT_ONCE, retraining={"min_new_labels": 10, "mode": "stateful"}
        )

    def test_continues_the_champion_with_what_is_new(self, stateful, tmp_path):
        home = trained_home(stateful, tmp_path)
        before = champion(stateful.load(), home)
        learned(home, declared=stateful)

        (run,) = look(home, stateful).runs

        after = newest(home, stateful)
        assert run.failures == ()
        assert after.version != before.version
        assert after.manifest.parent == before.version
        assert decisions(stateful.load(), home)[0].mode == "stateful"

    def test_unlearns_wrong_labels_from_the_version_before_them(self, stateful, tmp_path):
        problem, home = stateful.load(), trained_home(stateful, tmp_path)
        before = champion(problem, home)
        labels = log_answers(problem, home, 60, at=earlier(minutes=5))
        say(problem, home, dict.fromkeys(labels, True), at=earlier(minutes=2))
        look(home, stateful)
        wrong = newest(home, stateful)
        if champion(problem, home) != before:
            rollback(problem, home, now=utc_now(), who="test", why="wrong labels")

        say(problem, home, labels, at=earlier(minutes=1))
        look(home, stateful)

        right = newest(home, stateful)
        assert wrong.manifest.parent == right.manifest.parent == before.version
        assert right.manifest.data.feedback == feedback_of(home)
        assert right.manifest.data.feedback != wrong.manifest.data.feedback
