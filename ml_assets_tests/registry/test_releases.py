import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ml_assets.errors import VersionNotFound, WriteConflict
from ml_assets.problems.complaints import complaints as complaints_problem
from ml_assets.registry import tables
from ml_assets.registry.bundle import REQUIREMENTS
from ml_assets.registry.releases import add_release, before_last, champion, releases
from ml_assets.registry.versions import load_bundle, register, version_named, versions
from ml_assets.storage import Home


@pytest.fixture(params=["sqlite", "postgres"])
def home(request, tmp_path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opened = Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": url})
    yield opened
    opened.store.close()


@pytest.fixture
def release(complaints, home, now):
    """Release a version at an hour of the day."""

    def make(version, *, after, hour, kind="promotion"):
        return add_release(
            complaints,
            home,
            kind=kind,
            from_version=after and after.version,
            to_version=version.version,
            now=now + timedelta(hours=hour),
            who="ada",
            why="better",
            run_id="run-1",
            evidence={},
        )

    return make


def test_names_versions_by_time_and_content(registered):
    first, second = registered(1), registered(2)

    assert first.version == f"20261120T090000Z-{first.artifact[:5]}"
    assert first.version < second.version
    assert (first.number, second.number, second.previous) == ("1.0.0", "1.0.1", first.version)


def test_keeps_the_manifest_of_every_version(registered, complaints, home):
    made = registered(1)

    assert versions(complaints, home) == [made]
    assert made.manifest.data.excluded == {"2015-04": "refused: class balance"}


def test_registers_the_same_bundle_once(registered, complaints, home, now):
    made = registered(1)

    again = register(
        complaints,
        home,
        artifact=made.artifact,
        manifest=made.manifest,
        trigger="schedule",
        run_id="later",
        now=now + timedelta(days=1),
    )

    assert again == made
    assert len(versions(complaints, home)) == 1


def test_numbers_versions_in_a_row_when_several_register_at_once(
    complaints, home, manifest, now
):
    def make(number):
        return register(
            complaints,
            home,
            artifact=f"{number:064}"[::-1],
            manifest=manifest,
            trigger="manual",
            run_id="r",
            now=now,
        )

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(make, range(8)))

    numbers = [one.number for one in versions(complaints, home)]
    assert numbers == ["1.0.0", *(f"1.0.{patch}" for patch in range(1, 8))]
    assert sorted(one.sequence for one in made) == list(range(1, 9))


def test_finds_a_version_by_id_number_or_beginning(registered, complaints, home):
    first, second = registered(1), registered(2)

    for name in (second.version, "1.0.1", second.version[:13]):
        assert version_named(complaints, home, name) == second
    with pytest.raises(VersionNotFound, match="2 models called '2026'"):
        version_named(complaints, home, "2026")
    with pytest.raises(
        VersionNotFound,
        match=f"no model '9.9.9'. The newest: {second.version}, {first.version}",
    ):
        version_named(complaints, home, "9.9.9")


def test_refuses_a_bundle_that_was_tampered_with(registered, complaints, home):
    made = registered(1)
    file = home.artifacts.get(made.artifact) / REQUIREMENTS
    file.chmod(0o644)
    file.write_text("numpy==0.0.1\n")

    with pytest.raises(Exception, match="was changed after it was stored"):
        load_bundle(complaints, home, made)


def test_knows_who_answered_at_any_time(registered, release, complaints, home, now):
    first, second = registered(1), registered(2)
    release(first, after=None, hour=3)
    release(second, after=first, hour=6)

    assert champion(complaints, home, at=now) is None
    assert champion(complaints, home, at=now + timedelta(hours=3)) == first
    assert champion(complaints, home, at=now + timedelta(hours=5)) == first
    assert champion(complaints, home, at=now + timedelta(hours=6)) == second
    assert champion(complaints, home) == second


def test_gives_every_deployment_its_own_id(registered, release, complaints, home):
    first, second = registered(1), registered(2)
    release(first, after=None, hour=3)
    release(second, after=first, hour=4)
    release(first, after=second, hour=5, kind="rollback")

    log = releases(complaints, home)

    assert [one.deployment for one in log] == ["complaints-1", "complaints-2", "complaints-3"]
    assert [one.to_version for one in log] == [first.version, second.version, first.version]


