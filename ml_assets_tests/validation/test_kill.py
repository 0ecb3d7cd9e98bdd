import subprocess
import sys
import time

import pytest

ADMIT = """
import sys
from datetime import UTC, datetime
from ml_assets.problem import problem_named
from ml_assets.storage import Home
from ml_assets.validation import admit

home = Home.open(sys.argv[1], environment={})
complaints = problem_named("complaints")
complaints.schema
print("ready", flush=True)
admit(complaints, home, "2015-03", run_id="killed", now=datetime(2026, 11, 20, tzinfo=UTC))
print("done", flush=True)
"""


def killed_after(home, seconds):
    """Ask for the partition in another process, and kill it; whether it had come to its end."""
    command = [sys.executable, "-c", ADMIT, str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        return "done" in process.stdout.read()


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_doubles_and_halves_nothing(gate, drawn):
    df = drawn(20_000)
    df.loc[:499, "state"] = "Texas"
    gate.ingest("2015-03", df)

    for seconds in (0.05, 0.15, 0.3, 0.5, 0.8):
        killed_after(gate.home, seconds)
        assert len(gate.ids("validated", "2015-03")) in (0, 19_500)
        assert len(gate.ids("quarantined", "2015-03")) in (0, 500)
    admission = gate.admit("2015-03")

    assert (admission.rows_valid, admission.rows_quarantined) == (19_500, 500)
    assert gate.ids("validated", "2015-03") == list(df["complaint_id"][500:])
    assert gate.ids("quarantined", "2015-03") == list(df["complaint_id"][:500])
    assert gate.admit("2015-03").unchanged
