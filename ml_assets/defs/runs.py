"""Runs in this process, recorded where Dagster's UI finds them.

For the command line: no daemon need be up, and nothing waits in a queue.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus

from ml_assets.defs.claims import close_abandoned_runs
from ml_assets.defs.instance import dagster_home, held_open
from ml_assets.defs.resources import HomeResource
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


def run_here(
    definitions: dg.Definitions,
    job: str,
    *,
    home: Home,
    partitions: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, object] | None = None,
) -> FinishedRun:
    """Run a job in this process and wait for it.

    Args:
        definitions: Where the job is.
        job: Its name.
        home: Of the deployment; Dagster's own home is inside it.
        partitions: In order; the run covers the range from the first to the last.
        tags: What is remembered about the run.
        run_config: Values of the steps' configuration.
    """
    with instance_of(home.path) as instance:
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags={**(tags or {}), **range_tags(partitions)},
            run_config={**QUIET, **(run_config or {})},
            resources={"home": HomeResource(path=str(home.path))},
            raise_on_error=False,
        )
        return FinishedRun(run_id=result.run_id, failures=tuple(_failures(result)))


def range_tags(partitions: Sequence[str]) -> dict[str, str]:
    """Tags of a run over all partitions from the first to the last one."""
    if not partitions:
        return {}
    return {RANGE_START: partitions[0], RANGE_END: partitions[-1]}


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own home of a deployment, cleared of runs whose process is gone."""
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        close_abandoned_runs(instance, home)
        with held_open(home):
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
