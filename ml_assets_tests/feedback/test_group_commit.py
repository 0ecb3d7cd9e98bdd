import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from ml_assets.errors import StorageError, StoreOverloaded
from ml_assets.feedback import (
    GroupCommit,
    log_predictions,
    predictions,
    predictions_by_id,
    write_predictions,
)
from ml_assets.storage import Store

KILLS = 25

UNDER_LOAD = """
import asyncio, os, sys, threading
from datetime import UTC, datetime
from ml_assets.feedback.group_commit import GroupCommit
from ml_assets.feedback.log import LoggedPrediction, prediction_ids, predictions, write_predictions
from ml_assets.storage import Store

store = Store(sys.argv[1])
store.ensure(predictions)

def ask(writer, acknowledged):
    now = datetime.now(UTC)
    for id in prediction_ids(now, 5_000):
        answer = LoggedPrediction(id, "complaints", "v1", now, "{}", "0" * 32, 0.5, True, True)
        writer.submit(write_predictions, [answer]).result()
        os.write(acknowledged, f"{id}\\n".encode())

def serve(acknowledged):
    writer = GroupCommit(store)
    threads = [threading.Thread(target=ask, args=(writer, acknowledged)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

async def ask_in_loop(writer, acknowledged):
    now = datetime.now(UTC)
    for id in prediction_ids(now, 5_000):
        answer = LoggedPrediction(id, "complaints", "v1", now, "{}", "0" * 32, 0.5, True, True)
        await writer.write(write_predictions, [answer])
        os.write(acknowledged, f"{id}\\n".encode())

async def serve_in_loop(acknowledged):
    writer = GroupCommit(store, durable=False)
    await asyncio.gather(*(ask_in_loop(writer, acknowledged) for _ in range(8)))

def serve_by_loop(acknowledged):
    asyncio.run(serve_in_loop(acknowledged))

serve = {"threads": serve, "event loop": serve_by_loop}[sys.argv[2]]
for line in sys.stdin:
    acknowledged = os.open(line.strip(), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child = os.fork()
    if child == 0:
        serve(acknowledged)
        break
    os.close(acknowledged)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.fixture
def store(any_home):
    any_home.store.ensure(predictions)
    return any_home.store


class Held:
    """A writer whose first commit waits, so that what comes meanwhile has to gather."""

    def __init__(self):
        self.go_on = threading.Event()
        self.groups = []

    def write(self, connection, groups):
        self.go_on.wait(10)
        self.groups.append(len(groups))
        return write_predictions(connection, groups)


def held_up(writer, held, answers):
    """Submit one answer that occupies the writer, then the others; returns the futures."""
    first, *others = answers
    futures = [writer.submit(held.write, [first])]
    wait_for(lambda: not writer._waiting)
    return futures + [writer.submit(held.write, [each]) for each in others]


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def written(store):
    with store.connect() as connection:
        return set(connection.scalars(sa.select(predictions.c.id)))


class TestGroupCommit:
    def test_resolves_when_the_rows_are_in_the_store(self, store, answered, now):
        with GroupCommit(store) as writer:
            for answer in answered(20, at=now):
                writer.submit(write_predictions, [answer]).result()

                assert answer.id in written(store)

    def test_commits_together_what_came_meanwhile(self, store, answered, now):
        answers, held = answered(50, at=now), Held()
        with GroupCommit(store) as writer:
            futures = held_up(writer, held, answers)
            held.go_on.set()
            for future in futures:
                future.result()

        assert held.groups == [1, 49]
        assert written(store) == {answer.id for answer in answers}

    def test_serves_many_threads_at_once(self, store, answered, now):
        answers = answered(400, at=now)

        with GroupCommit(store) as writer, ThreadPoolExecutor(16) as callers:
            waits = callers.map(
                lambda answer: writer.submit(write_predictions, [answer]).result(), answers
            )
            assert list(waits) == [None] * 400

        assert written(store) == {answer.id for answer in answers}

    @pytest.mark.parametrize("durable", [True, False])
    def test_serves_asyncio(self, durable, store, answered, now):
        answers = answered(200, at=now)

        async def ask(writer, answer):
            await writer.write(write_predictions, [answer])
            return answer.id in written(store)

        async def serve():
            with GroupCommit(store, durable=durable) as writer:
                return await asyncio.gather(*(ask(writer, each) for each in answers))

        assert all(asyncio.run(serve()))

    def test_answers_each_caller_with_its_own(self, store):
        def lengths(_connection, groups):
            return [len(group) for group in groups]

        def sums(_connection, groups):
            return [sum(group) for group in groups]

        with GroupCommit(store) as writer:
            futures = [
                writer.submit(write, list(range(size)))
                for size in range(30)
                for write in (lengths, sums)
            ]

        found = [future.result() for future in futures]
        assert found[::2] == list(range(30))
        assert found[1::2] == [sum(range(size)) for size in range(30)]


class Threads:
    """Writes answers, and remembers in which thread."""

    def __init__(self):
        self.names = []

    def write(self, connection, groups):
        self.names.append(threading.current_thread().name)
        return write_predictions(connection, groups)


class TestEventLoop:
    """One that waits for no disk commits by itself, as long as nothing else makes it wait."""

    @pytest.fixture
    def store(self, home):
        home.store.ensure(predictions)
        return home.store

    @staticmethod
    def written_by(store, *groups, durable=False):
        """Threads that wrote some groups of answers, which one event loop handed over at once."""
        threads = Threads()

        async def serve():
            with GroupCommit(store, durable=durable) as writer:
                await asyncio.gather(*(writer.write(threads.write, group) for group in groups))

        asyncio.run(serve())
        assert written(store) >= {answer.id for group in groups for answer in group}
        return [name.partition("_")[0] for name in threads.names]

    def test_commits_together_what_came_in_one_turn(self, store, answered, now):
        groups = [[answer] for answer in answered(20, at=now)]

        assert self.written_by(store, *groups) == ["MainThread"]

    def test_leaves_many_rows_to_the_thread(self, store, answered, now):
        assert self.written_by(store, answered(500, at=now)) == ["group-commit"]

    def test_leaves_what_needs_the_disk_to_the_thread(self, store, answered, now):
        groups = answered(1, at=now)

        assert self.written_by(store, groups, durable=True) == ["group-commit"]

    def test_leaves_broken_rows_to_the_thread_that_finds_out_whose_they_are(
        self, store, answered, now
    ):
        answers = answered(5, at=now)
        log_predictions(store, answers[2:3])

        async def serve():
            with GroupCommit(store, durable=False) as writer:
                return await asyncio.gather(
                    *(writer.write(write_predictions, [answer]) for answer in answers),
                    return_exceptions=True,
                )

        found = [type(outcome) for outcome in asyncio.run(serve())]

        assert found == [type(None)] * 2 + [sa.exc.IntegrityError] + [type(None)] * 2
        assert written(store) == {answer.id for answer in answers}

    def test_goes_on_while_another_writer_has_its_turn(self, store, answered, now):
        (answer,) = answered(1, at=now)
        turn, over = threading.Event(), threading.Event()

        def occupy():
            with store.begin():
                turn.set()
                over.wait(30)

        async def serve():
            with GroupCommit(store, durable=False) as writer:
                waiting = asyncio.ensure_future(writer.write(write_predictions, [answer]))
                for _ in range(50):
                    await asyncio.sleep(0.001)
                was_done = waiting.done()
                over.set()
                await waiting
                return was_done

        other = threading.Thread(target=occupy)
        other.start()
        turn.wait(30)
        was_done = asyncio.run(serve())
        other.join()

        assert not was_done
        assert written(store) == {answer.id}

    def test_keeps_the_write_ahead_log_short(self, store, home, answered, now):
        answers = answered(12_000, at=now)

        async def ask(writer, some):
            for answer in some:
                await writer.write(write_predictions, [answer])

        async def serve():
            with GroupCommit(store, durable=False) as writer:
                await asyncio.gather(*(ask(writer, answers[at::2]) for at in range(2)))
                return (home.path / "store.sqlite-wal").stat().st_size

        grown = asyncio.run(serve())

        assert grown < 4_500 * 20 * 1024
        assert len(written(store)) == 12_000

    def test_refuses_rows_once_it_is_closed(self, store, answered, now):
        async def serve():
            writer = GroupCommit(store, durable=False)
            await writer.write(write_predictions, answered(1, at=now))
            writer.close()
            await writer.write(write_predictions, answered(1, at=now))

        with pytest.raises(StorageError, match="The writer is closed"):
            asyncio.run(serve())

    def test_commits_what_waits_when_it_is_closed(self, store, answered, now):
        answers = answered(3, at=now)

        async def serve():
            writer = GroupCommit(store, durable=False)
            tasks = [
                asyncio.ensure_future(writer.write(write_predictions, [answer]))
                for answer in answers
            ]
            await asyncio.sleep(0)
            writer.close()
            await asyncio.gather(*tasks)

        asyncio.run(serve())

        assert written(store) == {answer.id for answer in answers}


class TestDurability:
    ASKED = ("pragma synchronous", "show synchronous_commit")

    @pytest.mark.parametrize(("durable", "levels"), [(True, {2, "on"}), (False, {1, "off"})])
    def test_is_the_disks_unless_the_caller_needs_less(self, store, durable, levels):
        def level(connection, groups):
            asked = self.ASKED[connection.dialect.name == "postgresql"]
            return [connection.exec_driver_sql(asked).scalar() for _ in groups]

        with GroupCommit(store, durable=durable) as writer:
            assert writer.submit(level, []).result() in levels


class TestErrors:
    def test_of_the_store_reach_every_caller_that_waits(self, tmp_path, answered, now):
        store = Store(f"sqlite:///{tmp_path}/without_tables.sqlite")
        answers, held = answered(10, at=now), Held()

        with GroupCommit(store) as writer:
            futures = held_up(writer, held, answers)
            held.go_on.set()

        for future in futures:
            with pytest.raises(sa.exc.OperationalError, match="no such table: predictions"):
                future.result()
        assert held.groups == [1, 9]

    def test_of_one_callers_rows_reach_that_caller_only(self, store, answered, now):
        answers, held = answered(10, at=now), Held()
        log_predictions(store, answers[5:6])

        with GroupCommit(store) as writer:
            futures = held_up(writer, held, answers)
            held.go_on.set()

        failed = [place for place, future in enumerate(futures) if future.exception()]
        assert failed == [5]
        assert isinstance(futures[5].exception(), sa.exc.IntegrityError)
        assert written(store) == {answer.id for answer in answers}

    def test_that_nobody_foresaw_reach_the_callers_too(self, store, answered, now):
        def write(_connection, _groups):
            raise LookupError("a mistake")

        with GroupCommit(store) as writer:
            with pytest.raises(LookupError, match="a mistake"):
                writer.submit(write, [1]).result(10)

            (answer,) = answered(1, at=now)
            writer.submit(write_predictions, [answer]).result(10)

        assert written(store) == {answer.id}

    @pytest.mark.parametrize("durable", [True, False])
    def test_reach_asyncio(self, durable, store, answered, now):
        answers = answered(2, at=now)
        log_predictions(store, answers[:1])

        async def serve():
            with GroupCommit(store, durable=durable) as writer:
                return await asyncio.gather(
                    *(writer.write(write_predictions, [each]) for each in answers),
                    return_exceptions=True,
                )

        refused, taken = asyncio.run(serve())
        assert isinstance(refused, sa.exc.IntegrityError)
        assert taken is None


class TestBounds:
    def test_refuses_more_rows_than_may_wait(self, store, answered, now):
        answers, held = answered(12, at=now), Held()

        with GroupCommit(store, max_waiting_rows=10) as writer:
            futures = held_up(writer, held, answers[:11])
            with pytest.raises(
                StoreOverloaded, match="10 rows wait to be written, and with 1 more"
            ):
                writer.submit(held.write, answers[11:])
            held.go_on.set()

        assert [future.result() for future in futures] == [None] * 11
        assert written(store) == {answer.id for answer in answers[:11]}

    def test_lets_one_large_submission_in(self, store, answered, now):
        answers = answered(12, at=now)

        with GroupCommit(store, max_waiting_rows=10) as writer:
            writer.submit(write_predictions, answers).result()

        assert len(written(store)) == 12


class TestClosing:
    def test_commits_what_waits(self, store, answered, now):
        answers, held = answered(20, at=now), Held()
        writer = GroupCommit(store)
        futures = held_up(writer, held, answers)

        threading.Timer(0.05, held.go_on.set).start()
        writer.close()

        assert all(future.done() for future in futures)
        assert written(store) == {answer.id for answer in answers}

    def test_refuses_rows_afterwards(self, store, answered, now):
        writer = GroupCommit(store)
        writer.close()

        for _ in range(2):
            with pytest.raises(StorageError, match="The writer is closed"):
                writer.submit(write_predictions, answered(1, at=now))

    def test_does_not_mind_a_caller_that_gave_up(self, store, answered, now):
        answers, held = answered(4, at=now), Held()

        async def ask(writer, answer):
            await asyncio.wait_for(writer.write(held.write, [answer]), timeout=0.01)

        with GroupCommit(store) as writer:
            futures = held_up(writer, held, answers[:3])
            assert futures[2].cancel()
            with pytest.raises(TimeoutError):
                asyncio.run(ask(writer, answers[3]))
            held.go_on.set()

        assert futures[1].result() is None
        assert answers[1].id in written(store)
        assert answers[2].id not in written(store)


@pytest.mark.parametrize("callers", ["threads", "event loop"])
def test_keeps_every_acknowledged_answer_when_killed(callers, problem, home, tmp_path, rng):
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    home.store.ensure(predictions)
    program = subprocess.Popen(
        [sys.executable, "-c", UNDER_LOAD, home.store.url, callers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    seen = 0
    with program:
        for _ in range(KILLS):
            program.stdin.write(f"{acknowledged}\n")
            program.stdin.flush()
            child = int(program.stdout.readline())
            wait_for(lambda: acknowledged.stat().st_size > seen)  # noqa: B023 - called at once
            time.sleep(rng.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
            assert program.stdout.readline() == "dead\n"

            new = acknowledged.read_text()[seen:].split()
            assert len(predictions_by_id(problem, home, new)) == len(new) > 0
            seen = acknowledged.stat().st_size
        program.stdin.close()

    everything = acknowledged.read_text().split()
    assert len(predictions_by_id(problem, home, everything)) == len(everything)
    with home.store.connect() as connection:
        assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"


class TestAnswersWrittenHere:
    """Nobody else asks, so a commit need not wait for a group."""

    @pytest.fixture
    def store(self, home):
        """SQLite: a commit to Postgres waits for another process."""
        home.store.ensure(predictions)
        return home.store

    @pytest.fixture
    def writer(self, store):
        with GroupCommit(store, durable=False) as writer:
            yield writer

    def test_are_in_the_store_before_anything_else_happens(self, store, writer, answered, now):
        (answer,) = answered(1, at=now)

        assert writer.write_here(write_predictions, [answer])
        assert written(store) == {answer.id}

    def test_are_left_to_the_group_where_somebody_else_writes(
        self, store, writer, answered, now
    ):
        with store.begin() as connection:
            connection.execute(sa.delete(predictions).where(predictions.c.id == "nobody's"))

            assert not writer.write_here(write_predictions, answered(1, at=now))
        assert written(store) == set()

    def test_are_left_to_the_group_where_something_is_wrong_with_them(
        self, writer, answered, now
    ):
        (answer,) = answered(1, at=now)

        assert not writer.write_here(write_predictions, [answer._replace(problem=None)])
        assert writer.write_here(write_predictions, [answer]), "nothing is held up"

    def test_are_not_written_behind_those_that_wait_already(self, store, writer, answered, now):
        first, second = answered(2, at=now)

        async def ask():
            waiting = asyncio.ensure_future(writer.write(write_predictions, [first]))
            await asyncio.sleep(0)
            here = writer.write_here(write_predictions, [second])
            await waiting
            return here

        assert not asyncio.run(ask())
        assert written(store) == {first.id}

    def test_are_not_written_once_the_writer_is_closed(self, store, answered, now):
        writer = GroupCommit(store, durable=False)
        writer.close()

        assert not writer.write_here(write_predictions, answered(1, at=now))

    def test_that_must_reach_the_disk_are_left_to_the_thread(self, store, answered, now):
        with GroupCommit(store, durable=True) as writer:
            assert not writer.writes_here
            assert not writer.write_here(write_predictions, answered(1, at=now))
