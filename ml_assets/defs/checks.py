"""Checks: what a person, and an alert, should know about assets that are there.

None of them keeps anything from being written; the rooms did that. A partition that the gate
refused fails its own check, and with it the run, after the good partitions went all the way.
"""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.describe import unreadable
from ml_assets.defs.events import newest_materialization
from ml_assets.defs.gate import GATE, evaluations, refusal
from ml_assets.defs.partitions import partitions_of
from ml_assets.defs.resources import HomeResource
from ml_assets.defs.specs import key_of
from ml_assets.problem import Declared

if TYPE_CHECKING:
    from ml_assets.validation import Admission

COMPLETE = "complete"
READABLE = "readable"

Evaluations = Iterator[dg.AssetCheckEvaluation | dg.Output[None]]


def data_checks(declared: Declared) -> list[dg.AssetChecksDefinition]:
    """All of them."""
    return [_readable(declared), _gate(declared), _complete(declared)]


def _readable(declared: Declared) -> dg.AssetChecksDefinition:
    """Every source file could be read; fails the run otherwise, so that somebody hears of it."""

    @dg.asset_check(
        asset=key_of(declared, "raw"),
        name=READABLE,
        description="Every file of the sources could be read, and its rows placed in time.",
    )
    def readable(home: HomeResource) -> dg.AssetCheckResult:
        from ml_assets.ingestion.pending import refused_files

        refused = refused_files(declared.load(), home.open())
        if refused:
            raise unreadable(refused)
        return dg.AssetCheckResult(passed=True)

    return readable


def _gate(declared: Declared) -> dg.AssetChecksDefinition:
    """The verdict about every partition asked for, as the store has it."""
    key = key_of(declared, "validated")
    text = "The partition holds its contract, and is like the ones admitted before it."
    spec = _spec(declared, "validated", GATE, text)

    @dg.multi_asset_check(name=f"{declared.name}__gate", specs=[spec])
    def gate(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Evaluations:
        verdicts = _verdicts(declared, home, context)
        yield from evaluations(context.instance, key, verdicts)
        if refused := [each for each in verdicts if not each.admitted]:
            raise refusal(refused, what=f"The gate refused {_named(refused)}.")
        yield dg.Output(None, output_name=spec.get_python_identifier())

    return gate


def _complete(declared: Declared) -> dg.AssetChecksDefinition:
    """Every partition asked for has features; fails a run that could not make them all."""
    key = key_of(declared, "features")
    text = "Features are there, so the gate did not keep the partition back."
    spec = _spec(declared, "features", COMPLETE, text)

    @dg.multi_asset_check(name=f"{declared.name}__complete", specs=[spec])
    def complete(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Evaluations:
        there = home.open().lake.partitions(f"{declared.name}/features")
        verdicts = _verdicts(declared, home, context)
        for each in verdicts:
            target = newest_materialization(context.instance, key, each.partition)
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=COMPLETE,
                passed=each.partition in there,
                partition=each.partition,
                description=each.sentence,
                blocking=False,
                target_materialization_data=target,
            )
        if absent := [each for each in verdicts if each.partition not in there]:
            raise refusal(absent, what=f"There are no features of {_named(absent)}.")
        yield dg.Output(None, output_name=spec.get_python_identifier())

    return complete


def _spec(declared: Declared, noun: str, name: str, text: str) -> dg.AssetCheckSpec:
    """A check with a state for every partition."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name,
            asset=key_of(declared, noun),
            description=text,
            partitions_def=partitions_of(declared),
        )


def _verdicts(
    declared: Declared, home: HomeResource, context: dg.AssetCheckExecutionContext
) -> list["Admission"]:
    """The last verdicts about the partitions asked for.

    Raises:
        dg.Failure: If none of them was judged; a gate that ran no check is a failed gate.
    """
    from ml_assets.validation import admissions

    asked = context.op_execution_context.partition_keys
    known = admissions(declared.load(), home.open())
    found = [known[partition] for partition in asked if partition in known]
    if not found:
        raise refusal([], what=f"The gate has judged none of {', '.join(asked)}.")
    return found


def _named(verdicts: list["Admission"]) -> str:
    return ", ".join(each.partition for each in verdicts)
