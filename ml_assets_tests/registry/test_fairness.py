import pytest

from ml_assets.errors import ProblemError
from ml_assets.problem.config import GroupLimits
from ml_assets.registry.fairness import audit
from ml_assets.registry.measuring import answers_on_test
from ml_assets.registry.versions import load_bundle


def limited(world, *, min_rows=50, unjudged="refuse", **limits):
    """The world with limits on how states may differ."""
    groups = {"state": GroupLimits(**limits)}
    needs = [*world.problem.config.promotion.needs, "fairness"]
    return world.with_config("promotion", needs=needs).with_config(
        "fairness", groups=groups, min_rows=min_rows, unjudged=unjudged
    )


def finding(decision):
    return next(one for one in decision.findings if one.check == "treats groups alike")


def test_keep_the_best_model_back_when_it_treats_groups_unalike(world):
    world = limited(world, demographic_parity=0.02)
    poor, good = world.fit(["state"]), world.fit()
    world.consider(poor, reason="to begin with")

    decision = world.consider(good)

    assert decision.outcome == "refused"
    assert [one.check for one in decision.findings if one.blocks] == ["treats groups alike"]
    assert "state: demographic_parity differs by" in decision.message
    assert "at most 0.02 is allowed" in decision.message
    assert world.champion().version == poor.version


def test_let_a_model_pass_within_its_limits(world):
    world = limited(world, demographic_parity=0.9, equalized_odds=0.9, calibration=0.5)

    decision = world.consider(world.fit())

    assert decision.outcome == "promoted"
    assert "within limits" in finding(decision).text


def test_are_no_pass_where_nothing_could_be_judged(world):
    world = limited(world, min_rows=100_000, demographic_parity=0.9)

    decision = world.consider(world.fit())

    assert decision.outcome == "refused"
    assert (
        "demographic_parity not judged, 0 of 3 groups have the 100,000 rows" in decision.message
    )


def test_only_warn_of_that_where_the_policy_says_so(world):
    world = limited(world, min_rows=100_000, unjudged="warn", demographic_parity=0.9)

    decision = world.consider(world.fit())

    assert decision.outcome == "promoted"
    assert "not judged" in finding(decision).text


def test_say_so_where_none_are_declared(world):
    decision = world.consider(world.fit())

    assert finding(decision).passed
    assert "no limits are declared" in finding(decision).text


def test_of_no_column_are_an_error(world):
    world = world.with_config("fairness", groups={"gender": GroupLimits(calibration=0.1)})
    version = world.fit()
    answers = answers_on_test(
        world.problem, world.home, load_bundle(world.problem, world.home, version)
    )

    with pytest.raises(
        ProblemError, match=r"fairness\.groups names gender, which is no column"
    ):
        audit(world.problem, world.home, answers, threshold=0.5)
