"""When things happen by themselves: jobs, schedules and a sensor, all of them off at first.

A person turns a schedule or a sensor on in the UI. What there is to do is found by `waiting`; here
it becomes a request, or a sentence that says why there is none.
"""

from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.claims import close_abandoned_runs
from ml_assets.defs.models import TRIGGER_TAG, WHO_TAG
from ml_assets.defs.partitions import partitions_of
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.runs import range_tags
from ml_assets.defs.specs import WHOLE, key_of
from ml_assets.problem import Declared

if TYPE_CHECKING:
    from ml_assets.defs.waiting import Waiting

SENSOR_SECONDS = 30
RUN_KEY_TAG = "dagster/run_key"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def refresh_job(declared: Declared) -> str:
    """Name of the job that takes a range of partitions through the whole chain."""
    return f"{declared.name}_refresh"


def retrain_job(declared: Declared) -> str:
    """Name of the job that goes from the features to the champion."""
    return f"{declared.name}_retrain"


def automation(declared: Declared) -> dg.Definitions:
    """Jobs, schedules and the sensor of a problem."""
    whole = [key_of(declared, noun) for noun in WHOLE]
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                refresh_job(declared),
                selection=dg.AssetSelection.groups(declared.name),
                description="From the sources to the champion, for the partitions asked for.",
            ),
            dg.define_asset_job(
                retrain_job(declared),
                selection=dg.AssetSelection.assets(*whole),
                description="From the features that there are to the champion.",
            ),
        ],
        schedules=[
            _schedule(declared, name, cron)
            for name, cron in declared.config.schedule
            if cron is not None
        ],
        sensors=[_source_sensor(declared)],
    )


def _schedule(declared: Declared, name: str, cron: str) -> dg.ScheduleDefinition:
    """Consider a retraining at a fixed time, even though nothing new was seen."""

    @dg.schedule(
        cron,
        name=f"{declared.name}_{name}",
        job_name=retrain_job(declared),
        execution_timezone="UTC",
        description="Trains a new model when there is anything new to learn from.",
    )
    def retraining(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
        from ml_assets.defs.waiting import nothing_to_learn

        why_not = nothing_to_learn(declared.load(), home.open(), now=utc_now())
        if why_not is not None:
            return dg.SkipReason(why_not)
        return dg.RunRequest(tags={TRIGGER_TAG: "schedule", WHO_TAG: f"schedule {name}"})

    return retraining


def _source_sensor(declared: Declared) -> dg.SensorDefinition:
    """Look at the sources, and ask for the chain over what is new or was revised."""

    @dg.sensor(
        name=f"{declared.name}_source",
        job_name=refresh_job(declared),
        minimum_interval_seconds=SENSOR_SECONDS,
        description="Sees new and revised source files, and partitions left behind.",
    )
    def source(
        context: dg.SensorEvaluationContext, home: HomeResource
    ) -> dg.RunRequest | dg.SkipReason:
        from ml_assets.defs.waiting import waiting

        close_abandoned_runs(context.instance, home.open().path)
        busy = _busy(context.instance, declared)
        if busy is not None:
            return dg.SkipReason(busy)
        return _request(context.instance, declared, waiting(declared.load(), home.open()))

    return source


def _busy(instance: dg.DagsterInstance, declared: Declared) -> str | None:
    """Why nothing is asked for while the last request is being worked on."""
    going_on = instance.get_runs(
        dg.RunsFilter(job_name=refresh_job(declared), statuses=UNFINISHED), limit=1
    )
    return f"Run {going_on[0].run_id[:8]} is not finished yet." if going_on else None


def _request(
    instance: dg.DagsterInstance, declared: Declared, found: "Waiting"
) -> dg.RunRequest | dg.SkipReason:
    """Ask for one run over the range of what waits; a run costs more than an unchanged partition."""
    possible = set(partitions_of(declared.config.partitions).get_partition_keys())
    partitions = [each for each in found.partitions if each in possible]
    if not partitions:
        return dg.SkipReason(_nothing(declared, found))
    asked = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: found.key}), limit=1)
    if asked:
        return dg.SkipReason(
            f"Run {asked[0].run_id[:8]} was asked to do the same and ended as "
            f"{asked[0].status.value}. Correct what it says and execute it again."
        )
    tags = {TRIGGER_TAG: found.trigger, WHO_TAG: f"sensor {declared.name}_source"}
    return dg.RunRequest(run_key=found.key, tags={**tags, **range_tags(partitions)})


def _nothing(declared: Declared, found: "Waiting") -> str:
    """Why nothing is asked for; what only a person can do is said, too."""
    refused = "".join(f" {each.file} was refused: {each.reason}" for each in found.refused)
    outside = (
        f" Rows of {', '.join(found.partitions)} lie outside the partitions from "
        f"{declared.config.partitions.start} to today."
        if found.partitions
        else ""
    )
    return f"Nothing of {declared.name} is new or was revised.{outside}{refused}"
