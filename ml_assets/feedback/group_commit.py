"""Many callers, one commit: what makes a durable log quick.

A commit that the disk has confirmed takes milliseconds, however many rows are in it. So callers
hand their rows to a `GroupCommit`; while one group is being committed the next one gathers, and a
caller's future resolves once its own rows are in the store. Nothing here knows what the rows are.

A thread commits. Where a commit need not reach the disk it takes a twentieth of a millisecond, and
then the way to the thread and back is the larger part: an event loop commits small groups itself,
those of one of its turns together, and leaves to the thread whatever would make it wait.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import sqlalchemy as sa

from ml_assets.errors import MLAssetsError, StorageError, StoreOverloaded
from ml_assets.storage import OCCUPIED, AtOnce, Store

T = TypeVar("T")
R = TypeVar("R")

MAX_WAITING_ROWS = 20_000
"""At 20,000 rows a second, the last one waits a second; a service should say it is busy then."""

ROWS_AT_ONCE = 100
"""More of them would keep an event loop from its other work for a millisecond or longer."""

CHECKPOINT_ROWS = 2_000
"""A row alone in its commit makes the write-ahead log grow by about 20 KiB."""

STORE_FAILED = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
"""The store itself is in trouble, so trying each caller's rows on their own is no use."""

Write = Callable[[sa.Connection, Sequence[Sequence[T]]], Sequence[R]]
"""Writes the rows of several callers and has one answer for each of them."""


Waiter = Future[Any] | asyncio.Future[Any]


class Submission(NamedTuple):
    """One caller's rows, and what the caller waits on."""

    write: Write[Any, Any]
    rows: Sequence[Any]
    waiter: Waiter


