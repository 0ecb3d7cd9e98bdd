"""The end of a command."""

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(code: str | int | None) -> NoReturn:
    """End the process, as `sys.exit` does, but without taking the interpreter apart.

    With Dagster, a model and its rows in memory that takes a second, and whatever has to be done
    at the end is done without it. Where a thread still works, the ordinary way is taken.
    """
    if isinstance(code, str) or threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no other way to ask for them
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        os._exit(1)
    os._exit(code or 0)
