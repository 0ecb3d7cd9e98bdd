"""Seals what has passed its label delay, and asks for a run for each new or revised batch.

A run is asked for by the name of the batch, its revision and the hash of all that its rows follow
from, so that each is made once: also when a tick is cut short, or a label is corrected and then
corrected back. When nothing is new, the policy may still want a model: labels have waited for
`min_days_between` to pass, the run that was to learn from them was lost, or the code changed.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from ml_assets.defs.asking import (
    REASON_TAG,
    TRIGGER_TAG,
    WHO_TAG,
    asked_before,
    busy,
)
from ml_assets.defs.claims import close_abandoned_runs
from ml_assets.defs.jobs import feedback_job, refresh_job, retrain_job
from ml_assets.defs.partitions import batches_of
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.problem import Declared, Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.feedback import Batch

Asked = dg.RunRequest | str
"""A request, or why there is none."""


def feedback_sensor(
    declared: Declared, jobs: Sequence[UnresolvedAssetJobDefinition], look_seconds: int
) -> dg.SensorDefinition:
    """The sensor of a problem, which starts some of its jobs."""
    started = {feedback_job(declared), retrain_job(declared)}

    @dg.sensor(
        name=f"{declared.name}_feedback",
        jobs=[job for job in jobs if job.name in started],
        minimum_interval_seconds=look_seconds,
        description="Seals feedback whose label delay has passed, and retrains by the policy.",
    )
    def feedback(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
        from ml_assets.feedback import seal, sealed_batches

        problem, opened = declared.load(), home.open()
        close_abandoned_runs(context.instance, opened.path)
        sealing = seal(problem, opened, now=utc_now())
        _compact(context.instance, declared, opened)
        batches = {each.batch: each for each in sealed_batches(problem, opened)}
        asked = list(_asked(context.instance, declared, opened, batches))
        requests = [each for each in asked if isinstance(each, dg.RunRequest)]
        reasons = [sealing.reason, *(each for each in asked if isinstance(each, str))]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else " ".join(reasons),
            dynamic_partitions_requests=_registered(context.instance, declared, list(batches)),
        )

    return feedback


def _compact(instance: dg.DagsterInstance, declared: Declared, home: Home) -> None:
    """Join the older half of too many batches; not while a run may be working on one of them."""
    from ml_assets.feedback import compact, sealed_batches

    problem, most = declared.load(), declared.config.feedback.most_batches
    if len(sealed_batches(problem, home)) <= most:
        return
    if busy(instance, feedback_job(declared), retrain_job(declared), now=utc_now()) is None:
        compact(problem, home, keep=most // 2, now=utc_now())


def _asked(
    instance: dg.DagsterInstance, declared: Declared, home: Home, batches: "dict[str, Batch]"
) -> Iterator[Asked]:
    """A run for each batch that waits; when there is none, what the policy wants."""
    from ml_assets.feedback import pending_batches

    problem = declared.load()
    pending = pending_batches(problem, home)
    fresh = _fresh(problem, home, batches, pending)
    for batch, run_key in fresh.items():
        yield asked_before(instance, run_key) or dg.RunRequest(
            run_key=run_key,
            job_name=feedback_job(declared),
            partition_key=batch,
            tags=_tags(declared, "feedback"),
        )
    if not fresh:
        yield _by_policy(instance, declared, home, outdated=len(pending))


def _fresh(
    problem: Problem, home: Home, batches: "dict[str, Batch]", pending: dict[str, str]
) -> dict[str, str]:
    """Batches whose labels nobody has judged as they are now, each with the key of its run."""
    from ml_assets.feedback import feedback_partitions

    judged = {name: each.revision for name, each in feedback_partitions(problem, home).items()}
    return {
        name: f"{problem.name} {name}.{batches[name].revision} {made_from}"
        for name, made_from in pending.items()
        if judged.get(name) != batches[name].revision
    }


def _by_policy(
    instance: dg.DagsterInstance, declared: Declared, home: Home, *, outdated: int
) -> Asked:
    """A retraining, if the policy wants one now.

    Args:
        instance: Where runs are.
        declared: Whose policy.
        home: Where feedback and models are.
        outdated: Batches whose rows other code has made; a retraining makes them anew.
    """
    from ml_assets.feedback import decide, facts
    from ml_assets.registry import versions

    names = (name(declared) for name in (refresh_job, feedback_job, retrain_job))
    going_on = busy(instance, *names, now=utc_now())
    problem = declared.load()
    if going_on or not versions(problem, home):
        return (
            going_on or f"{problem.name} has no model yet: run {refresh_job(declared)} first."
        )
    known, policy = facts(problem, home), problem.config.retraining
    by_labels = decide(policy, known, "feedback", now=utc_now())
    by_code = decide(policy, known, "code", now=utc_now())
    if by_code.retrain and (first := _waits_for_features(problem, home, declared)):
        return first
    if not by_labels.retrain and not by_code.retrain:
        return f"{by_labels.reason} {by_code.reason}"
    decision = by_labels if by_labels.retrain else by_code
    run_key = _run_key(problem, home, trigger=decision.trigger, outdated=outdated)
    return asked_before(instance, run_key) or dg.RunRequest(
        run_key=run_key,
        job_name=retrain_job(declared),
        tags={**_tags(declared, decision.trigger), REASON_TAG: decision.reason},
    )


def _run_key(problem: Problem, home: Home, *, trigger: str, outdated: int) -> str:
    """Changes with everything that a retraining would learn from."""
    from ml_assets.feedback.materialize import feedback_recipe
    from ml_assets.fingerprint import fingerprint
    from ml_assets.registry import versions
    from ml_assets.training import training_code_hash

    training = problem.config.training.model_dump(mode="json")
    return fingerprint(
        problem=problem.name,
        trigger=trigger,
        newest=versions(problem, home)[-1].version,
        tables=[
            home.lake.version(f"{problem.name}/{noun}") for noun in ("features", "feedback")
        ],
        outdated=outdated,
        code=[feedback_recipe(problem), training_code_hash()],
        training=training,
    )


def _waits_for_features(problem: Problem, home: Home, declared: Declared) -> str | None:
    """Why a change of code is not learned from yet: the features of today's code come first."""
    from ml_assets.defs.waiting import waiting

    partitions = waiting(problem, home).partitions
    if not partitions:
        return None
    return (
        f"Code, configuration or libraries changed, and {len(partitions):,} partitions wait to be "
        f"made by them: run {refresh_job(declared)}, or turn on the sensor {declared.name}_source."
    )


def _registered(
    instance: dg.DagsterInstance, declared: Declared, batches: list[str]
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """Let Dagster know of every batch that there is, and of no other."""
    definition = batches_of(declared.name)
    known = set(instance.get_dynamic_partitions(f"{declared.name}_feedback"))
    new, gone = [each for each in batches if each not in known], sorted(known - set(batches))
    return [
        *([definition.build_add_request(new)] if new else []),
        *([definition.build_delete_request(gone)] if gone else []),
    ]


def _tags(declared: Declared, trigger: str) -> dict[str, str]:
    return {TRIGGER_TAG: trigger, WHO_TAG: f"sensor {declared.name}_feedback"}
