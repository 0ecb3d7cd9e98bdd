"""However the chain is launched, a partition that breaks its contract stays out of `validated`.

A blocking check of Dagster stops its own run only, and anybody may report one as passed. So what
is asked here is what the lake holds, whatever was launched, and that Dagster shows the same.
"""

import dagster as dg
import pytest
from quick import BAD, BROKEN_ROWS, GOOD, MONTHS, ROWS, key_of

CHAIN = ("raw", "validated", "quarantined", "features")


def one_by_one(deployment):
    """The whole chain for one partition after the other."""
    return {
        month: deployment.materialize(*CHAIN, over=[month], by_hand=True) for month in MONTHS
    }


def features_later(deployment):
    """A later run that asks for the features alone."""
    deployment.materialize("raw", "validated", "quarantined", over=MONTHS)
    return {
        month: deployment.materialize("features", over=[month], by_hand=True)
        for month in MONTHS
    }


def by_the_sensor(deployment):
    """What the sensor asks for when it sees the files."""
    (request,) = deployment.tick().run_requests
    return {BAD: deployment.run(request)}


def over_a_range(deployment):
    """A backfill over the range, which is one run."""
    return {BAD: deployment.materialize(*CHAIN, over=MONTHS)}


def by_hand(deployment):
    """`validated` of one partition after the other, and then the features of all."""
    deployment.materialize("raw", over=MONTHS)
    runs = {
        month: deployment.materialize("validated", "quarantined", over=[month], by_hand=True)
        for month in MONTHS
    }
    deployment.materialize("features", over=MONTHS)
    return runs


@pytest.fixture(
    scope="module",
    params=[one_by_one, features_later, by_the_sensor, over_a_range, by_hand],
    ids=lambda launch: launch.__name__,
)
def launched(request, deployed):
    """A deployment after one of the launches, and the runs of it by partition."""
    with deployed() as deployment:
        deployment.deliver(*GOOD)
        deployment.deliver(BAD, broken=BROKEN_ROWS)
        yield deployment, request.param(deployment)


class TestHoweverItIsLaunched:
    def test_validated_never_held_the_bad_partition(self, launched):
        deployment, _ = launched

        assert deployment.held("validated") == GOOD
        commits = deployment.home.lake.history("complaints/validated")
        assert {name for commit in commits for name in commit.partitions} == set(GOOD)

    def test_the_good_partitions_went_on_to_features(self, launched):
        deployment, _ = launched

        assert deployment.held("features") == GOOD

    def test_every_row_of_the_bad_partition_is_quarantined_with_a_reason(self, launched):
        deployment, _ = launched

        rows = deployment.home.lake.read("complaints/quarantined", partitions=[BAD])
        reasons = rows["reasons"].to_pylist()
        assert len(reasons) == ROWS
        by_the_partition = [each.startswith("the partition was refused") for each in reasons]
        assert by_the_partition == [False] * BROKEN_ROWS + [True] * (ROWS - BROKEN_ROWS)

    def test_dagster_shows_the_bad_partition_as_missing(self, launched):
        deployment, _ = launched

        assert deployment.shown("validated") == GOOD
        assert deployment.shown("features") == GOOD
        assert deployment.shown("quarantined") == MONTHS

    def test_dagster_shows_the_verdict_of_every_partition(self, launched):
        deployment, _ = launched

        assert deployment.verdicts() == {
            month: "FAILED" if month == BAD else "SUCCEEDED" for month in MONTHS
        }

    def test_the_run_that_asked_for_it_fails_and_the_others_do_not(self, launched):
        _, runs = launched

        assert {month: run.success for month, run in runs.items()} == {
            month: month != BAD for month in runs
        }

    def test_the_run_says_which_partition_and_why(self, launched):
        _, runs = launched

        said = "\n".join(failures(runs[BAD]))
        assert BAD in said
        assert "30 of 120 rows were quarantined (25%, at most 5% allowed)" in said
        assert "Correct the source" in said


def failures(run):
    """What the failed steps of a run say, with the tables beside it."""
    for event in run.filter_events(lambda each: each.is_step_failure):
        told = event.step_failure_data.user_failure_data
        assert told, event.step_failure_data.error.to_string()
        yield told.description
        yield from (str(table.records) for table in told.metadata.values())


class TestTheFailureTable:
    def test_shows_which_rules_broke_with_examples(self, deployment):
        deployment.deliver(BAD, broken=BROKEN_ROWS)

        run = deployment.materialize(*CHAIN, over=[BAD], by_hand=True)

        (shown,) = run.filter_events(
            lambda each: (
                each.event_type_value == "ASSET_CHECK_EVALUATION"
                and each.event_specific_data.check_name == "gate"
            )
        )
        (case,) = shown.event_specific_data.metadata["failure_cases"].records
        assert case.data["rows"] == BROKEN_ROWS
        assert "state" in case.data["rule"]
        assert "Texas" in case.data["examples"]


class TestSomebodyReportsTheGateAsPassed:
    @pytest.fixture
    def reported(self, deployment):
        deployment.deliver(GOOD[0])
        deployment.deliver(BAD, broken=BROKEN_ROWS)
        deployment.materialize(*CHAIN, over=[GOOD[0], BAD])
        deployment.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key_of("validated"),
                check_name="gate",
                passed=True,
                partition=BAD,
                metadata={},
                blocking=False,
            )
        )
        return deployment

    def test_but_the_next_step_finds_nothing(self, reported):
        assert reported.verdicts()[BAD] == "SUCCEEDED"

        run = reported.materialize("features", over=[BAD], by_hand=True)

        assert not run.success
        assert BAD not in reported.held("features")
        assert f"complaints/validated holds nothing of {BAD}." in "".join(failures(run))

    def test_and_the_next_judgment_says_otherwise(self, reported):
        reported.materialize("validated", "quarantined", over=[BAD], by_hand=True)

        assert reported.verdicts()[BAD] == "FAILED"

    def test_nor_does_it_help_to_report_the_partition_as_there(self, reported):
        reported.instance.report_runless_asset_event(
            dg.AssetMaterialization(key_of("validated"), partition=BAD)
        )

        run = reported.materialize("features", over=[BAD], by_hand=True)

        assert not run.success
        assert BAD not in reported.held("features")
