"""A copy of experiments in MLflow, for its browser: a run for each side, with values and metrics.

The store here stays the truth: nothing is read back. Doing it again adds only what is new.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ml_assets.errors import ExperimentError
from ml_assets.experiments.arms import flat
from ml_assets.experiments.records import Experiment, ExperimentRun, experiments, last_run
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

MARK = "ml_assets.id"
"""Tag that says which side of which run of which experiment a run of MLflow is."""

FINISHED, FAILED = "FINISHED", "FAILED"


class Mirrored(NamedTuple):
    """What was copied."""

    uri: str
    experiment: str
    """Its name in MLflow: all runs of a problem are in one, where they are compared."""
    new: int
    known: int


class _Side(NamedTuple):
    """A run of MLflow that is to be."""

    mark: str
    name: str
    status: str
    at_ms: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def mirror(problem: Problem, home: Home, *, uri: str) -> Mirrored:
    """Copy every experiment of a problem that was run into an MLflow store or server.

    Args:
        problem: Whose.
        home: Where they are.
        uri: As MLflow takes it, such as `sqlite:///mlflow.db` or `http://127.0.0.1:5000`.

    Raises:
        ExperimentError: If MLflow is not installed, or does not take it.
    """
    name = f"ml_assets/{problem.name}"
    sides = [
        side
        for each in experiments(problem, home)
        if (run := last_run(home, each)) is not None
        for side in _sides(each, run)
    ]
    with _client(uri) as client:
        found = client.get_experiment_by_name(name)
        place = found.experiment_id if found else client.create_experiment(name)
        new = [each for each in sides if not _is_there(client, place, each)]
        for each in new:
            _copy(client, place, each)
    return Mirrored(uri, name, len(new), len(sides) - len(new))


@contextmanager
def _client(uri: str) -> "Iterator[MlflowClient]":
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise ExperimentError(
            "MLflow is not installed. Install it with `pip install 'ml-assets[mlflow]'`."
        ) from None
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # MLflow uses what SQLAlchemy is about to drop; who copies can do nothing about it.
        warnings.simplefilter("ignore")
        try:
            yield MlflowClient(tracking_uri=uri)
        except MlflowException as error:
            raise ExperimentError(f"MLflow does not take it at {uri}: {error}") from error


def _is_there(client: "MlflowClient", place: str, side: _Side) -> bool:
    return bool(client.search_runs([place], f"tags.`{MARK}` = '{side.mark}'", max_results=1))


def _copy(client: "MlflowClient", place: str, side: _Side) -> None:
    """Make one run. Its mark comes last, so that one that was cut short is made again."""
    made = client.create_run(
        place, start_time=side.at_ms, tags=dict(side.tags), run_name=side.name
    )
    run = made.info.run_id
    for name, text in side.params.items():
        client.log_param(run, name, text)
    for name, value in side.metrics.items():
        client.log_metric(run, name, value, timestamp=side.at_ms)
    client.set_terminated(run, side.status, end_time=side.at_ms)
    client.set_tag(run, MARK, side.mark)


def _sides(experiment: Experiment, run: ExperimentRun) -> Iterator[_Side]:
    """Control and variant of an experiment; the comparison is the variant's."""
    difference = run.difference
    compared = (
        {}
        if difference is None
        else {
            "difference": difference.estimate,
            "difference_low": difference.low,
            "difference_high": difference.high,
        }
    )
    at_ms = round(run.at.timestamp() * 1000)
    for side, arm in (("control", experiment.control), ("variant", experiment.variant)):
        axes = run.versions.get(side)
        metrics = {**run.metrics.get(side, {}), **(compared if side == "variant" else {})}
        yield _Side(
            mark=f"{experiment.id} {side} {run.fingerprint or at_ms}",
            name=f"{experiment.id} {side}",
            status=FINISHED if run.state == "done" else FAILED,
            at_ms=at_ms,
            params=flat(arm),
            metrics=metrics,
            tags={
                "experiment": experiment.id,
                "side": side,
                "hypothesis": experiment.hypothesis,
                "verdict": run.verdict or run.state,
                "owner": experiment.owner,
                "changed": ", ".join(experiment.axes),
                "follows": str(experiment.follows or ""),
                "error": run.error or "",
                **(
                    {f"version.{name}": value for name, value in axes._asdict().items()}
                    if axes
                    else {}
                ),
            },
        )
