"""How runs are asked for: what is written on them, and how a sensor sees what it asked before."""

import datetime as dt

import dagster as dg

TRIGGER_TAG = "ml_assets/trigger"
WHO_TAG = "ml_assets/who"
RETRAINED_TAG = "ml_assets/retrained"
REASON_TAG = "ml_assets/reason"
"""Why a model was trained again, or was not, in a sentence."""

RUN_KEY_TAG = "dagster/run_key"
WILL_RETRY_TAG = "dagster/will_retry"
RETRIED_TAG = "dagster/auto_retry_run_id"
RETRIED_WITHIN = dt.timedelta(hours=1)
"""Dagster starts a lost run again within a minute; a retry that has not come by then never will."""

SENSOR_SECONDS = 30
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def busy(instance: dg.DagsterInstance, *jobs: str, now: dt.datetime) -> str | None:
    """Why nothing is asked for while one of the jobs is being worked on, or is to be again."""
    for job in jobs:
        going_on = dg.RunsFilter(job_name=job, statuses=UNFINISHED)
        for run in instance.get_runs(going_on, limit=1):
            return f"Run {run.run_id[:8]} is not finished yet."
        lost = dg.RunsFilter(
            job_name=job,
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags={WILL_RETRY_TAG: "true"},
            updated_after=now - RETRIED_WITHIN,
        )
        for run in instance.get_runs(lost):
            if RETRIED_TAG not in run.tags:
                return f"Run {run.run_id[:8]} was lost, and is about to be started again."
    return None


def asked_before(instance: dg.DagsterInstance, run_key: str) -> str | None:
    """Why a run is not asked for a second time; Dagster would drop the request in silence."""
    for run in instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1):
        asked = f"Run {run.run_id[:8]} was asked to do the same"
        if not run.is_finished:
            return f"{asked} and is not finished yet."
        if run.is_success:
            return f"{asked} and did."
        return f"{asked} and ended as {run.status.value}. Correct what it says and execute it again."
    return None
