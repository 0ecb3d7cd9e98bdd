"""Does the service answer as training did? Held-out rows are replayed before a release.

The real application is started beside a socket of its own on the loopback and asked over HTTP, in
JSON, for exactly the version that is to be released: many rows in one request, and some of them one
by one, since the two take different ways. What it reads of each row and what it answers must be
what training saw. The first difference is named; any of them blocks the release.

What is asked goes to a log of its own, which nobody keeps.
"""

import http.client
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import uvicorn

from ml_assets.errors import MLAssetsError, RequestRefused
from ml_assets.feedback.held_out import HeldOut, held_out_rows
from ml_assets.feedback.recomputing import is_same
from ml_assets.inference.agreement import SAME_ANSWER
from ml_assets.problem import Problem
from ml_assets.registry import Bundle, Finding, ModelVersion, ReleaseCheck
from ml_assets.storage import Home, Store

CHECK = "serves as it learned"
MOST_ROWS = 2_000
ROWS_A_REQUEST = 500
ROWS_ALONE = 200
"""Asked for one by one, too."""

START_SECONDS = 60.0
OK = 200


class Difference(NamedTuple):
    """One value that is not what training saw."""

    column: str
    entity: str
    learned: Any
    served: Any


def served_alike(clock: Callable[[], datetime]) -> ReleaseCheck:
    """Make the check that a promotion asks for.

    Args:
        clock: Says what time it is.
    """

    def check(problem: Problem, home: Home, version: ModelVersion, bundle: Bundle) -> Finding:
        held_out = held_out_rows(problem, home, bundle, most=MOST_ROWS)
        if not held_out.rows:
            text = (
                f"none of {held_out.revised:,} held-out rows can be replayed: their source or the "
                "libraries changed since. Train again"
            )
            return Finding(CHECK, passed=False, text=text)
        try:
            with serving(problem, home, clock=clock) as port:
                answers = _ask(port, problem, version, held_out.rows)
                alone = _ask_alone(port, problem, version, held_out.rows[:ROWS_ALONE])
        except RequestRefused as error:
            text = f"the service refused held-out rows: {error}"
            return Finding(CHECK, passed=False, text=text)
        found = [*differences(held_out, answers), *differences(held_out, alone)]
        return _finding(held_out, found)

    return check


def differences(
    held_out: HeldOut, answers: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    """Where answers of the service are not what training saw; answers are of the first rows."""
    seen = held_out.features.astype(object).to_dict("records")
    for row, entity, prediction, answer in zip(
        seen, held_out.entities, held_out.predictions, answers, strict=False
    ):
        served = answer["features"]
        for name, learned in row.items():
            if not is_same(learned, served.get(name)):
                yield Difference(str(name), entity, learned, served.get(name))
        if not is_same(prediction, answer["prediction"], limit=SAME_ANSWER):
            yield Difference("the prediction", entity, prediction, answer["prediction"])
    yield from _differing_ends(held_out, answers)


def _differing_ends(
    held_out: HeldOut, answers: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    """Where intervals are not those that the model was measured by."""
    if held_out.ends is None:
        return
    for ends, entity, answer in zip(held_out.ends, held_out.entities, answers, strict=False):
        served = answer.get("interval") or {}
        for name, learned in zip(("lower", "upper"), ends, strict=True):
            if not is_same(learned, served.get(name), limit=SAME_ANSWER):
                yield Difference(f"the {name} end", entity, learned, served.get(name))


@contextmanager
def serving(problem: Problem, home: Home, *, clock: Callable[[], datetime]) -> Iterator[int]:
    """Run the service in a thread of this process while the block runs; its port."""
    from ml_assets.serving.app import application  # it releases too, so it knows this module

    with (
        tempfile.TemporaryDirectory(prefix="ml_assets_replay_") as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        log = Store(f"sqlite:///{Path(folder) / 'log.db'}")
        app = application(home, [problem], clock=clock, log=log)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
            log.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise MLAssetsError(
                "The service that was to replay held-out rows did not start. Start it by hand, "
                "and it says why: ml-assets serve"
            )
        time.sleep(0.01)


def _ask(
    port: int, problem: Problem, version: ModelVersion, rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Ask about many rows at a time."""
    found = []
    with _connection(port) as connection:
        for start in range(0, len(rows), ROWS_A_REQUEST):
            some = rows[start : start + ROWS_A_REQUEST]
            found += _answer(connection, problem, version, some)["predictions"]
    return found


def _ask_alone(
    port: int, problem: Problem, version: ModelVersion, rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Ask about rows one by one."""
    with _connection(port) as connection:
        return [_answer(connection, problem, version, row) for row in rows]


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def _answer(
    connection: http.client.HTTPConnection,
    problem: Problem,
    version: ModelVersion,
    body: object,
) -> Any:
    """Ask once.

    Raises:
        RequestRefused: With what the service says.
    """
    path = f"/{problem.name}/versions/{version.version}/predict?features&trial"
    connection.request(
        "POST",
        path,
        body=orjson.dumps(body),
        headers={"content-type": "application/json"},
    )
    response = connection.getresponse()
    answer = orjson.loads(response.read())
    if response.status != OK:
        raise RequestRefused(response.status, str(answer.get("detail", answer)))
    return answer


def _finding(held_out: HeldOut, found: Sequence[Difference]) -> Finding:
    """Any difference blocks the release; the columns are named with how often, and an example."""
    rows = len(held_out.rows)
    left_out = f" ({held_out.revised:,} were revised since)" if held_out.revised else ""
    if not found:
        text = (
            f"{rows:,} held-out rows replayed{left_out}: every feature and prediction the same"
        )
        return Finding(CHECK, passed=True, text=text)
    counts = Counter(
        {name: len({d.entity for d in found if d.column == name}) for name, *_ in found}
    )
    named = ", ".join(f"{name} in {count:,}" for name, count in counts.most_common())
    first = found[0]
    text = (
        f"the service does not see what training saw, of {rows:,} held-out rows{left_out}: {named}; "
        f"such as {first.column} of {first.entity}: {first.learned!r} at training, "
        f"{first.served!r} served"
    )
    return Finding(CHECK, passed=False, text=text)
