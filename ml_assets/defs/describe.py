"""What a person sees beside each asset: facts of the rooms, as Dagster's metadata."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.defs.gate import failure_cases, findings_table, refusal
from ml_assets.problem import Declared, Problem
from ml_assets.storage import Home, PartitionState

if TYPE_CHECKING:
    from ml_assets.features import FeaturePartition
    from ml_assets.ingestion import Ingested, IngestedPartition, Joined, RefusedFile
    from ml_assets.validation import Admission, Profile
    from ml_assets.validation.column_profile import ColumnProfile


def ingestion_sentence(done: "Ingested") -> str:
    """An ingestion in one line of the log."""
    changed = sum(each.changed for each in done.partitions)
    refused = "".join(f" Refused {each.file}: {each.reason}" for each in done.refused_files)
    return (
        f"{len(done.files)} files read, {changed} of {len(done.partitions)} partitions changed, "
        f"{done.unplaced_rows:,} rows without a readable event time.{refused}"
    )


def ingested(each: "IngestedPartition") -> Said:
    """A partition of `raw`."""
    return metadata.of_state(
        each.state,
        superseded_rows=dg.MetadataValue.int(each.superseded),
        files=dg.MetadataValue.text(", ".join(each.files)),
    )


def moved(state: PartitionState) -> Said:
    """A partition of `raw` that lost a row to another one."""
    why = "A newer version of one of its rows belongs to another partition."
    return metadata.of_state(state, changed=dg.MetadataValue.text(why))


def nothing_ingested(done: "Ingested") -> dg.Failure:
    """Why a run that was to ingest has nothing to go on with."""
    return dg.Failure(
        description=f"No source has rows of {metadata.ends(done.missing)}.",
        metadata={"refused_files": metadata.table(["file", "reason"], done.refused_files)},
        allow_retries=False,
    )


def joined(each: "Joined") -> Said:
    """A partition of `raw` that is made of several sources."""
    columns = ["source", "rows", "canonical", "merged", "unmapped"]
    rows = ((s.source, s.rows, s.canonical, s.merged, s.unmapped) for s in each.shares)
    return metadata.of_state(
        each.state,
        sources=metadata.table(columns, rows),
        findings=dg.MetadataValue.int(each.findings),
    )


def nothing_joined(asked: Sequence[str]) -> dg.Failure:
    """Why a run that was to join sources has nothing to go on with."""
    return dg.Failure(
        description=f"No source has rows of {metadata.ends(asked)}.", allow_retries=False
    )


def unreadable(refused: Sequence["RefusedFile"]) -> dg.Failure:
    """Why a run fails though everything that could be read was done."""
    names = ", ".join(each.file for each in refused)
    return dg.Failure(
        description=f"These source files could not be used: {names}. Correct or remove them.",
        metadata={"refused_files": metadata.table(["file", "reason"], refused)},
        allow_retries=False,
    )


def nothing_held(declared: Declared, home: Home, asked: Sequence[str], noun: str) -> dg.Failure:
    """Why there is nothing to work on: the gate's verdicts, where it gave any."""
    from ml_assets.validation import admissions

    verdicts = admissions(declared.load(), home)
    refused = [verdicts[key] for key in asked if key in verdicts and not verdicts[key].admitted]
    what = f"{declared.name}/{noun} holds nothing of {metadata.ends(asked)}."
    return refusal(refused, what=what)


def admitted(problem: Problem, verdict: "Admission") -> Said:
    """A partition of `validated`."""
    if verdict.state is None:
        return {}
    return metadata.of_state(
        verdict.state,
        rows_in=dg.MetadataValue.int(verdict.rows_in),
        quarantine_rate=dg.MetadataValue.float(verdict.quarantine_rate),
        rules=dg.MetadataValue.int(verdict.rules),
        findings=findings_table(verdict),
        **{"dagster/column_schema": metadata.column_schema(problem)},
    )


def quarantined(verdict: "Admission") -> Said:
    """A partition of `quarantined`."""
    return {
        "dagster/row_count": dg.MetadataValue.int(verdict.rows_quarantined),
        "quarantine_rate": dg.MetadataValue.float(verdict.quarantine_rate),
        "failure_cases": failure_cases(verdict),
        "verdict": dg.MetadataValue.text(verdict.sentence),
    }


def featured(done: "FeaturePartition") -> Said:
    """A partition of `features`."""
    return metadata.of_state(
        done.state,
        missing=metadata.table(["feature", "missing"], done.missing_rates.items()),
    )


def profiled(done: "Profile") -> Said:
    """A partition of `profile`: the picture, and every column in a table."""
    columns = (
        (
            each.column,
            each.kind,
            each.role,
            round(each.missing_share, 4),
            each.distinct,
            _range(each),
            next((f"{value} ({rows:,})" for value, rows in each.top), ""),
            None if each.association is None else round(each.association, 3),
        )
        for each in done.columns
    )
    names = [
        "column",
        "kind",
        "role",
        "missing",
        "distinct",
        "range",
        "most frequent",
        "association",
    ]
    return {
        "dagster/row_count": dg.MetadataValue.int(done.rows),
        "plot": metadata.plot(done.plot(), text=f"Profile of {done.partition}"),
        "columns": metadata.table(names, columns),
        "groups": metadata.table(
            ["column", "value", "rows", "share", "label_rate"], (tuple(g) for g in done.groups)
        ),
        "labelled": dg.MetadataValue.int(done.labelled),
        "label_rate": dg.MetadataValue.float(
            float("nan") if done.label_rate is None else done.label_rate
        ),
        "advice": dg.MetadataValue.md("\n".join(f"- {line}" for line in done.advice)),
    }


def _range(each: "ColumnProfile") -> str:
    if each.minimum is None or each.maximum is None:
        return ""
    return f"{each.minimum:,.6g} to {each.maximum:,.6g}"
