"""Problems of each kind with models in a home, to report on; one has text that breaks pages."""

import datetime as dt
from dataclasses import replace

import flats
import hiring
import loans

from ml_assets.analysis import analyse
from ml_assets.registry import consider_promotion, ensure_model
from ml_assets.reporting import report_of

HOSTILE = """<script>window.broken = 1</script>"><img src=x onerror="broken()"> {{7*7}}"""
NEEDS = ["answers", "floor", "baseline"]

PEOPLE = hiring.people(
    of=hiring.features,
    objective=f"Lend to those who repay. {HOSTILE}",
    protected=["gender"],
    proxies=["first_name", "zip_code", "district"],
    slices={"columns": ["purpose", "amount_usd"], "min_rows": 30},
    threshold={"cost_false_positive": 1, "cost_false_negative": 5},
    promotion={"resamples": 100, "needs": NEEDS},
)
VALUES = loans.with_config(
    loans.REPAYMENTS,
    training={"estimators": {"ridge": {"kind": "ridge"}}},
    promotion={"resamples": 100, "needs": NEEDS},
)
FLATS = loans.with_config(flats.FLATS, promotion={"resamples": 100, "needs": NEEDS})


def people_rows(rows, rng, **how):
    """People, some of whom borrow for a purpose that somebody wrote to break pages."""
    drawn = hiring.draw_people(rows, rng, **how)
    return drawn.assign(purpose=drawn["purpose"].where(drawn["purpose"] != "car", HOSTILE))


class Reported:
    """A problem with models, the newest of which is reported on."""

    def __init__(self, problem, home, *histories, module=loans):
        self.problem, self.home = problem, home
        for place, rows in enumerate(histories):
            self.now = module.NOW + dt.timedelta(days=place)
            module.learned_from(problem, home, rows, now=self.now)
            self.version = ensure_model(problem, home, now=self.now, run_id=f"run-{place}")
            analyse(problem, home, self.version, now=self.now)
            consider_promotion(
                problem, home, self.version, now=self.now, who="Ada", run_id="run"
            )
            self.report = report_of(problem, home, self.version, now=self.now)


def unmeasured(report):
    """The same report, had nothing of what can be missing been measured."""
    analysis = report.analysis
    nothing = {"low": None, "high": None, "train": None, "baseline": None, "champion": None}
    bare = replace(
        analysis,
        metrics=tuple(replace(one, value=None, **nothing) for one in analysis.metrics),
        kpi=replace(analysis.kpi, value=None, keeps_floor=False),
        curves=None,
        closeness=None,
        confusion=None,
        threshold_choice=None,
        slices=replace(analysis.slices, slices=(), overall=None),
        fairness=(),
        limits_broken=(),
        protection=None,
        learning_curve=(),
        example=None,
        importance=replace(
            analysis.importance, features=(), contributions=None, why_not_exact="no reason"
        ),
    )
    return replace(
        report,
        analysis=bare,
        challenge=None,
        decisions=(),
        judged=None,
        findings=(),
        releases=(),
        timeline=tuple(
            one._replace(kpi=None, low=None, high=None, answered=()) for one in report.timeline
        ),
    )
