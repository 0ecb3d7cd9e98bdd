import datetime as dt
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from loans import LOANS, with_config

from ml_assets.definitions import defs
from ml_assets.defs.partitions import windows_of
from ml_assets.defs.wiring import definitions_of
from ml_assets.problem import Declared, declared_problems

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

HEAVY = ["pandas", "sklearn", "pandera", "matplotlib", "duckdb", "scipy", "skops"]

LOAD = f"""
import sys
import ml_assets.definitions
print(*(name for name in {HEAVY} if name in sys.modules))
"""


def written_out(definitions):
    """Everything that a person meets in the UI, one thing a line."""
    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.toposorted_asset_keys]
    repository = definitions.get_repository_def()
    jobs = [each for each in repository.get_all_jobs() if not each.name.startswith("__")]
    return "\n".join(
        [
            *map(asset_line, sorted(nodes, key=lambda each: each.key.to_user_string())),
            *map(check_line, sorted(graph.asset_check_keys, key=str)),
            *(job_line(each) for each in sorted(jobs, key=lambda each: each.name)),
            *(
                f"schedule {each.name}: {each.cron_schedule} starts {each.job_name}, "
                f"{each.default_status.value}"
                for each in sorted(repository.schedule_defs, key=lambda each: each.name)
            ),
            *(
                f"sensor {each.name}: every {each.minimum_interval_seconds} s starts "
                f"{' or '.join(target.job_name for target in each.targets)}, "
                f"{each.default_status.value}"
                for each in repository.sensor_defs
            ),
            "",
        ]
    )


def asset_line(node):
    parents = ", ".join(sorted(each.path[-1] for each in node.parent_keys)) or "the sources"
    grain = grain_of(node.partitions_def)
    kinds = ", ".join(sorted(node.kinds))
    return (
        f"asset {node.key.to_user_string()}: {grain}, from {parents}; {kinds}; "
        f"{node.tags['stage']}; {', '.join(node.owners)}"
    )


def grain_of(partitions):
    if partitions is None:
        return "whole"
    match partitions:
        case dg.DynamicPartitionsDefinition():
            return f"by {partitions.name}"
        case dg.MultiPartitionsDefinition():
            return f"by {' and '.join(partitions.partition_dimension_names)}"
    return "monthly"


def check_line(key):
    return f"check {key.asset_key.to_user_string()}: {key.name}"


def job_line(job):
    selected = sorted(each.path[-1] for each in job.asset_layer.executable_asset_keys)
    return f"job {job.name}: {', '.join(selected) or 'no assets'}"


@pytest.mark.parametrize("declared", declared_problems(), ids=lambda each: each.name)
def test_are_those_of_the_snapshot(declared):
    snapshot = SNAPSHOTS / f"{declared.name}_definitions.txt"

    assert written_out(definitions_of(declared)) == snapshot.read_text()


def test_can_be_loaded():
    dg.Definitions.validate_loadable(defs)


def test_are_loaded_without_the_libraries_that_do_the_work():
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []


def test_leave_everything_off_until_a_person_turns_it_on():
    repository = defs.get_repository_def()

    automatic = [*repository.schedule_defs, *repository.sensor_defs]
    assert automatic
    assert {each.default_status.value for each in automatic} == {"STOPPED"}


def test_several_problems_lie_side_by_side():
    both = definitions_of(*declared_problems(), Declared.of(LOANS))

    dg.Definitions.validate_loadable(both)
    keys = {key.to_user_string() for key in both.resolve_asset_graph().get_all_asset_keys()}
    assert {"complaints/champion", "loans/champion"} <= keys


def test_a_schedule_can_be_left_out():
    problem = with_config(LOANS, schedule={"weekly": None})

    repository = definitions_of(Declared.of(problem)).get_repository_def()

    assert [each.name for each in repository.schedule_defs] == ["loans_monthly"]


class TestPartitions:
    @pytest.mark.parametrize("grain", ["daily", "weekly", "monthly"])
    @pytest.mark.parametrize("start", [dt.date(2020, 1, 1), dt.date(2019, 12, 18)])
    def test_are_those_that_the_problem_puts_rows_into(self, grain, start):
        problem = with_config(LOANS, partitions={"grain": grain, "start": str(start)})
        days = [start + dt.timedelta(days=number) for number in range(800)]

        keys = windows_of(problem.config.partitions).get_partition_keys()

        expected = list(dict.fromkeys(map(problem.partition_of, days)))
        assert keys[: len(expected)] == expected

    @pytest.mark.parametrize("grain", ["daily", "weekly", "monthly"])
    def test_reach_to_the_one_that_is_going_on(self, grain, now):
        problem = with_config(LOANS, partitions={"grain": grain})

        keys = windows_of(problem.config.partitions).get_partition_keys(now)

        assert keys[-1] == problem.partition_of(now.date())
