"""What a person sees beside training sets, models, metrics and the champion."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.fingerprint import fingerprint
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.features import TrainingSet
    from ml_assets.registry import Decision, Evaluation, ModelVersion


def training_set(made: "TrainingSet") -> Said:
    """Which rows a model may learn from, and which partitions it was kept from."""
    splits = (
        (name, rows, round(made.label_shares[name], 4), str(first), str(last))
        for name, rows in made.rows.items()
        for first, last in [made.days[name]]
    )
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(made.rows.values())),
        "splits": metadata.table(["split", "rows", "mean_label", "first", "last"], splits),
        "partitions": dg.MetadataValue.text(metadata.ends(sorted(made.snapshot))),
        "excluded": metadata.table(["partition", "why"], made.excluded.items()),
        "warnings": dg.MetadataValue.md("\n".join(f"- {line}" for line in made.warnings)),
        "unchanged": dg.MetadataValue.bool(made.unchanged),
    }


def model(version: "ModelVersion") -> Said:
    """What the model is, what made it, and why it has its number."""
    manifest = version.manifest
    return {
        "version": dg.MetadataValue.text(version.version),
        "number": dg.MetadataValue.text(f"{version.number}: {version.number_reason}"),
        "unchanged": dg.MetadataValue.bool(version.unchanged),
        "estimator": dg.MetadataValue.text(manifest.algorithm.estimator),
        "hyperparameters": dg.MetadataValue.json(manifest.algorithm.hyperparameters),
        "partitions": dg.MetadataValue.text(metadata.ends(sorted(manifest.data.partitions))),
        "excluded": metadata.table(["partition", "why"], manifest.data.excluded.items()),
        "trigger": dg.MetadataValue.text(version.trigger),
        **{f"{axis}_version": dg.MetadataValue.text(one) for axis, one in _axes(version)},
        **_around(version),
        "training_fingerprint": dg.MetadataValue.text(version.training_fingerprint),
        **_numbers(
            {f"{split}_{name}": value for split, name, value in _flat(manifest.metrics)}
        ),
    }


def _axes(version: "ModelVersion") -> Iterator[tuple[str, str]]:
    from ml_assets.registry import axes_of

    axes = axes_of(version.manifest)
    yield from zip(axes._fields, axes, strict=True)


def _around(version: "ModelVersion") -> Said:
    """Intervals and local models, of a model that has them."""
    said: dict[str, dg.MetadataValue] = {}
    manifest = version.manifest
    if (found := manifest.intervals) is not None:
        reaches = [(found.by or "all", "(shared)", found.shared.rows, found.shared.reach)]
        reaches += [
            (found.by or "", name, each.rows, each.reach) for name, each in found.groups.items()
        ]
        unit = "reach" if found.scale == "label" else "reach_as_logarithm"
        said["intervals"] = metadata.table(["by", "group", "rows", unit], reaches)
        said["interval_coverage"] = dg.MetadataValue.float(found.coverage)
    if manifest.local_rows is not None:
        said["local_models"] = metadata.table(["group", "rows"], manifest.local_rows.items())
    return said


def kpi_sentence(problem: Problem, done: "Evaluation") -> str:
    """The KPI beside the baseline's."""
    from ml_assets.evaluation.comparison import plain

    kpi = problem.config.kpi.metric
    own, trivial = done.metrics["test"][kpi], done.metrics["baseline"][kpi]
    return f"{done.version}: {kpi} {plain(own)} on {done.rows:,} test rows; baseline {plain(trivial)}."


def metrics_version(done: "Evaluation") -> str:
    """Data version of what was measured."""
    values = {
        of: {name: repr(one) for name, one in each.items()} for of, each in done.metrics.items()
    }
    return fingerprint(version=done.version, metrics=values)


def metrics(done: "Evaluation") -> Said:
    """Every metric, as numbers that plot over time and in one table beside the baseline."""
    whose = [name for name in ("test", "train", "baseline", "champion") if name in done.metrics]
    rows = (
        (name, *(_rounded(done.metrics[of].get(name)) for of in whose))
        for name in done.metrics["test"]
    )
    kpi = next(iter(done.metrics["test"]))
    has_baseline = any(each.baseline for each in done.slices)
    slices = (
        (
            each.column,
            each.value,
            each.rows,
            *(_rounded(one) for one in each.metrics.values()),
            *([_rounded(each.baseline.get(kpi))] if has_baseline else []),
        )
        for each in done.slices
    )
    return {
        "dagster/row_count": dg.MetadataValue.int(done.rows),
        "version": dg.MetadataValue.text(done.version),
        "metrics": metadata.table(["metric", *whose], rows),
        "slices": metadata.table(
            [
                *("column", "value", "rows"),
                *done.metrics["test"],
                *([f"baseline_{kpi}"] if has_baseline else []),
            ],
            slices,
        ),
        "unchanged": dg.MetadataValue.bool(done.unchanged),
        **_numbers(done.metrics["test"]),
        **_numbers({f"baseline_{name}": one for name, one in done.metrics["baseline"].items()}),
    }


def champion_version(problem: Problem, home: Home) -> str:
    """Data version of the champion: the version that answers."""
    from ml_assets.registry import champion

    answering = champion(problem, home)
    return answering.version if answering else "nobody"


def decision(decided: "Decision") -> Said:
    """What came of considering the promotion."""
    findings = ((each.check, each.passed, each.text) for each in decided.findings)
    return {
        "decision": dg.MetadataValue.text(decided.message),
        "outcome": dg.MetadataValue.text(decided.outcome),
        "challenger": dg.MetadataValue.text(decided.version),
        "champion_before": dg.MetadataValue.text(decided.champion or "nobody"),
        "findings": metadata.table(["check", "passed", "text"], findings),
        "rows_compared": dg.MetadataValue.int(decided.rows),
    }


def _flat(
    metrics: Mapping[str, Mapping[str, float | None]],
) -> Iterator[tuple[str, str, float | None]]:
    return (
        (split, name, value) for split, each in metrics.items() for name, value in each.items()
    )


def _numbers(values: Mapping[str, float | None]) -> dict[str, dg.MetadataValue]:
    """Metrics as numbers; what is undefined is left out, since it cannot be plotted."""
    return {
        name: dg.MetadataValue.float(value)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
