"""`ml-assets` as a shell calls it: in this process, or as a program of its own."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from ml_assets.cli import main


@dataclass(frozen=True, kw_only=True)
class Called:
    """What a command said, and how it ended."""

    exit_code: int
    out: str
    err: str

    @property
    def facts(self):
        return json.loads(self.out)

    @property
    def words(self):
        """What it printed, without the line breaks of its tables."""
        return " ".join(self.out.split())


def call_ml_assets(*arguments):
    """Call `ml-assets` in this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["ml-assets", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return Called(exit_code=int(ended.value.code or 0), out=out.getvalue(), err=err.getvalue())
