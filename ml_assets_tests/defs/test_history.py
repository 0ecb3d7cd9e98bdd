"""Dagster's own history, kept open: the same answers, and nothing lost between processes."""

import subprocess
import sys

import dagster as dg
import pytest

from ml_assets.defs.history import Events, Runs
from ml_assets.defs.runs import instance_of

WRITE = """
import sys
from pathlib import Path
import dagster as dg
from ml_assets.defs.runs import instance_of

with instance_of(Path(sys.argv[1])) as instance:
    for number in range(20):
        key = dg.AssetKey(["loans", f"asset_{number}"])
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=sys.argv[2]))
"""


@pytest.fixture
def instance(tmp_path):
    with instance_of(tmp_path) as instance:
        yield instance


def report(instance, *partitions):
    for partition in partitions:
        event = dg.AssetMaterialization(dg.AssetKey(["loans", "raw"]), partition=partition)
        instance.report_runless_asset_event(event)


def test_is_what_the_home_says(instance):
    assert isinstance(instance.event_log_storage, Events)
    assert isinstance(instance.run_storage, Runs)


def test_gives_back_what_was_said(instance):
    report(instance, "2015-03", "2015-04")

    assert instance.get_materialized_partitions(dg.AssetKey(["loans", "raw"])) == {
        "2015-03",
        "2015-04",
    }


def test_outlives_the_process_that_said_it(tmp_path):
    with instance_of(tmp_path) as before:
        report(before, "2015-03")

    with instance_of(tmp_path) as after:
        found = after.get_materialized_partitions(dg.AssetKey(["loans", "raw"]))

    assert found == {"2015-03"}


def test_opens_its_file_once_for_many_events(instance):
    engine = instance.event_log_storage._engine
    report(instance, "2015-03")

    report(instance, *(f"2016-{month:02d}" for month in range(1, 13)))

    assert engine.pool.checkedout() == 0
    assert engine.pool.checkedin() == 1


def test_takes_events_from_several_processes_at_once(tmp_path):
    with instance_of(tmp_path) as instance:
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), f"2015-0{number}"])
            for number in (1, 2, 3)
        ]
        codes = [writer.wait() for writer in writers]

        keys = [dg.AssetKey(["loans", f"asset_{number}"]) for number in range(20)]
        found = [instance.get_materialized_partitions(key) for key in keys]

    assert codes == [0, 0, 0]
    assert found == [{"2015-01", "2015-02", "2015-03"}] * 20
