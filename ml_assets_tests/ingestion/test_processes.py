"""What only a kill, several processes or a large file shows."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml_assets.ingestion import ingest, register_source
from ml_assets.problem import problem_named
from ml_assets.storage import Home

TRIAL_DATA = os.environ.get("ML_ASSETS_TRIAL_DATA")

INGEST = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ml_assets.ingestion import ingest, register_source
from ml_assets.problem import problem_named
from ml_assets.progress import shown_by
from ml_assets.storage import Home

class Lines:
    def start(self, label, total):
        return label

    def advance(self, label, steps):
        if not label.startswith("hash"):
            print("step", label, flush=True)

    def finish(self, label):
        pass

problem, home = problem_named("complaints"), Home.open(sys.argv[1], environment={})
register_source(problem, home, Path(sys.argv[2]))
with shown_by(Lines()):
    done = ingest(problem, home, None, run_id="child", now=datetime(2026, 11, 20, tzinfo=UTC))
print("rows", sum(each.rows for each in done.partitions), flush=True)
status = Path("/proc/self/status")
if status.exists():  # elsewhere memory is not measured
    (peak,) = (line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line)
    print("peak_mb", int(peak) // 1024, flush=True)
"""


def start(home, source):
    command = [sys.executable, "-c", INGEST, str(home), str(source)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(home, source):
    """Ingest in a process of its own; what it says at the end."""
    child = start(home, source)
    out, _ = child.communicate(timeout=600)
    assert child.returncode == 0
    said = (line.split() for line in out.splitlines() if not line.startswith("step"))
    return {word: int(number) for word, number in said}


def kill_after(steps, home, source):
    """Kill an ingestion once it has done so many steps; whether it was still at work."""
    child = start(home, source)
    with child.stdout:
        for line in child.stdout:
            steps -= line.startswith("step")
            if steps <= 0:
                break
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=60)
    return child.returncode == -signal.SIGKILL


def complaints_csv(path, rows):
    lines = [
        f"{number},{month:02d}/15/{year},Fees,{note}" for number, month, year, note in rows
    ]
    text = "\n".join(["complaint_id,date_received,issue,narrative", *lines])
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")


def contents(home):
    """What every partition of raw holds: its hash, and its rows."""
    lake = Home.open(home, environment={}).lake
    states = lake.partitions("complaints/raw")
    ids = lake.read("complaints/raw", columns=["complaint_id"])["complaint_id"].to_pylist()
    return {key: state.content_hash for key, state in states.items()}, sorted(ids)


@pytest.fixture(scope="module")
def two_years(tmp_path_factory):
    """Two years of complaints by month, and what becomes of them when nobody disturbs."""
    folder = tmp_path_factory.mktemp("two_years")
    rows = [(i, 1 + i % 12, 2014 + i % 24 // 12, "x" * 200) for i in range(12_000)]
    complaints_csv(folder / "inbox" / "a.csv", rows)
    run(folder / "home", folder / "inbox")
    return folder


@pytest.fixture(scope="module")
def two_years_revised(two_years, tmp_path_factory):
    """The same, and then a file by which many rows move to another month."""
    folder = tmp_path_factory.mktemp("revised")
    shutil.copytree(two_years, folder, dirs_exist_ok=True)
    moved = [(i, 1 + (i + 5) % 12, 2014 + i % 24 // 12, "y") for i in range(0, 12_000, 7)]
    complaints_csv(folder / "inbox" / "b.csv", moved)
    run(folder / "home", folder / "inbox")
    return folder


@pytest.mark.slow
class TestKill:
    @pytest.mark.parametrize("steps", [1, 2, 9, 24])
    def test_loses_and_doubles_nothing_while_files_are_new(self, tmp_path, two_years, steps):
        was_killed = kill_after(steps, tmp_path, two_years / "inbox")

        run(tmp_path, two_years / "inbox")

        assert was_killed
        assert contents(tmp_path) == contents(two_years / "home")

    @pytest.mark.parametrize("steps", [1, 5, 20, 30, 45])
    def test_loses_and_doubles_nothing_while_rows_move(
        self, tmp_path, two_years, two_years_revised, steps
    ):
        inbox = two_years_revised / "inbox"
        shutil.copytree(two_years / "home", tmp_path / "home")

        was_killed = kill_after(steps, tmp_path / "home", inbox)
        halfway = contents(tmp_path / "home")[1]
        run(tmp_path / "home", inbox)

        assert was_killed
        assert len(halfway) == len(set(halfway))
        assert contents(tmp_path / "home") == contents(two_years_revised / "home")


@pytest.mark.slow
class TestSeveralProcesses:
    def test_take_turns(self, tmp_path, two_years):
        children = [start(tmp_path, two_years / "inbox") for _ in range(3)]
        said = [child.communicate(timeout=300)[0] for child in children]

        assert [child.returncode for child in children] == [0, 0, 0]
        assert sum("step read a.csv" in each for each in said) == 1
        assert contents(tmp_path) == contents(two_years / "home")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to ask")
class TestMemory:
    def test_needs_hardly_more_memory_for_ten_times_the_rows(self, tmp_path):
        note = "they charged me a fee " * 45
        for rows in (40_000, 400_000):
            months = ((i, 1 + i % 12, 2010 + i % 5, f"{i} {note}") for i in range(rows))
            complaints_csv(tmp_path / f"{rows}" / "a.csv", months)

        small = run(tmp_path / "small", tmp_path / "40000")
        large = run(tmp_path / "large", tmp_path / "400000")

        assert (small["rows"], large["rows"]) == (40_000, 400_000)
        assert large["peak_mb"] < 1_000
        assert large["peak_mb"] < 3 * small["peak_mb"]

    @pytest.mark.skipif(TRIAL_DATA is None, reason="ML_ASSETS_TRIAL_DATA names no folder")
    def test_takes_three_million_rows_in_less_than_two_gibibytes(self, tmp_path):
        (path,) = Path(TRIAL_DATA).rglob("cfpb_structured_2011_2022_2.96M.parquet")

        done = run(tmp_path / "home", path)

        assert done["rows"] == pq.read_metadata(path).num_rows
        assert done["peak_mb"] < 2_048

    @pytest.mark.skipif(TRIAL_DATA is None, reason="ML_ASSETS_TRIAL_DATA names no folder")
    def test_takes_every_row_of_a_real_export(self, home, now):
        (path,) = Path(TRIAL_DATA).rglob("cfpb_narratives_labelled_6k.csv")
        problem = problem_named("complaints")
        register_source(problem, home, path)

        done = ingest(problem, home, None, run_id="r", now=now)

        assert [(file.rows, file.faulty_rows) for file in done.files] == [(6_013, 0)]
        assert sum(each.rows for each in done.partitions) == 6_013
