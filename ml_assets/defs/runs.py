"""Runs and looks of sensors in this process, recorded where Dagster's UI finds them.

For the command line: no daemon need be up, and nothing waits in a queue.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus

from ml_assets.defs.asking import RUN_KEY_TAG
from ml_assets.defs.claims import close_abandoned_runs
from ml_assets.defs.instance import dagster_home
from ml_assets.defs.partitions import LOCATION, locations_among
from ml_assets.defs.resources import HomeResource
from ml_assets.problem import Key
from ml_assets.storage import Home

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


@dataclass(frozen=True, kw_only=True)
class FailedStep:
    """A step that failed, and what it said.

    Attributes:
        step: Its name.
        message: The error's own words.
        is_refusal: It failed on purpose, because something was refused.
    """

    step: str
    message: str
    is_refusal: bool = False


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What became of a run."""

    run_id: str
    failures: tuple[FailedStep, ...]

    @property
    def succeeded(self) -> bool:
        """Whether every step did what it was asked."""
        return not self.failures


@dataclass(frozen=True, kw_only=True)
class FinishedTick:
    """What came of one look of a sensor.

    Attributes:
        reason: Why it asked for nothing; None when it asked.
        runs: Those that it asked for, in order.
    """

    reason: str | None
    runs: tuple[FinishedRun, ...]


def run_here(
    definitions: dg.Definitions,
    job: str,
    *,
    home: Home,
    partitions: Sequence[str] = (),
    without: Collection[dg.AssetKey] = (),
    tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, object] | None = None,
) -> FinishedRun:
    """Run a job in this process and wait for it.

    Args:
        definitions: Where the job is.
        job: Its name.
        home: Of the deployment; Dagster's own home is inside it.
        partitions: In order; the run covers the range from the first to the last.
        without: Assets of the job that are left out.
        tags: What is remembered about the run.
        run_config: Values of the steps' configuration.
    """
    found = definitions.resolve_job_def(job)
    if without:
        kept = set(found.asset_layer.executable_asset_keys).difference(without)
        found = found.get_subset(asset_selection=kept)
    with instance_of(home.path) as instance:
        order = tell_of_locations(instance, found.partitions_def, partitions)
        return _executed(
            found,
            instance,
            home=home,
            tags={**(tags or {}), **range_tags(partitions, order=order)},
            run_config=run_config or {},
        )


def tick_here(definitions: dg.Definitions, sensor: str, *, home: Home) -> FinishedTick:
    """Look once with a sensor and do what it asks for, in this process, as the daemon would.

    Args:
        definitions: Where the sensor and its jobs are.
        sensor: Its name.
        home: Of the deployment; Dagster's own home is inside it.
    """
    resources = {"home": HomeResource(path=str(home.path))}
    with (
        instance_of(home.path) as instance,
        dg.build_sensor_context(
            instance,
            instance_ref=instance.get_ref(),
            resources=resources,
            definitions=definitions,
        ) as context,
    ):
        looking = definitions.resolve_sensor_def(sensor)
        found = looking.evaluate_tick(context)
        for change in found.dynamic_partitions_requests or ():
            _change_partitions(instance, change)
        for event in found.asset_events:
            instance.report_runless_asset_event(event)
        runs = tuple(
            _executed(
                definitions.resolve_job_def(request.job_name or looking.targets[0].job_name),
                instance,
                home=home,
                tags={**request.tags, RUN_KEY_TAG: request.run_key or ""},
                run_config=request.run_config,
            )
            for request in found.run_requests or ()
        )
        return FinishedTick(reason=found.skip_message, runs=runs)


def _change_partitions(
    instance: dg.DagsterInstance,
    change: dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest,
) -> None:
    if isinstance(change, dg.AddDynamicPartitionsRequest):
        instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        return
    for key in change.partition_keys:
        instance.delete_dynamic_partition(change.partitions_def_name, key)


def _executed(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    home: Home,
    tags: Mapping[str, str],
    run_config: Mapping[str, object],
) -> FinishedRun:
    result = job.execute_in_process(
        instance=instance,
        tags=dict(tags),
        run_config={**QUIET, **run_config},
        resources={"home": HomeResource(path=str(home.path))},
        raise_on_error=False,
    )
    return FinishedRun(run_id=result.run_id, failures=tuple(_failures(result)))


def range_tags(partitions: Sequence[str], *, order: Sequence[str] = ()) -> dict[str, str]:
    """Tags of a run over all partitions from the first to the last one.

    With locations these are all windows from the first to the last one, of all locations from the
    first to the last one: Dagster has no way to name single ones. Steps do what there is to do for
    those that were meant, and find that the others are as they should be.

    Args:
        partitions: Those that the run is for.
        order: Locations in the order in which Dagster was told of them.
    """
    if not partitions:
        return {}
    windows = sorted({Key.of(each).window for each in partitions})
    locations = sorted(locations_among(partitions), key=list(order).index)
    first, last = (locations[0], locations[-1]) if locations else (None, None)
    start, end = Key(windows[0], first), Key(windows[-1], last)
    return {RANGE_START: start.text, RANGE_END: end.text}


def tell_of_locations(
    instance: dg.DagsterInstance, cut: dg.PartitionsDefinition | None, partitions: Sequence[str]
) -> list[str]:
    """Add the locations of some partitions to those that Dagster has; returns all, in its order."""
    if not isinstance(cut, dg.MultiPartitionsDefinition):
        return []
    locations = cut.get_partitions_def_for_dimension(LOCATION)
    name = getattr(locations, "name", "") or ""
    known = instance.get_dynamic_partitions(name)
    if new := [each for each in locations_among(partitions) if each not in known]:
        instance.add_dynamic_partitions(name, new)
    return [*known, *new]


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own home of a deployment, cleared of runs whose process is gone."""
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        close_abandoned_runs(instance, home)
        yield instance


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[FailedStep]:
    for event in result.filter_events(lambda each: each.is_step_failure):
        data = event.step_failure_data
        told = data.user_failure_data
        error = data.error
        while told is None and error is not None and error.cause is not None:
            error = error.cause
        message = told.description if told else error.message if error else None
        yield FailedStep(
            step=str(event.step_key),
            message=(message or "It says nothing.").strip(),
            is_refusal=told is not None,
        )
    if result.dagster_run.status == DagsterRunStatus.FAILURE and not any(
        each.is_step_failure for each in result.all_events
    ):
        yield FailedStep(step="", message="The run failed before its first step.")
