"""Several processes behind one port: one that dies is replaced, and all of them end together.

A replacement is forked from a process that has imported the service already, so it answers within
a second; it shares nothing else with it. When the supervisor itself is killed, its workers see it
and end as if they were told to.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import FrameType
from typing import NamedTuple

PRELOADED = ["ml_assets.serving.server", "skops.io"]

SHORT_SECONDS = 1.0
"""A worker that died sooner is replaced after so long, lest a fault at start keeps a core busy."""

STOP_SECONDS = 35
"""A little longer than a worker needs to drain."""

LOG = logging.getLogger("ml_assets.serving")

Work = Callable[[socket.socket], None]


class Worker(NamedTuple):
    """One process of the service, and when it was started."""

    process: ForkServerProcess
    started: float


def supervise(work: Work, listener: socket.socket, *, workers: int) -> None:
    """Keep as many processes running as are wanted; a signal ends them all.

    Args:
        work: What a process does with the listener until a signal ends it.
        listener: Shared by all of them; closed when the service ends.
        workers: How many.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    _start_fork_server()
    told = _told_to_stop()
    running = [_started(context, work, listener) for _ in range(workers)]
    while not told.poll():
        wait([told, *(worker.process.sentinel for worker in running)])
        if told.poll():
            break
        running = [_alive(each, context, work, listener) for each in running]
    listener.close()
    _stop(running)


def _start_fork_server() -> None:
    """Start the process that workers are forked from.

    It inherits what is ignored: a service manager's signal goes to all processes at once, and
    without this one nobody would know when the workers have drained.
    """
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    forkserver.ensure_running()
    signal.signal(signal.SIGTERM, before)


def _started(context: ForkServerContext, work: Work, listener: socket.socket) -> Worker:
    process = context.Process(target=_work_for_parent, args=(work, listener))
    process.start()
    return Worker(process, time.monotonic())


def _alive(
    worker: Worker, context: ForkServerContext, work: Work, listener: socket.socket
) -> Worker:
    """Return the worker, or another in its place."""
    process, started = worker
    if process.is_alive():
        return worker
    LOG.error("Worker %s ended (%s); another takes its place.", process.pid, process.exitcode)
    time.sleep(max(0.0, started + SHORT_SECONDS - time.monotonic()))
    return _started(context, work, listener)


def _stop(running: list[Worker]) -> None:
    """End all workers at once, and wait until the last has drained."""
    for worker in running:
        worker.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for worker in running:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            LOG.error("Worker %s does not end and is killed.", worker.process.pid)
            worker.process.kill()
            worker.process.join()


def _told_to_stop() -> Connection:
    """A connection that has something to read once a signal came."""
    told, tell = multiprocessing.Pipe(duplex=False)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal's handler
        tell.send_bytes(b"stop")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return told


def end_with_parent() -> None:
    """End this process, as if it were told to, once the one that started it is gone."""
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _work_for_parent(work: Work, listener: socket.socket) -> None:
    end_with_parent()
    work(listener)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
