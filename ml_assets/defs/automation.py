"""When things happen by themselves: jobs, schedules and sensors, all of them off at first.

A person turns a schedule or a sensor on in the UI. What there is to do is found by `waiting`; here
it becomes a request, or a sentence that says why there is none.
"""

import os
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.approval import approve_job
from ml_assets.defs.asking import (
    REASON_TAG,
    SENSOR_SECONDS,
    TRIGGER_TAG,
    WHO_TAG,
    asked_before,
    busy,
)
from ml_assets.defs.claims import close_abandoned_runs
from ml_assets.defs.experiments import experiments_sensor
from ml_assets.defs.feedback_sensor import feedback_sensor
from ml_assets.defs.jobs import jobs, refresh_job, retrain_job
from ml_assets.defs.partitions import partitions_of, possible
from ml_assets.defs.predictions import predictions_sensor
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.runs import range_tags, tell_of_locations
from ml_assets.defs.tuning import tuning_job
from ml_assets.problem import Declared

if TYPE_CHECKING:
    from ml_assets.defs.waiting import Waiting


def automation(declared: Declared, *, look_seconds: int = SENSOR_SECONDS) -> dg.Definitions:
    """Jobs, schedules and sensors of a problem; these look every so many seconds."""
    all_jobs = jobs(declared)
    return dg.Definitions(
        jobs=[*all_jobs, approve_job(declared), tuning_job(declared)],
        schedules=[
            _schedule(declared, name, cron)
            for name, cron in declared.config.schedule
            if cron is not None
        ],
        sensors=[
            _source_sensor(declared, look_seconds),
            feedback_sensor(declared, all_jobs, look_seconds),
            predictions_sensor(declared, look_seconds),
            experiments_sensor(declared, look_seconds),
        ],
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
        from ml_assets.feedback import consider_retraining, facts

        problem, opened, now = declared.load(), home.open(), utc_now()
        why_not = nothing_to_learn(problem, opened, now=now)
        if why_not is not None:
            return dg.SkipReason(why_not)
        who = f"schedule {name}"
        # The training set is another one: where no row came, labels became old enough.
        known = facts(problem, opened)._replace(new_rows=True)
        decision = consider_retraining(
            problem, opened, "schedule", now=now, run_id=who, known=known
        )
        if not decision.retrain:
            return dg.SkipReason(decision.reason)
        tags = {TRIGGER_TAG: "schedule", WHO_TAG: who, REASON_TAG: decision.reason}
        return dg.RunRequest(tags=tags)

    return retraining


def _source_sensor(declared: Declared, look_seconds: int) -> dg.SensorDefinition:
    """Look at the sources, and ask for the chain over what is new or was revised."""

    @dg.sensor(
        name=f"{declared.name}_source",
        job_name=refresh_job(declared),
        minimum_interval_seconds=look_seconds,
        description="Sees new and revised source files, and partitions left behind.",
    )
    def source(
        context: dg.SensorEvaluationContext, home: HomeResource
    ) -> dg.RunRequest | dg.SkipReason:
        from ml_assets.defs.waiting import waiting
        from ml_assets.ingestion import fetch_sources

        close_abandoned_runs(context.instance, home.open().path)
        going_on = busy(context.instance, refresh_job(declared), now=utc_now())
        if going_on is not None:
            return dg.SkipReason(going_on)
        problem, opened = declared.load(), home.open()
        for each in fetch_sources(problem, opened, environment=os.environ, now=utc_now()):
            context.log.warning("%s could not be fetched: %s", each.file, each.reason)
        return _request(context.instance, declared, waiting(problem, opened))

    return source


def _request(
    instance: dg.DagsterInstance, declared: Declared, found: "Waiting"
) -> dg.RunRequest | dg.SkipReason:
    """Ask for one run over the range of what waits; a run costs more than an unchanged partition."""
    partitions = possible(declared, found.partitions)
    if not partitions:
        return dg.SkipReason(_nothing(declared, found))
    if before := asked_before(instance, found.key):
        return dg.SkipReason(before)
    order = tell_of_locations(instance, partitions_of(declared), partitions)
    tags = {TRIGGER_TAG: found.trigger, WHO_TAG: f"sensor {declared.name}_source"}
    over = range_tags(partitions, order=order)
    return dg.RunRequest(run_key=found.key, tags={**tags, **over})


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
