"""Experiments as Dagster sees them: a partition for each, with numbers that plot and compare.

An experiment is declared by `ml-assets experiment new`; materializing its partition runs it. What
was run elsewhere is told to Dagster by the sensor, which starts nothing.
"""

import datetime as dt
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.asking import SENSOR_SECONDS, WHO_TAG
from ml_assets.defs.events import Said
from ml_assets.defs.partitions import experiments_of
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of, spec_of
from ml_assets.problem import Declared
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.experiments import Experiment, ExperimentRun

DATA_VERSION = "dagster/data_version"


def experiments_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """The asset."""

    @dg.multi_asset(
        name=f"{declared.name}__experiments", specs=[spec_of(declared, "experiments")]
    )
    def experiments(
        context: dg.AssetExecutionContext, home: HomeResource
    ) -> dg.MaterializeResult[None]:
        from ml_assets.experiments import experiment_named, run_experiment

        problem, opened = declared.load(), home.open()
        experiment = experiment_named(problem, opened, context.partition_key)
        who = context.run.tags.get(WHO_TAG, "dagster")
        run = run_experiment(problem, opened, experiment, who=who, clock=utc_now)
        context.log.info(run.sentence(experiment))
        return dg.MaterializeResult(
            metadata=described(experiment, run), data_version=_version(run)
        )

    return [experiments]


def experiments_sensor(
    declared: Declared, look_seconds: int = SENSOR_SECONDS
) -> dg.SensorDefinition:
    """Tell Dagster of experiments that were declared or run elsewhere."""

    @dg.sensor(
        name=f"{declared.name}_experiments",
        minimum_interval_seconds=look_seconds,
        description="Shows experiments that were declared or run in a terminal. Starts nothing.",
    )
    def experiments(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
        from ml_assets.experiments import experiments as every

        problem, opened = declared.load(), home.open()
        found = every(problem, opened)
        definition = experiments_of(declared.name)
        known = set(context.instance.get_dynamic_partitions(f"{declared.name}_experiments"))
        new = [each.id for each in found if each.id not in known]
        since = dt.datetime.fromisoformat(context.cursor) if context.cursor else None
        told = list(_news(context.instance, declared, opened, found, since=since))
        newest = max([at for at, _ in told], default=since)
        return dg.SensorResult(
            skip_reason=f"{len(new)} experiments are new, {len(told)} were run.",
            dynamic_partitions_requests=[definition.build_add_request(new)] if new else [],
            asset_events=[event for _, event in told],
            cursor=newest.isoformat() if newest else None,
        )

    return experiments


def described(experiment: "Experiment", run: "ExperimentRun") -> Said:
    """The verdict, and numbers that Dagster plots over experiments."""
    measured = run.difference
    numbers = {
        f"{side}_{name}": value
        for side, metrics in run.metrics.items()
        for name, value in metrics.items()
    }
    if measured is not None:
        numbers |= {
            "kpi_control": measured.incumbent,
            "kpi_variant": measured.challenger,
            "difference": measured.estimate,
            "difference_low": measured.low,
            "difference_high": measured.high,
        }
    versions = (
        (axis, *(getattr(run.versions[side], axis) for side in run.versions))
        for axis in ("data", "pipeline", "hyperparameters")
    )
    return {
        "hypothesis": dg.MetadataValue.text(experiment.hypothesis),
        "verdict": dg.MetadataValue.text(run.verdict or run.state),
        "in_a_sentence": dg.MetadataValue.text(run.sentence(experiment)),
        "owner": dg.MetadataValue.text(experiment.owner),
        "changed": dg.MetadataValue.text(", ".join(experiment.axes)),
        "changes": dg.MetadataValue.text("; ".join(experiment.changes)),
        "follows": dg.MetadataValue.text(str(experiment.follows or "")),
        "versions": metadata.table(["axis", *run.versions], versions),
        "seconds": dg.MetadataValue.float(run.seconds["all"]),
        **{
            name: dg.MetadataValue.float(value)
            for name, value in numbers.items()
            if math.isfinite(value)
        },
    }


def _news(
    instance: dg.DagsterInstance,
    declared: Declared,
    home: Home,
    found: "list[Experiment]",
    *,
    since: dt.datetime | None,
) -> Iterator[tuple[dt.datetime, dg.AssetMaterialization]]:
    """What was run since, and Dagster does not know of, with its moment."""
    from ml_assets.experiments import last_run

    key = key_of(declared, "experiments")
    for each in found:
        run = last_run(home, each)
        if run is None or run.verdict is None or (since is not None and run.at <= since):
            continue
        version = _version(run).value
        if _version_shown(instance, key, each.id) != version:
            event = dg.AssetMaterialization(
                key,
                partition=each.id,
                metadata=described(each, run),
                tags={DATA_VERSION: version},
            )
            yield run.at, event


def _version_shown(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str
) -> str | None:
    """Data version of the newest materialization of an experiment."""
    where = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    for record in instance.fetch_materializations(where, limit=1).records:
        known = record.asset_materialization
        return (known.tags or {}).get(DATA_VERSION) if known else None
    return None


def _version(run: "ExperimentRun") -> dg.DataVersion:
    return dg.DataVersion(run.fingerprint or "failed")
