"""The job that searches for hyperparameters, as `ml-assets tune` does in a terminal."""

from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.defs.jobs import tune_job
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.problem import Declared, Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.tuning import Study


class Search(dg.Config):
    """What one run may ask of a search; what is left out is as `config.yaml` says.

    Attributes:
        trials: How many the study has in the end.
        processes: Trials at the same time.
        timeout_minutes: No trial begins later.
    """

    trials: int | None = None
    processes: int | None = None
    timeout_minutes: float | None = None


def tuning_job(declared: Declared) -> dg.JobDefinition:
    """The job of a problem."""

    @dg.op(
        name=f"{declared.name}__tune",
        description="Trials on train and validation rows; those that there are are not run again.",
    )
    def search(context: dg.OpExecutionContext, home: HomeResource, config: Search) -> None:
        problem, opened = declared.load(), home.open()
        study = _searched(problem, opened, config, context)
        context.add_output_metadata(_described(opened, study))

    @dg.job(
        name=tune_job(declared),
        description="Searches for hyperparameters in the space that config.yaml declares.",
        executor_def=dg.in_process_executor,
    )
    def tune() -> None:
        search()

    return tune


def _searched(
    problem: Problem, home: Home, config: Search, context: dg.OpExecutionContext
) -> "Study":
    from ml_assets.features import load_training_set
    from ml_assets.registry.retraining import measure_of
    from ml_assets.tuning import Limits, tune

    limits = Limits.of(
        problem.config.tuning,
        now=utc_now(),
        trials=config.trials,
        processes=config.processes,
        timeout_minutes=config.timeout_minutes,
    )
    return tune(
        problem,
        home,
        load_training_set(problem, home),
        measure=measure_of(problem),
        limits=limits,
        clock=utc_now,
        tell=lambda trial: context.log.info(str(trial)),
    )


def _described(home: Home, study: "Study") -> Said:
    """The best trial, and the trials by their place."""
    from ml_assets.tuning import best_trial, trials_of

    trials = trials_of(home, study.name)
    best = best_trial(study, trials)
    rows = ((each.number, each.state, each.kpi, str(dict(each.choice))) for each in trials)
    found: dict[str, dg.MetadataValue] = {
        "study": dg.MetadataValue.text(study.name),
        "trials": dg.MetadataValue.int(len(trials)),
        "by_number": metadata.table(["trial", "state", study.kpi, "values"], rows),
    }
    if best is not None and best.kpi is not None:
        found |= {
            "best": dg.MetadataValue.text(best.name),
            "best_kpi": dg.MetadataValue.float(best.kpi),
            "best_values": dg.MetadataValue.json(dict(best.choice)),
        }
    return found
