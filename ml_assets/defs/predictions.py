"""Answers of the champion to whole partitions, and the sensor that asks for them."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import describe_feedback
from ml_assets.defs.asking import WHO_TAG, asked_before
from ml_assets.defs.data import held
from ml_assets.defs.events import Event, Made, materialized
from ml_assets.defs.jobs import predict_job
from ml_assets.defs.partitions import possible
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of, spec_of
from ml_assets.problem import Declared
from ml_assets.progress import track
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.feedback import PredictedPartition

FEW = 5
MOST_RUNS = 20
"""Asked for by one tick; the others wait for the next."""


class Scoring(dg.Config):
    """What one run may ask of predictions.

    Attributes:
        anew: Answer again what another version has answered; else answers stay as they are.
    """

    anew: bool = False


def predictions_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """The asset."""

    @dg.multi_asset(
        name=f"{declared.name}__predictions",
        specs=[spec_of(declared, "predictions")],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=declared.name,
    )
    def predictions(
        context: dg.AssetExecutionContext, home: HomeResource, config: Scoring
    ) -> Iterator[Event]:
        made = _answered(declared, home.open(), context, anew=config.anew)
        yield from materialized(context, made)

    return [predictions]


def predictions_sensor(declared: Declared, look_seconds: int) -> dg.SensorDefinition:
    """Ask for answers to the partitions that the champion has not learned from."""

    @dg.sensor(
        name=f"{declared.name}_predictions",
        job_name=predict_job(declared),
        minimum_interval_seconds=look_seconds,
        description="Sees validated partitions that are new to the champion, to be answered.",
    )
    def predictions(
        context: dg.SensorEvaluationContext, home: HomeResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        from ml_assets.feedback import unanswered_partitions
        from ml_assets.registry import champion

        problem, opened = declared.load(), home.open()
        answering = champion(problem, opened)
        if answering is None:
            return dg.SkipReason(f"{problem.name} has no champion that could answer yet.")
        found = unanswered_partitions(problem, opened, answering)
        requests = list(_requests(context.instance, declared, found))
        if not requests:
            return dg.SkipReason(_nothing(declared, found))
        return requests[:MOST_RUNS]

    return predictions


def _nothing(declared: Declared, found: dict[str, str]) -> str:
    if not found:
        return f"Every partition of {declared.name} that is new to the champion is answered."
    names = ", ".join(sorted(found)[:FEW])
    return (
        f"A run was asked for before for each partition that waits: {names}. See how it ended."
    )


def _requests(
    instance: dg.DagsterInstance, declared: Declared, found: dict[str, str]
) -> Iterator[dg.RunRequest]:
    for partition in possible(declared, sorted(found)):
        run_key = f"{declared.name} answers {partition} {found[partition]}"
        if asked_before(instance, run_key) is None:
            tags = {WHO_TAG: f"sensor {declared.name}_predictions"}
            yield dg.RunRequest(run_key=run_key, partition_key=partition, tags=tags)


def _answered(
    declared: Declared, home: Home, context: dg.AssetExecutionContext, *, anew: bool
) -> Iterator[Made]:
    """Let the champion answer every partition of those asked for that `validated` holds."""
    from ml_assets.feedback import predict_partition
    from ml_assets.inference import load_predictor

    problem, run_id = declared.load(), context.run.run_id
    asked = held(declared, home, context, "validated")
    predictor = load_predictor(problem, home)
    for partition in track(asked, "predictions"):
        done = predict_partition(
            problem, home, predictor, partition, run_id=run_id, now=utc_now(), anew=anew
        )
        yield _made(declared, home, done, champion=predictor.version)


def _made(declared: Declared, home: Home, done: "PredictedPartition", *, champion: str) -> Made:
    """A partition of `predictions`, made from its rows and by the version that answered."""
    rows = home.lake.partitions(f"{declared.name}/validated")[done.partition]
    return Made(
        key_of(declared, "predictions"),
        done.partition,
        content=done.state.content_hash,
        describe=partial(describe_feedback.predicted, done, champion=champion),
        parents={
            key_of(declared, "validated"): rows.content_hash,
            key_of(declared, "champion"): done.model_version,
        },
    )
