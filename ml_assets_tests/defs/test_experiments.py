"""Experiments and searches as Dagster shows and runs them."""

import dagster as dg
import pytest
from hypotheses import declared, run
from quick import COMPLAINTS, declared_with, definitions_on, key_of

from ml_assets.defs.jobs import tune_job
from ml_assets.defs.runs import QUIET
from ml_assets.experiments import last_run
from ml_assets.tuning import studies, trials_of

TUNED = declared_with(
    COMPLAINTS,
    label={"delay_days": 0},
    tuning={
        "folds": 1,
        "space": {
            "logistic": {"hyperparameters": {"C": {"low": 0.1, "high": 1.0, "log": True}}}
        },
    },
)
C = "training.estimators.logistic.hyperparameters.C"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def materialized(definitions, instance, experiment):
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[key_of("experiments")],
        partition_key=experiment.id,
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
    )


def test_a_partition_is_an_experiment_with_numbers_that_plot(opened, instance):
    problem, definitions = TUNED.load(), definitions_on(opened, TUNED)
    experiment = declared(problem, opened, f"{C}=0.5")
    instance.add_dynamic_partitions("complaints_experiments", [experiment.id])

    done = materialized(definitions, instance, experiment)

    assert done.success
    (event,) = done.asset_materializations_for_node("complaints__experiments")
    outcome = last_run(opened, experiment)
    assert event.partition == experiment.id
    assert event.metadata["verdict"].value == outcome.verdict
    assert event.metadata["difference"].value == outcome.difference.estimate
    assert event.metadata["variant_roc_auc"].value == outcome.metrics["variant"]["roc_auc"]
    assert outcome.who == "dagster"


def test_a_sensor_shows_what_was_run_in_a_terminal_and_starts_nothing(opened, instance):
    problem, definitions = TUNED.load(), definitions_on(opened, TUNED)
    sensor = definitions.resolve_sensor_def("complaints_experiments")
    ran, waits = (declared(problem, opened, f"{C}={value}") for value in (0.5, 0.6))
    run(problem, opened, ran)

    def tick():
        with dg.build_sensor_context(
            instance, resources=definitions.resources, definitions=definitions
        ) as context:
            found = sensor.evaluate_tick(context)
        for change in found.dynamic_partitions_requests:
            instance.add_dynamic_partitions(
                change.partitions_def_name, list(change.partition_keys)
            )
        for event in found.asset_events:
            instance.report_runless_asset_event(event)
        return found

    first, second = tick(), tick()

    assert set(instance.get_dynamic_partitions("complaints_experiments")) == {ran.id, waits.id}
    assert instance.get_materialized_partitions(key_of("experiments")) == {ran.id}
    assert [len(each.asset_events) for each in (first, second)] == [1, 0]
    assert not first.run_requests


def test_a_job_searches_for_hyperparameters(opened, instance):
    definitions = definitions_on(opened, TUNED)
    job = definitions.resolve_job_def(tune_job(TUNED))
    asked = {"ops": {"complaints__tune": {"config": {"trials": 3, "processes": 1}}}}

    done = job.execute_in_process(instance=instance, run_config={**QUIET, **asked})

    assert done.success
    (study,) = studies(TUNED.load(), opened)
    assert [each.state for each in trials_of(opened, study.name)] == ["done"] * 3
