"""With Dagster's real daemon, code server and web server, on the loopback only."""

import json
import re
import socket
import sys
import time
import urllib.error
import urllib.request

import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from programs import started, wait_until
from quick import BAD, BROKEN_ROWS, COMPLAINTS, GOOD, MONTHS, Deployment, defs, deliver, key_of

from ml_assets.defs.runs import instance_of
from ml_assets.ingestion import register_source
from ml_assets.registry import champion
from ml_assets.storage import Home

CHAIN = ("raw", "validated", "quarantined", "features")

START_SECONDS = 240
WORK_SECONDS = 400

pytestmark = pytest.mark.slow


@pytest.fixture
def deployment(tmp_path):
    home = Home.open(tmp_path / "home", environment={})
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    register_source(COMPLAINTS.load(), home, inbox)
    with instance_of(home.path) as instance:
        yield Deployment(home=home, inbox=inbox, instance=instance, definitions=defs)


def backfill_of(deployment, months):
    """What the UI asks for when a person backfills a range."""
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=defs.resolve_asset_graph(),
        partition_names=list(months),
        asset_selection=[key_of(noun) for noun in CHAIN],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=deployment.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    deployment.instance.add_backfill(backfill)
    return backfill.backfill_id


def test_a_backfill_ends_with_the_good_partitions_and_without_the_bad_one(deployment):
    deployment.deliver(*GOOD)
    deployment.deliver(BAD, broken=BROKEN_ROWS)
    daemon = [sys.executable, "-W", "ignore", "-m", "dagster._daemon", "run", "-m", "quick"]

    with started(daemon, deployment.home) as log:
        name = backfill_of(deployment, MONTHS)
        status = wait_until(lambda: ended(deployment.instance, name), WORK_SECONDS, log)

    assert status is BulkActionStatus.COMPLETED_FAILED
    assert deployment.held("validated") == deployment.held("features") == GOOD
    assert deployment.shown("validated") == deployment.shown("features") == GOOD
    assert deployment.verdicts() == {
        month: "FAILED" if month == BAD else "SUCCEEDED" for month in MONTHS
    }
    (run,) = deployment.instance.get_runs()
    assert run.status.value == "FAILURE"


def ended(instance, backfill):
    """How a backfill ended; None while it has not."""
    status = instance.get_backfill(backfill).status
    under_way = {
        BulkActionStatus.REQUESTED,
        BulkActionStatus.CANCELING,
        BulkActionStatus.FAILING,
    }
    return None if status in under_way else status


START_SENSOR = """
mutation ($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) {
    __typename
    ... on Sensor { sensorState { status } }
    ... on PythonError { message }
  }
}
"""
PLACES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


def test_a_file_becomes_a_champion_by_itself_once_the_sensor_is_on(deployment):
    port = free_port()
    ui = [sys.executable, "-c", "from ml_assets.cli import main; main()", "ui"]

    with started(
        [*ui, "--home", deployment.home.path, "--port", str(port), "--service-port", "0"],
        deployment.home,
    ) as log:
        service = wait_until(lambda: service_of(log), START_SECONDS, log)
        assert wait_until(lambda: is_ready(service) is False, START_SECONDS, log)
        place = wait_until(lambda: place_of_definitions(port), START_SECONDS, log)
        assert turned_on(port, place, "complaints_source") == "RUNNING"
        for month in GOOD:
            deliver(deployment.inbox, month, rows=200)
        wait_until(lambda: champion(COMPLAINTS.load(), deployment.home), WORK_SECONDS, log)
        wait_until(lambda: is_ready(service), WORK_SECONDS, log)
        wait_until(lambda: all_finished(deployment.instance), WORK_SECONDS, log)

    assert deployment.held("features") == deployment.shown("features") == GOOD
    assert {run.status.value for run in deployment.instance.get_runs()} == {"SUCCESS"}


def service_of(log):
    """Where the prediction service says that it is."""
    found = re.search(r"The prediction service is starting on (http://\S+);", log.read_text())
    return found and found[1]


def is_ready(service):
    """Whether a champion answers; None while the service does not."""
    try:
        with urllib.request.urlopen(f"{service}/ready", timeout=30) as answer:  # noqa: S310
            return answer.status == 200
    except urllib.error.HTTPError:
        return False
    except OSError:
        return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, query, **variables):
    """What Dagster's web server answers to a query."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)["data"]


def place_of_definitions(port):
    """Where the web server found the definitions; None while it is not there yet."""
    try:
        nodes = ask(port, PLACES)["repositoriesOrError"]["nodes"]
    except (OSError, KeyError, TypeError):
        return None
    return nodes[0] if nodes else None


def turned_on(port, place, sensor):
    selector = {
        "repositoryName": place["name"],
        "repositoryLocationName": place["location"]["name"],
        "sensorName": sensor,
    }
    return ask(port, START_SENSOR, selector=selector)["startSensor"]["sensorState"]["status"]


def all_finished(instance):
    return all(run.is_finished for run in instance.get_runs())
