"""What a report says: the card, the champion it was measured against, the versions over time."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ml_assets.cli.printing import plain
from ml_assets.registry import releases, versions
from ml_assets.reporting import report_of
from ml_assets.reporting.remarks import remarks
from ml_assets.reporting.timeline import periods

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
CHANGING = {
    *("version", "artifact", "training_set", "fingerprint", "hyperparameters_hash", "seconds"),
    *("environment", "code", "kpi", "train"),
}
"""Facts that are others on another machine, or in another year; every name stays."""
STAYING = {"card.purpose.kpi", "card.lineage.rows.train"}


def lines(card):
    """The facts of a card, one a line."""
    return [f"{place} {found}" for place, found in flat("card", plain(card))]


def flat(place, found):
    name = place.rpartition(".")[2]
    if name in CHANGING and place not in STAYING:
        yield place, "…"
    elif isinstance(found, dict):
        for key, each in found.items():
            is_hash = ".partitions" in place or ".feedback" in place
            yield from flat(f"{place}.{key}", "…" if is_hash else each)
    elif isinstance(found, list) and any(isinstance(each, dict) for each in found):
        for number, each in enumerate(found, start=1):
            yield from flat(f"{place}.{number}", each)
    else:
        yield place, json.dumps(found)


class TestCard:
    def test_says_what_the_model_is_for(self, people):
        purpose = people.report.card.purpose

        assert purpose.objective.startswith("Lend to those who repay.")
        assert (purpose.kpi, purpose.formula, purpose.direction) == (
            "roc_auc",
            "rank",
            "higher",
        )
        assert (purpose.floor, purpose.kpi_owner, purpose.owner) == (0.5, "tests", "tests")
        assert purpose.protected == ("gender",)
        assert purpose.withheld == ("first_name", "zip_code", "district")

    def test_names_every_input(self, reported):
        card, manifest = reported.report.card, reported.version.manifest

        assert card.lineage.partitions == manifest.data.partitions
        assert card.lineage.excluded == manifest.data.excluded
        assert card.lineage.rows == manifest.data.rows
        assert card.lineage.fingerprint == manifest.training_fingerprint
        assert card.lineage.environment == manifest.environment
        assert set(card.lineage.code) == {"contract", "features", "training", "hooks"}
        assert card.design.hyperparameters == manifest.algorithm.hyperparameters
        assert card.artifact == reported.version.artifact

    def test_names_who_competed_the_winner_first(self, prices):
        rivals = prices.report.card.design.rivals

        assert rivals[0].name == prices.report.card.design.estimator
        assert {one.name for one in rivals} == {"ridge", "ridge_local"}
        assert rivals[0].kpi == min(one.kpi for one in rivals)

    def test_promises_what_the_intervals_do(self, prices, people):
        assert prices.report.card.design.interval_coverage == 0.9
        assert people.report.card.design.interval_coverage is None

    def test_is_the_one_that_was_agreed_upon(self, people):
        snapshot = (SNAPSHOTS / "model_card.txt").read_text(encoding="utf-8")

        assert "\n".join(lines(people.report.card)) + "\n" == snapshot


class TestChallenge:
    def test_is_against_the_champion_of_the_time(self, people):
        first, second = versions(people.problem, people.home)

        challenge = people.report.challenge

        assert (challenge.champion, people.report.card.version) == (
            first.version,
            second.version,
        )
        assert {one.name for one in challenge.metrics} == {"roc_auc", "log_loss"}
        for one in challenge.metrics:
            assert one.difference == pytest.approx(one.version - one.champion)

    def test_has_the_interval_that_the_gate_judged_by(self, people):
        paired = people.report.challenge.paired[0]

        assert (paired.check, paired.metric) == ("beats the champion", "roc_auc")
        assert paired.low < paired.difference < paired.high
        assert paired.rows > 100

    def test_names_what_they_were_made_from(self, people):
        places = {one.place for one in people.report.challenge.inputs}

        assert "data.training_set" in places
        assert not any(place.startswith("metrics.") for place in places)

    def test_stays_when_the_version_answers_itself(self, people):
        again = report_of(
            people.problem, people.home, people.version, now=people.now + timedelta(days=1)
        )

        assert again.analysis.unchanged
        assert again.challenge == people.report.challenge

    def test_outlives_an_analysis_that_stood_alone(self, people):
        alone = replace(people.report.analysis, beside=None)

        again = report_of(
            people.problem, people.home, people.version, now=people.now, analysis=alone
        )

        assert again.challenge.champion == people.report.challenge.champion
        assert again.challenge.paired == people.report.challenge.paired
        assert again.challenge.metrics == ()

    def test_is_left_out_where_nobody_answered(self, values):
        assert values.report.challenge is None


class TestTimeline:
    def test_has_every_version_with_its_metric_and_rows(self, people):
        stations = people.report.timeline

        known = versions(people.problem, people.home)
        assert [one.version for one in stations] == [one.version for one in known]
        assert all(one.low < one.kpi < one.high for one in stations)
        assert stations[0].rows < stations[1].rows

    def test_says_when_each_version_answered(self, people):
        log = releases(people.problem, people.home)

        answered = [period for each in people.report.timeline for period in each.answered]

        assert [one.since for one in answered] == [one.at for one in log]
        assert answered[-1].until is None
        assert periods(log, "another") == ()


class TestRemarks:
    def test_begin_with_the_kpi_and_its_floor(self, reported):
        first = remarks(reported.report)[0]

        assert first.tone == "good"
        assert "keeps the floor" in first.text

    def test_say_what_was_decided(self, people):
        said = [one.text for one in remarks(people.report)]

        assert any(text.startswith("Release: ") and "by Ada" in text for text in said)


class TestExample:
    def test_turns_the_decision_with_the_fields_that_it_names(self, people):
        example, threshold = people.report.analysis.example, people.report.analysis.threshold

        assert (example.before >= threshold) != (example.after >= threshold)
        assert 1 <= len(example.changes) <= 3
        assert all(one.before != one.after for one in example.changes)

    def test_raises_a_value_by_a_tenth(self, prices):
        example = prices.report.analysis.example

        assert example.after >= example.goal == pytest.approx(example.before * 1.1)


def test_facts_are_json(reported):
    text = json.dumps(plain(reported.report), allow_nan=False)

    card = json.loads(text)["card"]
    assert card["version"] == reported.version.version
    assert card["purpose"]["objective"] == reported.problem.config.objective
