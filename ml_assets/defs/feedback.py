"""Feedback as Dagster sees it: a partition for each sealed batch, with a verdict of its own.

A batch is made by the run that asks for it. What is stale besides, because code or configuration
changed, is brought up to date by whoever learns from it: see `brought_up`.
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import describe_feedback
from ml_assets.defs.data import step_of
from ml_assets.defs.events import Made, newest_materialization
from ml_assets.defs.gate import GATE
from ml_assets.defs.metadata import table
from ml_assets.defs.partitions import batches_of
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of, spec_of
from ml_assets.problem import Declared
from ml_assets.progress import track
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.feedback import FeedbackPartition

Evaluations = Iterator[dg.AssetCheckEvaluation | dg.Output[None]]


def feedback_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """The asset."""
    return [step_of(declared, _labelled, makes=["feedback"])]


def feedback_checks(declared: Declared) -> list[dg.AssetChecksDefinition]:
    """The verdict about every batch asked for, as the store has it."""
    key = key_of(declared, "feedback")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        spec = dg.AssetCheckSpec(
            GATE,
            asset=key,
            description="Enough of the labelled answers hold the contract to learn from.",
            partitions_def=batches_of(declared.name),
        )

    @dg.multi_asset_check(name=f"{declared.name}__feedback_gate", specs=[spec])
    def gate(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Evaluations:
        from ml_assets.feedback import feedback_partitions

        known = feedback_partitions(declared.load(), home.open())
        asked = context.op_execution_context.partition_keys
        verdicts = [known[batch] for batch in asked if batch in known]
        yield from (_evaluation(declared, context.instance, each) for each in verdicts)
        refused = [each for each in verdicts if not each.admitted]
        if refused or not verdicts:
            raise _refusal(refused, asked)
        yield dg.Output(None, output_name=spec.get_python_identifier())

    return [gate]


def brought_up(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[dg.AssetMaterialization]:
    """Make the batches that are missing or stale, so that a model may be trained on all."""
    from ml_assets.feedback import materialize_pending

    problem, run_id = declared.load(), context.run.run_id
    code = spec_of(declared, "feedback").code_version or ""
    for made in materialize_pending(problem, home, run_id=run_id, now=utc_now()):
        context.log.info(made.sentence)
        if not made.admitted or made.state is None:
            continue
        register_batches(context.instance, declared, [made.batch])
        yield dg.AssetMaterialization(
            key_of(declared, "feedback"),
            partition=made.batch,
            metadata=describe_feedback.labelled(problem, home, made),
            tags={
                "dagster/data_version": made.state.content_hash,
                "dagster/data_version_is_user_provided": "true",
                "dagster/code_version": code,
            },
        )


def register_batches(
    instance: dg.DagsterInstance, declared: Declared, batches: Sequence[str]
) -> None:
    """Tell Dagster of batches; those that it knows are left as they are."""
    name = batches_of(declared.name).name
    if name is not None:
        instance.add_dynamic_partitions(name, list(batches))


def _labelled(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made | dg.AssetCheckEvaluation]:
    """Make the rows of every batch asked for."""
    from ml_assets.feedback import materialize_feedback

    problem, asked = declared.load(), context.partition_keys
    refused = []
    for batch in track(asked, "feedback"):
        made = materialize_feedback(
            problem, home, batch, run_id=context.run.run_id, now=utc_now()
        )
        context.log.info(made.sentence)
        if made.admitted and made.state is not None:
            yield Made(
                key_of(declared, "feedback"),
                batch,
                content=made.state.content_hash,
                describe=partial(describe_feedback.labelled, problem, home, made),
            )
        else:
            refused.append(made)
            yield _evaluation(declared, context.instance, made)
    if len(refused) == len(asked):
        raise _refusal(refused, asked)


def _evaluation(
    declared: Declared, instance: dg.DagsterInstance, verdict: "FeedbackPartition"
) -> dg.AssetCheckEvaluation:
    """A verdict, as a check of its partition."""
    key = key_of(declared, "feedback")
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=GATE,
        passed=verdict.admitted,
        target_materialization_data=newest_materialization(instance, key, verdict.batch),
        partition=verdict.batch,
        description=verdict.sentence,
        blocking=False,
        metadata=describe_feedback.judged(verdict),
    )


def _refusal(refused: Sequence["FeedbackPartition"], asked: Sequence[str]) -> dg.Failure:
    """What a step fails with when batches were refused; trying again is no use."""
    names = ", ".join(each.batch for each in refused)
    what = (
        f"The gate refused {names}." if refused else f"None of {', '.join(asked)} was judged."
    )
    rows = ((each.batch, " ".join(each.reasons)) for each in refused)
    return dg.Failure(
        description=f"{what} {' '.join(reason for each in refused for reason in each.reasons)}",
        metadata={"refused": table(["batch", "why"], rows)},
        allow_retries=False,
    )
