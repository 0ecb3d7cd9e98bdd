"""What only several processes, a kill or a memory cap show."""

import json
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from ml_assets.storage import Commit, Lake, content_hash

TABLE = "complaints/raw"
COMMIT = Commit(run_id="rerun", code_hash="code", fingerprint="made")

OVERWRITE_TWENTY = """
import sys, time
from pathlib import Path
import pyarrow as pa
from ml_assets.storage import Commit, Lake

lake, start, number, fingerprint = Lake(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
commit = Commit(run_id=f"run-{number}", code_hash="code", fingerprint=fingerprint)
print("ready", flush=True)
while not start.exists():
    time.sleep(0.001)
for partition in range(20 * number, 20 * number + 20):
    lake.write("complaints/raw", f"{partition:03d}", pa.table({"writer": [number] * 50}), commit=commit)
"""

REWRITE_FOR_EVER = """
import itertools, sys
import pyarrow as pa
from ml_assets.storage import Commit, Lake

lake = Lake(sys.argv[1])
for number in itertools.count():
    rows = pa.table({"number": [number] * 50_000})
    commit = Commit(run_id="killed", code_hash="code", fingerprint=str(number))
    lake.write("complaints/raw", "2015-03", rows.to_reader(), commit=commit)
    print("written", flush=True)
"""

STOP_HALFWAY = """
import sys, time
import pyarrow as pa
from ml_assets.storage import Commit, Lake

def rows():
    for number in range(3):
        yield pa.record_batch({"number": list(range(200_000))})
    print("halfway", flush=True)
    time.sleep(600)

lake = Lake(sys.argv[1])
reader = pa.RecordBatchReader.from_batches(pa.schema([("number", pa.int64())]), rows())
lake.write("complaints/raw", "2015-03", reader,
           commit=Commit(run_id="killed", code_hash="code", fingerprint="other"))
"""

STREAM = """
import json, resource, sys
import numpy as np
import pyarrow as pa
from ml_assets.storage import Commit, Lake

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def rows(batches):
    for number in range(batches):
        numbers = np.random.default_rng(number).integers(0, 1 << 60, 10_000)
        text = pa.array(numbers).cast(pa.string())
        yield pa.record_batch({"number": numbers, "text": text, "more": text})

lake, batches = Lake(sys.argv[1]), int(sys.argv[2])
(first,) = rows(1)
reader = pa.RecordBatchReader.from_batches(first.schema, rows(batches))
state = lake.write("complaints/raw", "2015-03", reader,
                   commit=Commit(run_id="run", code_hash="code", fingerprint="made"))
written = peak()
read = sum(batch.num_rows for batch in lake.batches("complaints/raw"))
print(json.dumps({"rows": state.rows, "read": read, "size": first.nbytes * batches,
                  "write_peak": written, "read_peak": peak()}))
"""


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def overwrite_at_once(folder, fingerprint):
    """Let four processes overwrite twenty partitions each, all from the same moment on."""
    go = folder / f"go-{fingerprint}"
    writers = [
        start(OVERWRITE_TWENTY, folder / "lake", go, number, fingerprint) for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    go.touch()
    codes = [writer.wait() for writer in writers]
    for writer in writers:
        writer.stdout.close()
    return codes


def test_keeps_all_of_80_partitions_that_four_processes_overwrite_at_once(tmp_path):
    lake = Lake(str(tmp_path / "lake"))

    codes = overwrite_at_once(tmp_path, "first") + overwrite_at_once(tmp_path, "second")

    assert codes == [0] * 8
    states = lake.partitions(TABLE)
    assert list(states) == [f"{partition:03d}" for partition in range(80)]
    assert {state.fingerprint for state in states.values()} == {"second"}
    assert lake.read(TABLE)["writer"].to_pylist() == [
        w for w in range(4) for _ in range(20 * 50)
    ]
    assert len([line for line in lake.history(TABLE) if line.operation == "write"]) == 160


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.01, 0.02, 0.03, 0.05])
def test_a_kill_at_any_moment_leaves_a_whole_partition(tmp_path, pause):
    lake = Lake(str(tmp_path))
    writer = start(REWRITE_FOR_EVER, tmp_path)
    for _ in range(2):
        assert writer.stdout.readline() == "written\n"
    time.sleep(pause)

    kill(writer)

    state = lake.partitions(TABLE)["2015-03"]
    rows = lake.read(TABLE, columns=["number"])
    assert rows["number"].to_pylist() == [int(state.fingerprint)] * 50_000
    assert content_hash(rows.to_batches()) == state.content_hash

    lake.write(TABLE, "2015-03", pa.table({"number": [7]}), commit=COMMIT)

    assert lake.read(TABLE)["number"].to_pylist() == [7]


def test_a_kill_halfway_leaves_the_rows_of_before(tmp_path):
    lake = Lake(str(tmp_path))
    before = lake.write(TABLE, "2015-03", pa.table({"number": [1, 2]}), commit=COMMIT)
    writer = start(STOP_HALFWAY, tmp_path)
    assert writer.stdout.readline() == "halfway\n"

    kill(writer)

    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert lake.partitions(TABLE) == {"2015-03": before}
    assert lake.read(TABLE)["number"].to_pylist() == [1, 2]
    assert lake.connect().execute("select count(*) from complaints.raw").fetchall() == [(2,)]


def test_ten_times_the_rows_do_not_need_ten_times_the_memory(tmp_path):
    outputs = [
        subprocess.check_output([sys.executable, "-c", STREAM, str(tmp_path / str(n)), str(n)])
        for n in (60, 600)
    ]

    small, large = (json.loads(output) for output in outputs)

    assert large["rows"] == large["read"] == 10 * small["rows"]
    assert large["size"] > 250e6
    assert large["write_peak"] - small["write_peak"] < 40e6
    assert large["read_peak"] - small["read_peak"] < 80e6
