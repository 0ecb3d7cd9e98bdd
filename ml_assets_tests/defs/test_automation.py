"""What the sensor and the schedules ask for; whatever they do not, they say in a sentence."""

import dagster as dg
import pytest
from quick import BAD, BROKEN_ROWS, COMPLAINTS, GOOD, MONTHS

from ml_assets.features import materialize_features
from ml_assets.ingestion import ingest
from ml_assets.registry import ensure_model
from ml_assets.validation import admit, profile

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def brought(deployment, now):
    """Bring the lake up to what was delivered, without Dagster; `until` a noun, included."""

    def bring(*months, until="features"):
        problem, home = COMPLAINTS.load(), deployment.home
        ingest(problem, home, months, run_id="r", now=now)
        for month in months if until != "raw" else ():
            admit(problem, home, month, run_id="r", now=now)
        for month in deployment.held("validated") if until == "features" else ():
            profile(problem, home, month, run_id="r", now=now)
            materialize_features(problem, home, month, run_id="r")

    return bring


def asked(tick):
    """The one request of a tick."""
    assert tick.skip_message is None
    (request,) = tick.run_requests
    return request


def is_a_sentence(text):
    return text[0].isupper() and text.endswith(".") and len(text.split()) > 3


class TestSensor:
    def test_says_that_a_folder_is_empty(self, deployment):
        tick = deployment.tick()

        assert "Nothing of complaints is new or was revised." in tick.skip_message
        assert f"{deployment.inbox} has no data file" in tick.skip_message
        assert is_a_sentence(tick.skip_message)

    def test_asks_for_one_run_over_all_new_files(self, deployment):
        deployment.deliver(*GOOD)

        request = asked(deployment.tick())

        assert (request.tags[START], request.tags[END]) == (GOOD[0], GOOD[-1])
        assert request.tags["ml_assets/trigger"] == "new data"
        assert request.tags["ml_assets/who"] == "sensor complaints_source"

    def test_asks_by_the_same_key_until_something_is_done(self, deployment):
        deployment.deliver(*GOOD)

        assert asked(deployment.tick()).run_key == asked(deployment.tick()).run_key

    def test_asks_by_another_key_for_another_content(self, deployment):
        deployment.deliver(GOOD[0])
        before = asked(deployment.tick())

        deployment.deliver(GOOD[0], seed=1)
        after = asked(deployment.tick())

        assert before.tags[START] == after.tags[START] == GOOD[0]
        assert before.run_key != after.run_key

    def test_skips_when_all_is_done(self, deployment, brought):
        deployment.deliver(*GOOD)
        brought(*GOOD)

        tick = deployment.tick()

        assert tick.skip_message == "Nothing of complaints is new or was revised."

    def test_asks_for_the_revised_month_alone(self, deployment, brought):
        deployment.deliver(*GOOD)
        brought(*GOOD)
        deployment.deliver(GOOD[1], seed=1)

        request = asked(deployment.tick())

        assert (request.tags[START], request.tags[END]) == (GOOD[1], GOOD[1])

    @pytest.mark.parametrize("until", ["raw", "validated"])
    def test_asks_for_what_a_killed_run_left_behind(self, deployment, brought, until):
        deployment.deliver(*GOOD)
        brought(*GOOD, until=until)

        request = asked(deployment.tick())

        assert (request.tags[START], request.tags[END]) == (GOOD[0], GOOD[-1])

    def test_waits_while_a_run_is_going_on(self, deployment):
        deployment.deliver(*GOOD)
        run = deployment.instance.create_run_for_job(
            deployment.definitions.resolve_job_def("complaints_refresh"),
            status=dg.DagsterRunStatus.STARTED,
        )

        tick = deployment.tick()

        assert tick.skip_message == f"Run {run.run_id[:8]} is not finished yet."

    def test_does_not_ask_again_for_what_failed(self, deployment):
        deployment.deliver(*GOOD)
        request = asked(deployment.tick())
        run = deployment.instance.create_run_for_job(
            deployment.definitions.resolve_job_def("complaints_refresh"),
            tags={"dagster/run_key": request.run_key, **request.tags},
            status=dg.DagsterRunStatus.FAILURE,
        )

        tick = deployment.tick()

        assert tick.skip_message == (
            f"Run {run.run_id[:8]} was asked to do the same and ended as FAILURE. "
            "Correct what it says and execute it again."
        )

    def test_asks_again_once_a_refused_month_was_repaired(self, deployment, brought):
        deployment.deliver(*GOOD)
        deployment.deliver(BAD, broken=BROKEN_ROWS)
        first = asked(deployment.tick())
        brought(*MONTHS)
        refused = deployment.tick()

        deployment.deliver(BAD)
        request = asked(deployment.tick())

        assert is_a_sentence(refused.skip_message)
        assert request.run_key != first.run_key
        assert (request.tags[START], request.tags[END]) == (BAD, BAD)

    def test_names_a_file_that_cannot_be_read_and_asks_once_it_was_repaired(self, deployment):
        (deployment.inbox / f"{BAD}.csv").write_bytes(b"\x00\x01 no table at all")
        broken = deployment.tick()

        deployment.deliver(BAD)
        request = asked(deployment.tick())

        assert f"{BAD}.csv was refused: " in broken.skip_message
        assert is_a_sentence(broken.skip_message)
        assert (request.tags[START], request.tags[END]) == (BAD, BAD)

    def test_says_which_rows_lie_before_the_first_partition(self, deployment):
        deployment.deliver("2011-06")

        tick = deployment.tick()

        assert "Rows of 2011-06 lie outside the partitions from 2011-12-01" in tick.skip_message
        assert is_a_sentence(tick.skip_message)


class TestSchedules:
    @pytest.mark.parametrize("name", ["complaints_weekly", "complaints_monthly"])
    def test_skip_while_there_are_no_features(self, deployment, name):
        tick = deployment.tock(name)

        assert tick.run_requests == []
        assert is_a_sentence(tick.skip_message)

    @pytest.mark.parametrize("name", ["complaints_weekly", "complaints_monthly"])
    def test_ask_for_a_model_when_there_is_none(self, deployment, brought, name):
        deployment.deliver(*GOOD)
        brought(*GOOD)

        (request,) = deployment.tock(name).run_requests

        assert request.tags["ml_assets/trigger"] == "schedule"

    def test_skip_when_the_model_was_made_from_the_same(self, deployment, brought, now):
        deployment.deliver(*GOOD)
        brought(*GOOD)
        deployment.tock("complaints_weekly")
        model = ensure_model(COMPLAINTS.load(), deployment.home, now=now, run_id="r")

        tick = deployment.tock("complaints_weekly")

        assert tick.skip_message == (
            f"Nothing new: {model.version} was trained from the same 3 partitions, code and "
            "configuration."
        )

    def test_ask_again_after_a_revision(self, deployment, brought, now):
        deployment.deliver(*GOOD)
        brought(*GOOD)
        deployment.tock("complaints_weekly")
        ensure_model(COMPLAINTS.load(), deployment.home, now=now, run_id="r")
        deployment.deliver(GOOD[1], seed=1)
        brought(*GOOD)

        tick = deployment.tock("complaints_weekly")

        assert len(tick.run_requests) == 1
