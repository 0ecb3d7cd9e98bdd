"""The unpartitioned half of a problem's chain: training set, model, metrics, champion.

Each step goes on with what the lake and the registry hold, however it was launched. What is made
from the same things as before is not made again, and says so.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import describe_models
from ml_assets.defs.asking import REASON_TAG, RETRAINED_TAG, TRIGGER_TAG, WHO_TAG
from ml_assets.defs.events import Said
from ml_assets.defs.feedback import brought_up
from ml_assets.defs.jobs import refresh_job
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import spec_of
from ml_assets.problem import Declared, Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.registry import ModelVersion


class Retraining(dg.Config):
    """What one run may ask of the model.

    Attributes:
        force: Fit a new model even when nothing that it is made from has changed.
    """

    force: bool = False


class Promotion(dg.Config):
    """What one run may ask of the promotion.

    Attributes:
        reason: Why a person wants this version to answer, whatever the gate says.
    """

    reason: str | None = None


def model_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """Everything of a problem that there is one of."""
    return [
        _training_set(declared),
        _model(declared),
        _metrics(declared),
        _champion(declared),
    ]


def _training_set(declared: Declared) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{declared.name}__training_set",
        specs=[spec_of(declared, "training_set")],
        pool=declared.name,
    )
    def training_set(
        context: dg.AssetExecutionContext, home: HomeResource
    ) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult[None]]:
        from ml_assets.features import build_training_set

        problem, opened = declared.load(), home.open()
        yield from brought_up(declared, opened, context)
        if not _is_time(declared, opened, context):
            return  # without an output nothing that follows is made
        made = build_training_set(problem, opened, now=utc_now(), run_id=context.run.run_id)
        yield result(made.id, describe_models.training_set(made))

    return training_set


def _is_time(declared: Declared, home: Home, context: dg.AssetExecutionContext) -> bool:
    """Whether the policy wants a model now; the reason is kept, and written on the run.

    A run from the sources goes all the way. What asked for another one is judged by the policy, but
    a schedule, which was judged when it asked.
    """
    from ml_assets.feedback import consider_retraining, trigger_named

    run = context.run
    trigger = run.tags.get(TRIGGER_TAG, "manual")
    if run.job_name == refresh_job(declared) or trigger == "schedule":
        return True
    decision = consider_retraining(
        declared.load(),
        home,
        trigger_named(trigger),
        now=utc_now(),
        run_id=run.run_id,
        why=run.tags.get(REASON_TAG),
    )
    context.log.info(decision.reason)
    said = {RETRAINED_TAG: "yes" if decision.retrain else "no", REASON_TAG: decision.reason}
    context.instance.add_run_tags(run.run_id, said)
    return decision.retrain


def _model(declared: Declared) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{declared.name}__model", specs=[spec_of(declared, "model")], pool=declared.name
    )
    def model(
        context: dg.AssetExecutionContext, home: HomeResource, config: Retraining
    ) -> dg.MaterializeResult[None]:
        from ml_assets.registry import ensure_model

        version = ensure_model(
            declared.load(),
            home.open(),
            now=utc_now(),
            run_id=context.run.run_id,
            trigger=context.run.tags.get(TRIGGER_TAG, "manual"),
            force=config.force,
        )
        return result(version.version, describe_models.model(version))

    return model


def _metrics(declared: Declared) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{declared.name}__metrics",
        specs=[spec_of(declared, "metrics")],
        pool=declared.name,
    )
    def metrics(
        context: dg.AssetExecutionContext, home: HomeResource
    ) -> dg.MaterializeResult[None]:
        from ml_assets.registry import evaluate

        problem, opened = declared.load(), home.open()
        version = newest_model(problem, opened)
        done = evaluate(problem, opened, version, now=utc_now())
        context.log.info(describe_models.kpi_sentence(problem, done))
        return result(describe_models.metrics_version(done), describe_models.metrics(done))

    return metrics


def _champion(declared: Declared) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{declared.name}__champion",
        specs=[spec_of(declared, "champion")],
        pool=declared.name,
    )
    def champion(
        context: dg.AssetExecutionContext, home: HomeResource, config: Promotion
    ) -> dg.MaterializeResult[None]:
        from ml_assets.serving.releasing import consider_release

        problem, opened = declared.load(), home.open()
        decision = consider_release(
            problem,
            opened,
            newest_model(problem, opened),
            clock=utc_now,
            who=context.run.tags.get(WHO_TAG, "dagster"),
            run_id=context.run.run_id,
            reason=config.reason,
        )
        context.log.info(decision.message)
        return result(
            describe_models.champion_version(problem, opened),
            describe_models.decision(decision),
        )

    return champion


def newest_model(problem: Problem, home: Home) -> "ModelVersion":
    """The version that was made from what is there now; without one, the newest.

    Raises:
        VersionNotFound: If the problem has no model yet.
    """
    from ml_assets.registry import present_model, version_or_newest

    return present_model(problem, home) or version_or_newest(problem, home, None)


def result(version: str, said: Said) -> dg.MaterializeResult[None]:
    """What an asset without partitions gives Dagster: its data version, and what is said of it."""
    return dg.MaterializeResult(metadata=said, data_version=dg.DataVersion(version))
