"""The gate's verdicts, as Dagster shows them: one evaluation per partition."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.events import Target, newest_materialization
from ml_assets.defs.metadata import ends, table

if TYPE_CHECKING:
    from ml_assets.validation import Admission

GATE = "gate"


def evaluations(
    instance: dg.DagsterInstance, key: dg.AssetKey, verdicts: Iterable["Admission"]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Show every verdict as a check of `validated`; the refused come last, where they are seen."""
    for each in sorted(verdicts, key=lambda verdict: (not verdict.admitted, verdict.partition)):
        yield _evaluation(
            key, each, target=newest_materialization(instance, key, each.partition)
        )


def _evaluation(
    key: dg.AssetKey,
    verdict: "Admission",
    *,
    target: Target | None,
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=GATE,
        passed=verdict.admitted,
        target_materialization_data=target,
        partition=verdict.partition,
        description=verdict.sentence,
        blocking=False,
        metadata={
            "rows": dg.MetadataValue.int(verdict.rows_in),
            "rows_valid": dg.MetadataValue.int(verdict.rows_valid),
            "rows_quarantined": dg.MetadataValue.int(verdict.rows_quarantined),
            "quarantine_rate": dg.MetadataValue.float(verdict.quarantine_rate),
            "rules": dg.MetadataValue.int(verdict.rules),
            "failure_cases": failure_cases(verdict),
            "findings": findings_table(verdict),
            "reference": dg.MetadataValue.text(ends(verdict.reference)),
            "decided_at": dg.MetadataValue.timestamp(verdict.at),
        },
    )


def failure_cases(verdict: "Admission") -> dg.TableMetadataValue:
    """The rules that rows broke, and what some of those rows say."""
    rows = ((each.rule, each.rows, " · ".join(each.examples)) for each in verdict.broken)
    return table(["rule", "rows", "examples"], rows)


def findings_table(verdict: "Admission") -> dg.TableMetadataValue:
    """The statistics beyond their limits, the largest first."""
    rows = (
        (
            each.statistic,
            each.column,
            round(each.observed, 4),
            round(each.reference, 4),
            each.limit,
            each.action,
            each.text,
        )
        for each in verdict.findings
    )
    names = ["statistic", "column", "observed", "reference", "limit", "action", "text"]
    return table(names, rows)


def refusal(verdicts: Sequence["Admission"], *, what: str) -> dg.Failure:
    """What a step fails with when the gate refused partitions; trying again is no use."""
    rows = ((each.partition, " ".join(each.reasons)) for each in verdicts)
    return dg.Failure(
        description=f"{what} Correct the source and run again: only these partitions and what "
        "follows from them are made anew.",
        metadata={"refused": table(["partition", "why"], rows)},
        allow_retries=False,
    )