class Outcome(NamedTuple):
    """What a caller is told: the answer, or what went wrong."""

    waiter: Waiter
    answer: object = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Wake the caller, in the thread where that is allowed."""
        if self.waiter.done():
            return
        if self.error is not None:
            self.waiter.set_exception(self.error)
        else:
            self.waiter.set_result(self.answer)


class GroupCommit:
    """One thread that commits the rows of many callers together.

    Safe to call from any thread and from asyncio. Closing it, or leaving its `with` block, commits
    what waits. It belongs to the process that made it: make one after a fork, not before.

    Args:
        store: Where to write; its tables must be there already.
        durable: Resolve only when the disk has the rows, so that they outlive a power cut; without,
            they outlive the process being killed.
        max_waiting_rows: Beyond it, a submission is refused.
    """

    def __init__(
        self,
        store: Store,
        *,
        durable: bool = True,
        max_waiting_rows: int = MAX_WAITING_ROWS,
    ) -> None:
        self._store = store
        self._durable = durable
        self._max_waiting_rows = max_waiting_rows
        self._lock = threading.Lock()
        self._waiting: list[Submission] = []
        self._waiting_rows = 0
        self._is_closed = False
        self._at_once = None if durable else AtOnce.of(store)
        self._using_at_once = threading.Lock()
        self._uncheckpointed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, write: Write[T, R], rows: Sequence[T]) -> "Future[R]":
        """Hand over rows that belong together.

        Args:
            write: Called in the writing transaction with the rows of every caller of the same
                `write`, in the order they came; answers each.
            rows: All of them are written, or none.

        Returns:
            The answer of `write`, once the rows are committed; or what kept them from it.

        Raises:
            StoreOverloaded: If too many rows wait already.
            StorageError: If the writer is closed.
        """
        future: Future[R] = Future()
        self._take_in(Submission(write, rows, future), self._commit_in_thread)
        return future

    async def write(self, write: Write[T, R], rows: Sequence[T]) -> R:
        """As `submit`, for asyncio: returns once the rows are committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._take_in(Submission(write, rows, future), self._committing_in(loop))
        return await future

    def close(self) -> None:
        """Commit what waits, take nothing more, and end the thread."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._thread.submit(self._commit_waiting)
        self._thread.shutdown(wait=True)
        with self._using_at_once:
            at_once, self._at_once = self._at_once, None
        if at_once is not None:
            at_once.close()

    def _take_in(self, submission: Submission, schedule: Callable[[], object]) -> None:
        rows = len(submission.rows)
        with self._lock:
            if self._is_closed:
                raise StorageError(
                    "The writer is closed, so the rows were not written. Open a new one."
                )
            self._require_room(rows)
            self._waiting.append(submission)
            self._waiting_rows += rows
            if len(self._waiting) == 1:
                schedule()

    def _require_room(self, rows: int) -> None:
        # One large submission is let in when nothing waits; it could never be written otherwise.
        if self._waiting and self._waiting_rows + rows > self._max_waiting_rows:
            raise StoreOverloaded(
                f"{self._waiting_rows:,} rows wait to be written, and with {rows:,} more they "
                f"would be over {self._max_waiting_rows:,}: the store does not keep up. Send them "
                "again in a second."
            )

    def _commit_in_thread(self) -> None:
        self._thread.submit(self._commit_waiting)

    def _committing_in(self, loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
        """How an event loop has its rows committed: by itself, after what else it does now."""
        if self._at_once is None:
            return self._commit_in_thread
        return lambda: loop.call_soon(self._commit_here)

    def _commit_here(self) -> None:
        """Commit what waits in this thread, or let the other one do it where that would take long."""
        with self._lock:
            if self._is_closed or not self._waiting:
                return
            is_small = self._waiting_rows <= ROWS_AT_ONCE
            if not is_small or not self._using_at_once.acquire(blocking=False):
                self._commit_in_thread()
                return
        try:
            group = self._taken_out()
            with _Answering(group):
                self._answer_at_once(group)
        finally:
            self._using_at_once.release()

    @property
    def writes_here(self) -> bool:
        """Whether `write_here` can ever commit: not where a commit waits for a disk or a server."""
        return self._at_once is not None

    def write_here(self, write: Write[T, R], rows: Sequence[T]) -> bool:
        """Commit rows before anything else happens, for who knows that no others are coming.

        Returns:
            Whether they are committed. Where they are not, nothing was done; `submit` then says
            what is wrong, if anything is.
        """
        if self._waiting or len(rows) > ROWS_AT_ONCE:
            return False
        if self._at_once is None or not self._using_at_once.acquire(blocking=False):
            return False
        try:
            at_once = None if self._is_closed else self._at_once
            found = at_once.write(lambda to: write(to, [rows])) if at_once else OCCUPIED
        except (sa.exc.SQLAlchemyError, MLAssetsError):
            return False
        finally:
            self._using_at_once.release()
        if found is not OCCUPIED:
            self._count(len(rows))
        return found is not OCCUPIED

    def _answer_at_once(self, group: list[Submission]) -> None:
        assert self._at_once is not None  # noqa: S101 - otherwise nothing is committed here
        try:
            answers = self._at_once.write(partial(_written, group))
        except (sa.exc.SQLAlchemyError, MLAssetsError):
            answers = OCCUPIED  # the thread finds out whose rows are to blame, and tells them
        if not isinstance(answers, list):
            self._put_back(group)
            return
        for each, answer in zip(group, answers, strict=True):
            Outcome(each.waiter, answer).tell()
        self._count(sum(len(each.rows) for each in group))

    def _put_back(self, group: list[Submission]) -> None:
        """Leave a group to the thread, before what came meanwhile."""
        with self._lock:
            self._waiting[:0] = group
            self._waiting_rows += sum(len(each.rows) for each in group)
            self._commit_in_thread()

    def _count(self, rows: int) -> None:
        """Have the thread keep the write-ahead log short."""
        self._uncheckpointed += rows
        if self._uncheckpointed < CHECKPOINT_ROWS:
            return
        self._uncheckpointed = 0
        with self._lock:
            if not self._is_closed and self._at_once is not None:
                self._thread.submit(self._at_once.checkpoint)

    def _commit_waiting(self) -> None:
        group = self._taken_out()
        with _Answering(group):
            _tell(self._outcomes(group))

    def _taken_out(self) -> list[Submission]:
        with self._lock:
            group, self._waiting, self._waiting_rows = self._waiting, [], 0
        return [each for each in group if _still_waits(each.waiter)]

    def _outcomes(self, group: list[Submission]) -> list[Outcome]:
        """Commit a group; when its rows are to blame, each submission on its own."""
        try:
            answers = self._commit(group)
        except STORE_FAILED as error:
            return [Outcome(each.waiter, error=error) for each in group]
        except (sa.exc.StatementError, MLAssetsError) as error:
            if len(group) == 1:
                return [Outcome(group[0].waiter, error=error)]
            return [outcome for each in group for outcome in self._outcomes([each])]
        return [
            Outcome(each.waiter, answer) for each, answer in zip(group, answers, strict=True)
        ]

    def _commit(self, group: list[Submission]) -> list[object]:
        with self._using_at_once:
            found = self._at_once.write(partial(_written, group)) if self._at_once else OCCUPIED
        if isinstance(found, list):
            # So the checkpoint comes after these callers have their answer, not before.
            self._count(sum(len(each.rows) for each in group))
            return found
        with self._store.begin(durable=self._durable) as connection:
            return _written(group, connection)


def _written(group: list[Submission], connection: sa.Connection) -> list[object]:
    """Write the rows of a group, those of the same `write` together; the answer of each."""
    by_write: dict[Write[Any, Any], list[int]] = {}
    for place, each in enumerate(group):
        by_write.setdefault(each.write, []).append(place)
    answers: list[object] = [None] * len(group)
    for write, places in by_write.items():
        found = write(connection, [group[place].rows for place in places])
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
    return answers


class _Answering:
    """Whatever happens inside the block, nobody of the group waits for ever."""

    def __init__(self, group: list[Submission]) -> None:
        self._group = group

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            _tell([Outcome(each.waiter, error=error) for each in self._group])


def _still_waits(waiter: Waiter) -> bool:
    """Whether the caller did not give up; from now on it cannot."""
    if not isinstance(waiter, Future) or waiter.running():
        return True
    return waiter.set_running_or_notify_cancel()


def _tell(outcomes: list[Outcome]) -> None:
    """Wake every caller; those of one event loop together, since a wake-up costs more than a row."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome.waiter, Future):
            outcome.tell()
        else:
            by_loop.setdefault(outcome.waiter.get_loop(), []).append(outcome)
    for loop, theirs in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, so nobody waits there
            loop.call_soon_threadsafe(_tell_all, theirs)


def _tell_all(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()
