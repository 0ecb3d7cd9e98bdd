from typing import get_args

import pytest

from ml_assets.problem.config import Need
from ml_assets.registry import last_decision
from ml_assets.registry.gate import Finding
from ml_assets.registry.policy import CHECKS, held_to

POOR = ["noise", "state"]


def needing(world, *needs):
    return world.with_config("promotion", needs=list(needs))


def test_releases_nothing_while_a_check_that_it_needs_was_not_run(world):
    world = needing(world, "floor", "skew")

    decision = world.consider(world.fit())

    assert decision.outcome == "refused"
    assert "nobody looked at skew, which promotion.needs asks for" in decision.message
    assert world.champion() is None


def test_releases_once_that_check_was_run(world):
    world = needing(world, "floor", "skew")

    def serves_the_same(*_):
        return Finding("serves as it learned", passed=True, text="2,000 rows are alike")

    assert world.consider(world.fit(), checks=[serves_the_same]).outcome == "promoted"


def test_records_what_failed_although_the_policy_does_not_need_it(world):
    good, poor = world.fit(), world.fit(POOR)
    world.consider(good)
    lenient = needing(world, "answers")

    decision = lenient.consider(poor, days=2)

    recorded = last_decision(lenient.problem, lenient.home, poor).evidence["findings"]
    failed = {one["check"]: one["needed"] for one in recorded if not one["passed"]}
    assert decision.outcome == "promoted"
    assert failed["beats the champion"] is False


def test_forces_no_release_of_a_bundle_that_cannot_be_loaded_whatever_the_policy(world):
    world = needing(world)
    lost = world.fit()
    world.home.artifacts.delete(lost.artifact)

    assert world.consider(lost, reason="now!").outcome == "refused"


def test_misses_nothing_about_a_champion_where_there_is_none(world):
    decision = needing(world, "champion", "slices").consider(world.fit())

    assert decision.outcome == "promoted"


@pytest.mark.parametrize("need", get_args(Need))
def test_knows_for_each_need_which_findings_are_about_it(need, world):
    config = needing(world, need).problem.config

    missing = held_to(config, (), is_first=False)
    there = [
        held_to(config, (Finding(name, passed=True, text=""),), is_first=False)
        for name in CHECKS[need]
    ]

    assert [one.check for one in missing if one.blocks] == [need]
    assert not [one for found in there for one in found if one.blocks]


def test_finds_in_a_real_release_what_the_names_of_the_policy_say(world):
    world.consider(world.fit(["state"]), reason="to begin with")

    found = {one.check for one in world.consider(world.fit(), days=2).findings}

    judged = {need: CHECKS[need] & found for need in get_args(Need) if need != "skew"}
    assert all(judged.values()), judged
