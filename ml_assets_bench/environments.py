"""Environments of the peers that a benchmark compares with: made once, and kept."""

import shutil
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

DONE = "installed"


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """Make an environment in `folder` where it is missing; returns its Python."""
    python = folder / "bin" / "python"
    if not (folder / DONE).exists():
        print(f"Making an environment for {packages[0]}, once.", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True)
        (folder / DONE).touch()
    return python
