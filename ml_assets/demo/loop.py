"""The loop closes: the champion answers, labels come back, a model learns from them and takes over.

Nobody helps: the sensor finds what has passed its label delay and asks for the run, the policy and
the gate decide, and the service notices. Whether it worked is read from the stores and from what a
client saw meanwhile.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from ml_assets.demo.service import Ask, client, running_service
from ml_assets.demo.traffic import REQUESTS, Traffic, traffic
from ml_assets.errors import MLAssetsError
from ml_assets.feedback import feedback_partitions, predictions, predictions_by_id
from ml_assets.problem import Declared, Problem
from ml_assets.progress import track
from ml_assets.registry import champion, decisions, releases, version_named
from ml_assets.storage import Home

LABELS_A_REQUEST = 100
PROBE_SECONDS = 0.05
SWAP_SECONDS = 5.0
"""So soon after a release the new version must answer: a quiet machine needs one second, and the
demo is played on busy ones."""


@dataclass(frozen=True, kw_only=True)
class LoopOutcome:
    """What came of the loop.

    Attributes:
        requests: Sent, one row each; 0 when the loop was played in this home before.
        requests_a_second: By one client, each waiting for the one before.
        logged: Answers in the prediction log, of those that were given.
        labels: Rows with a label that the feedback table holds.
        batches: Feedback batches.
        before: Number of the version that answered the requests.
        after: Number of the version that answers now.
        decision: Why it does.
        learned_batches: Batches that it learned from.
        swap_seconds: From its release until a client had an answer of it.
        asked_meanwhile: Requests that the client sent while the version was trained and swapped.
        failed_meanwhile: Of them, those that had no answer.
    """

    requests: int
    requests_a_second: float
    logged: int
    labels: int
    batches: tuple[str, ...]
    before: str
    after: str
    decision: str
    learned_batches: int
    swap_seconds: float | None
    asked_meanwhile: int
    failed_meanwhile: int

    @property
    def closed(self) -> bool:
        """Whether every answer is logged, every label learned from, and the new version answers."""
        swapped = not self.requests or (
            self.swap_seconds is not None and self.swap_seconds <= SWAP_SECONDS
        )
        return (
            self.logged >= REQUESTS
            and self.labels >= REQUESTS
            and self.learned_batches == len(self.batches) > 0
            and self.before != self.after
            and swapped
            and self.failed_meanwhile == 0
        )


@dataclass
class Watch:
    """What a client sees that keeps asking, and when the release log says something else."""

    released: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    failed: int = 0

    def swap_seconds(self, version: str) -> float | None:
        """From the release of a version until it answered; None when it did not."""
        if version not in self.answered or version not in self.released:
            return None
        return max(0.0, self.answered[version] - self.released[version])


def play_loop(problem: Problem, home: Home) -> LoopOutcome:
    """Play it; where it was played before, only look at what came of it.

    Raises:
        MLAssetsError: If the service refuses what it is sent.
    """
    if _was_played(problem, home):
        return _outcome(problem, home, ids=[], seconds=0.0, watch=Watch())
    drawn, watch = traffic(problem), Watch()
    with running_service(home.path, problem.name) as address:
        started = time.monotonic()
        ids = _predict(problem, address, drawn)
        seconds = time.monotonic() - started
        _label(problem, address, ids, drawn)
        with _watched(problem, home, address, drawn, watch):
            _retrain(problem, home)
            _wait_for_the_swap(problem, home, watch)
    return _outcome(problem, home, ids=ids, seconds=seconds, watch=watch)


def _predict(problem: Problem, address: str, drawn: Traffic) -> list[str]:
    """Ask about each row; the ids of the answers."""
    with client(address) as ask:
        path = f"/{problem.name}/predict"
        return [str(ask(path, row)["id"]) for row in track(drawn.rows, "send requests")]


def _label(problem: Problem, address: str, ids: Sequence[str], drawn: Traffic) -> None:
    """Say what came of each answer."""
    events = [
        {"prediction_id": id_, "label": label}
        for id_, label in zip(ids, drawn.labels, strict=True)
    ]
    parts = [
        events[start : start + LABELS_A_REQUEST]
        for start in range(0, len(events), LABELS_A_REQUEST)
    ]
    with client(address) as ask:
        for part in track(parts, "send feedback"):
            ask(f"/{problem.name}/feedback", part)


def _retrain(problem: Problem, home: Home) -> None:
    """Let the sensor look once, as the daemon does every 30 seconds."""
    from ml_assets.defs.runs import tick_here
    from ml_assets.defs.wiring import definitions_of

    declared = Declared.of(problem)
    tick = tick_here(definitions_of(declared), f"{problem.name}_feedback", home=home)
    failed = [failure for run in tick.runs for failure in run.failures]
    if failed or not tick.runs:
        why = "; ".join(each.message for each in failed) or tick.reason
        raise MLAssetsError(f"The labels did not become a model: {why}")


@contextmanager
def _watched(
    problem: Problem, home: Home, address: str, drawn: Traffic, watch: Watch
) -> Iterator[None]:
    """Keep asking the service, and looking at the release log, while the block runs."""
    over = threading.Event()

    def watching() -> None:
        with client(address) as ask:
            while not over.wait(PROBE_SECONDS):
                _probe(problem, home, ask, drawn, watch)

    thread = threading.Thread(target=watching)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _probe(problem: Problem, home: Home, ask: Ask, drawn: Traffic, watch: Watch) -> None:
    """Ask once, as a trial that nobody acts on."""
    if (answering := champion(problem, home)) is not None:
        watch.released.setdefault(answering.version, time.monotonic())
    watch.asked += 1
    row = drawn.rows[watch.asked % len(drawn.rows)]
    try:
        answer = ask(f"/{problem.name}/predict?trial", row)
    except (MLAssetsError, OSError):
        watch.failed += 1
        return
    watch.answered.setdefault(str(answer["version"]), time.monotonic())


def _wait_for_the_swap(problem: Problem, home: Home, watch: Watch) -> None:
    """Wait until a client had an answer of the champion, but not much longer than it may take."""
    deadline = time.monotonic() + 2 * SWAP_SECONDS
    answering = champion(problem, home)
    while answering and answering.version not in watch.answered:
        if time.monotonic() > deadline:
            return
        time.sleep(PROBE_SECONDS)


def _was_played(problem: Problem, home: Home) -> bool:
    """Whether the version that answers has learned from feedback."""
    answering = champion(problem, home)
    return answering is not None and bool(answering.manifest.data.feedback)


def _outcome(
    problem: Problem, home: Home, *, ids: Sequence[str], seconds: float, watch: Watch
) -> LoopOutcome:
    """Read what came of it from the stores."""
    log = releases(problem, home)
    now = version_named(problem, home, log[-1].to_version)
    before = log[-1].from_version
    made = feedback_partitions(problem, home)
    decided = [each for each in decisions(problem, home) if each.version == now.version]
    return LoopOutcome(
        requests=len(ids),
        requests_a_second=len(ids) / seconds if seconds else 0.0,
        logged=len(predictions_by_id(problem, home, ids)) if ids else _logged(problem, home),
        labels=sum(each.rows_valid for each in made.values()),
        batches=tuple(made),
        before=version_named(problem, home, before).number if before else "nobody",
        after=now.number,
        decision=decided[-1].message if decided else "",
        learned_batches=len(now.manifest.data.feedback),
        swap_seconds=watch.swap_seconds(now.version),
        asked_meanwhile=watch.asked,
        failed_meanwhile=watch.failed,
    )


def _logged(problem: Problem, home: Home) -> int:
    """How many answers the prediction log has that somebody saw."""
    mine = (predictions.c.problem == problem.name) & predictions.c.exposed
    query = sa.select(sa.func.count()).where(mine)
    with home.store.connect() as connection:
        return int(connection.scalar(query) or 0)
