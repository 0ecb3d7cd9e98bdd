"""Checks of the model: is it any good, and does it answer? They warn, and stop nothing."""

import math
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.models import newest_model
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of
from ml_assets.problem import Declared

if TYPE_CHECKING:
    from ml_assets.registry import Evaluation


def model_checks(declared: Declared) -> list[dg.AssetChecksDefinition]:
    """All of them."""
    return [_floor(declared), _baseline(declared), _promoted(declared)]


def _floor(declared: Declared) -> dg.AssetChecksDefinition:
    kpi = declared.config.kpi

    @dg.asset_check(
        asset=key_of(declared, "metrics"),
        name="keeps_the_floor",
        description=f"{kpi.metric} is on the right side of {kpi.floor:g}.",
    )
    def floor(home: HomeResource) -> dg.AssetCheckResult:
        return _against(_evaluation(declared, home), declared, kpi.floor, whose="floor")

    return floor


def _baseline(declared: Declared) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key_of(declared, "metrics"),
        name="beats_the_baseline",
        description="The model is better than the trivial one; promotion asks for an interval.",
    )
    def baseline(home: HomeResource) -> dg.AssetCheckResult:
        done = _evaluation(declared, home)
        trivial = done.metrics["baseline"][declared.config.kpi.metric]
        return _against(done, declared, trivial, whose="baseline")

    return baseline


def _promoted(declared: Declared) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key_of(declared, "champion"),
        name="newest_model_answers",
        description="The newest model is champion; where it is not, the last decision says why.",
    )
    def promoted(home: HomeResource) -> dg.AssetCheckResult:
        from ml_assets.registry import champion, last_decision

        problem, opened = declared.load(), home.open()
        newest, answering = newest_model(problem, opened), champion(problem, opened)
        decided = last_decision(problem, opened, newest)
        return dg.AssetCheckResult(
            passed=answering is not None and answering.artifact == newest.artifact,
            severity=dg.AssetCheckSeverity.WARN,
            description=decided.message if decided else "It was not considered yet.",
            metadata={
                "newest": newest.version,
                "champion": answering.version if answering else "nobody",
            },
        )

    return promoted


def _evaluation(declared: Declared, home: HomeResource) -> "Evaluation":
    """What was measured about the newest model; measured now if it was not."""
    from ml_assets.registry import evaluate, newest_evaluation

    problem, opened = declared.load(), home.open()
    version = newest_model(problem, opened)
    known = newest_evaluation(problem, opened, version)
    return known or evaluate(problem, opened, version, now=utc_now())


def _against(
    done: "Evaluation", declared: Declared, other: float, *, whose: str
) -> dg.AssetCheckResult:
    """Compare the KPI on test rows with another number, in the direction that is better."""
    kpi = declared.config.kpi
    own = done.metrics["test"][kpi.metric]
    better = own > other if kpi.direction == "higher" else own < other
    return dg.AssetCheckResult(
        passed=better,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{kpi.metric} {own:.4f}, {whose} {other:.4f}, on {done.rows:,} test rows.",
        metadata={
            name: one for name, one in ((kpi.metric, own), (whose, other)) if math.isfinite(one)
        },
    )
