"""Another package brings a problem by an entry point, with no change to this one."""

import subprocess
import sys
from pathlib import Path

from ml_assets.problem import problem_named

DECLARATION = """
from pathlib import Path

from ml_assets.problem import Config, Problem
from ml_assets.problems.complaints import complaints

grievances = Problem(
    name="grievances",
    folder=Path(__file__).parent,
    contract=complaints.contract,
    features=complaints.features,
    sample=complaints.sample,
    config=complaints.config,
)
"""


def test_another_package_brings_a_problem(tmp_path: Path):
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "__init__.py").write_text(DECLARATION)
    config = (problem_named("complaints").folder / "config.yaml").read_text()
    (package / "config.yaml").write_text(config)
    installed = tmp_path / "elsewhere-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n"
    )
    (installed / "entry_points.txt").write_text(
        "[ml_assets.problems]\ngrievances = elsewhere:grievances\n"
    )

    found = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "from ml_assets.problem import problem_named;"
                "print(problem_named('grievances').entity_id)"
            ),
        ],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == "complaint_id"
