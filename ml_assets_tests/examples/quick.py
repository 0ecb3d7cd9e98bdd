"""Complaints with one estimator, months of them as files, and a deployment to run them on."""

import datetime as dt
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import numpy as np

from ml_assets.defs.jobs import refresh_job
from ml_assets.defs.resources import HomeResource
from ml_assets.defs.runs import QUIET, range_tags
from ml_assets.defs.wiring import definitions_of, problem_definitions
from ml_assets.problem import Config, Declared, declared_problems
from ml_assets.storage import Home

MONTHS = ("2015-01", "2015-02", "2015-03", "2015-04")
BAD = "2015-03"
GOOD = ("2015-01", "2015-02", "2015-04")
ROWS = 120
BROKEN_ROWS = 30
"""A quarter of a month; config.yaml allows a twentieth."""


def declared_with(declared: Declared, **sections: dict[str, object]) -> Declared:
    """The problem with other values in some sections of its config.yaml, still not loaded."""
    values = declared.config.model_dump(mode="json")
    for section, changed in sections.items():
        values[section] = values[section] | changed
    config = Config.from_values(values, where="the test")
    return replace(
        declared, config=config, load=lambda: replace(declared.load(), config=config)
    )


def _quick() -> Declared:
    declared = next(each for each in declared_problems() if each.name == "complaints")
    logistic = declared.config.training.estimators["logistic"].model_dump()
    return declared_with(
        declared,
        training={"estimators": {"logistic": logistic}, "min_rows": 100},
        promotion={"resamples": 100},
    )


COMPLAINTS = _quick()
IN_EPOCHS = declared_with(
    COMPLAINTS,
    training={"estimators": {"sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 60}}}},
)
"""The same, fitted by an estimator that leaves checkpoints."""

AT_ONCE = {"label": {"delay_days": 0}, "feedback": {"implicit": {}}}
"""Labels can be trusted as soon as they are there."""

LOOP = declared_with(COMPLAINTS, **AT_ONCE, retraining={"min_new_labels": 50})

defs = definitions_of(COMPLAINTS)
"""What a code server loads when it is started with `-m quick`."""


def month_of(month: str, *, rows: int = ROWS, broken: int = 0, seed: int = 0):
    """Complaints of one month as an export has them; the state of the first ones is no state."""
    from ml_assets.problems.complaints.source import sample

    start = dt.date.fromisoformat(f"{month}-01")
    first_id = 10_000 * int(month.replace("-", ""))
    df = sample(
        rows,
        np.random.default_rng([seed, first_id]),
        start=start,
        end=start + dt.timedelta(days=27),
        first_id=first_id,
    )
    df.loc[: broken - 1, "state"] = "Texas"
    return df


_clock = itertools.count(1_400_000_000)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A home, a folder that files are delivered to, and Dagster beside them."""

    home: Home
    inbox: Path
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def deliver(self, *months: str, **how: int) -> None:
        """Put a month into the folder, whole at once, in the place of what was there of it."""
        for month in months:
            deliver(self.inbox, month, **how)

    def materialize(
        self, *nouns: str, over: Sequence[str] = (), by_hand: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets as the UI asks for it: over a range, or one partition by hand."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[key_of(noun) for noun in nouns],
            partition_key=over[0] if by_hand else None,
            tags={} if by_hand else range_tags(over),
            **self._here(),
        )

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Run what a sensor asked for."""
        job = self.definitions.resolve_job_def(refresh_job(COMPLAINTS))
        return job.execute_in_process(tags=dict(request.tags), **self._here())

    def refresh(self, months: Sequence[str]) -> dg.ExecuteInProcessResult:
        """Run the whole chain, from the sources to the champion."""
        job = self.definitions.resolve_job_def(refresh_job(COMPLAINTS))
        return job.execute_in_process(tags=range_tags(months), **self._here())

    def tick(self, sensor: str = "complaints_source"):
        """Look once with a sensor."""
        with dg.build_sensor_context(
            self.instance, resources=self.definitions.resources, definitions=self.definitions
        ) as context:
            return self.definitions.resolve_sensor_def(sensor).evaluate_tick(context)

    def tock(self, schedule: str):
        """Look once with a schedule."""
        with dg.build_schedule_context(
            self.instance,
            scheduled_execution_time=dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC),
            resources=self.definitions.resources,
        ) as context:
            return self.definitions.resolve_schedule_def(schedule).evaluate_tick(context)

    def held(self, noun: str) -> tuple[str, ...]:
        """Partitions that a table of the lake holds."""
        return tuple(self.home.lake.partitions(f"complaints/{noun}"))

    def shown(self, noun: str) -> tuple[str, ...]:
        """Partitions that Dagster shows as materialized."""
        return tuple(sorted(self.instance.get_materialized_partitions(key_of(noun))))

    def verdicts(self, noun: str = "validated", check: str = "gate") -> dict[str, str]:
        """State of a check by partition, as Dagster shows it."""
        key = dg.AssetCheckKey(key_of(noun), check)
        found = self.instance.event_log_storage.get_asset_check_partition_info([key])
        return {
            each.partition_key: each.latest_execution_status.value
            for each in found
            if each.partition_key
        }

    def _here(self) -> dict[str, object]:
        return {
            "instance": self.instance,
            "run_config": QUIET,
            "raise_on_error": False,
        }


def definitions_on(home: Home, declared: Declared = COMPLAINTS) -> dg.Definitions:
    """Everything of a problem, on one home whatever the environment says."""
    resources = {"home": HomeResource(path=str(home.path))}
    return dg.Definitions.merge(
        dg.Definitions(resources=resources, executor=dg.in_process_executor),
        problem_definitions(declared),
    )


def key_of(noun: str) -> dg.AssetKey:
    return dg.AssetKey(["complaints", noun])


def deliver(inbox: Path, month: str, **how: int) -> Path:
    """Write a month as a file of the folder; each is younger than the one before."""
    path, unfinished = inbox / f"{month}.csv", inbox / f".{month}.part"
    month_of(month, **how).to_csv(unfinished, index=False)
    moment = next(_clock)
    os.utime(unfinished, (moment, moment))
    return unfinished.replace(path)


def trained_home(declared: Declared, folder: Path) -> Home:
    """A home in `folder` with some months of complaints and a champion."""
    from ml_assets.defs.runs import run_here
    from ml_assets.ingestion import register_source

    home, inbox = Home.open(folder / "home", environment={}), folder / "inbox"
    inbox.mkdir()
    register_source(declared.load(), home, inbox)
    for month in GOOD:
        deliver(inbox, month)
    definitions, job = definitions_on(home, declared), refresh_job(declared)
    run = run_here(definitions, job, home=home, partitions=GOOD)
    assert run.failures == ()
    return home