def test_refuses_a_release_that_follows_somebody_who_no_longer_answers(registered, release):
    first, second, third = (registered(number) for number in (1, 2, 3))
    release(first, after=None, hour=1)
    release(second, after=first, hour=2)

    with pytest.raises(
        WriteConflict,
        match=f"was {first.version} when this was decided and is {second.version} now",
    ):
        release(third, after=first, hour=3)


TABLES = ["models", "evaluations", "approvals", "decisions", "releases"]


@pytest.fixture
def recorded(registered, release, home, now):
    """A home in which every table of the registry has a row."""
    made = registered(1)
    release(made, after=None, hour=1)
    known = {"problem": "complaints", "version": made.version, "at": now, "who": "ada"}
    rows = {
        tables.evaluations: {
            "training_set": "t",
            "metrics_code": "m",
            "rows": 1,
            "metrics": {},
        },
        tables.approvals: {"artifact": made.artifact, "approved": True, "why": "ok"},
        tables.decisions: {"run_id": "r", "outcome": "o", "message": "m", "evidence": {}},
    }
    with home.store.begin() as connection:
        for table, values in rows.items():
            row = {**known, "slices": [], **values}
            names = set(table.c.keys())
            connection.execute(
                sa.insert(table).values({k: v for k, v in row.items() if k in names})
            )
    return home


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["update {} set problem = 'x'", "delete from {}"])
def test_lets_nobody_change_what_was_recorded(table, statement, recorded):
    with (
        pytest.raises(sa.exc.DatabaseError, match=f"{table} is append-only"),
        recorded.store.begin() as connection,
    ):
        connection.execute(sa.text(statement.format(table)))


def _log(*steps):
    """A release log from (kind, version) pairs, as `before_last` reads it."""
    from ml_assets.registry.releases import Release

    return [
        Release("p", number, f"p-{number}", None, kind, None, version, "", "", "", {})
        for number, (kind, version) in enumerate(steps)
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], None),
        ([("promotion", "a")], None),
        ([("promotion", "a"), ("promotion", "b")], "a"),
        ([("promotion", "a"), ("promotion", "b"), ("promotion", "c"), ("rollback", "b")], "a"),
        ([("promotion", "a"), ("promotion", "b"), ("rollback", "a")], None),
        ([("promotion", "a"), ("promotion", "b"), ("rollback", "a"), ("promotion", "c")], "a"),
        ([("promotion", "a"), ("forced", "b"), ("promotion", "b")], "a"),
    ],
)
def test_rolls_back_to_what_answered_before(steps, expected):
    assert before_last(_log(*steps)) == expected


def _race(place, follows, version, barrier, outcomes):
    path, store_url = place
    home = Home.open(path, environment={"ML_ASSETS_STORE_URL": store_url})

    barrier.wait()
    try:
        add_release(
            complaints_problem,
            home,
            kind="promotion",
            from_version=follows,
            to_version=version,
            now=datetime(2026, 11, 21, tzinfo=UTC),
            who=str(os.getpid()),
            why="race",
            run_id="race",
            evidence={},
        )
    except WriteConflict:
        outcomes.put("lost")
    else:
        outcomes.put("won")


@pytest.mark.slow
def test_lets_one_of_four_processes_win(registered, release, complaints, home, tmp_path):
    first, *others = (registered(number) for number in range(1, 6))
    release(first, after=None, hour=1)
    context = multiprocessing.get_context("spawn")
    barrier, outcomes = context.Barrier(4), context.Queue()

    racers = [
        context.Process(
            target=_race,
            args=((tmp_path, home.store.url), first.version, one.version, barrier, outcomes),
        )
        for one in others
    ]
    for racer in racers:
        racer.start()
    results = sorted(outcomes.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()

    assert results == ["lost", "lost", "lost", "won"]
    log = releases(complaints, home)
    assert [one.sequence for one in log] == [1, 2]
    assert log[1].from_version == first.version
