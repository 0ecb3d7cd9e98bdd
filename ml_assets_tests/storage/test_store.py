import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from ml_assets.errors import StorageError
from ml_assets.storage import Store, UTCDateTime, append_only

TABLES = sa.MetaData()
COUNTERS = sa.Table(
    "counters",
    TABLES,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)
RELEASES = append_only(
    sa.Table(
        "releases",
        TABLES,
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("released_at", UTCDateTime),
        sa.Column("note", sa.JSON),
    )
)
CHILDREN = sa.Table(
    "children", TABLES, sa.Column("version", sa.ForeignKey(RELEASES.c.version), nullable=False)
)

CHANGES = [
    "update releases set version = 2",
    "delete from releases",
    "insert into releases (version) values (1) on conflict (version) do update set note = null",
]
OWN_CHANGES = {
    "sqlite": "insert or replace into releases (version) values (1)",
    "postgresql": "truncate releases cascade",
}

INCREMENT = """
import sys
import sqlalchemy as sa
from ml_assets.storage import Store

store = Store(sys.argv[1])
counters = sa.Table("counters", sa.MetaData(), sa.Column("name", sa.String, primary_key=True),
                    sa.Column("value", sa.Integer, nullable=False))
sys.stdin.readline()
store.ensure(counters)
for _ in range(25):
    with store.begin() as connection:
        value = connection.scalar(sa.select(counters.c.value))
        if value is None:
            connection.execute(counters.insert(), {"name": "n", "value": 1})
        else:
            connection.execute(counters.update().values(value=value + 1))
"""

FORK = """
import os, sys
import sqlalchemy as sa
from ml_assets.storage import Store

store = Store(sys.argv[1])
notes = sa.Table("notes", sa.MetaData(), sa.Column("n", sa.Integer))
store.ensure(notes)

def note(number):
    for _ in range(50):
        with store.begin() as connection:
            connection.execute(notes.insert(), {"n": number})

note(0)
child = os.fork()
note(1)
if child == 0:
    os._exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with store.connect() as connection:
    print(code, connection.scalar(sa.select(sa.func.count()).select_from(notes)))
"""


DURABILITY = {"sqlite": "pragma synchronous", "postgresql": "show synchronous_commit"}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url):
    store = Store(url)
    store.ensure(COUNTERS, RELEASES, CHILDREN)
    yield store
    store.close()


def add(store, name="n", value=0):
    with store.begin() as connection:
        connection.execute(COUNTERS.insert(), {"name": name, "value": value})


def increment(store, times):
    for _ in range(times):
        with store.begin() as connection:
            value = connection.scalar(sa.select(COUNTERS.c.value))
            connection.execute(COUNTERS.update().values(value=value + 1))


def value_in(store):
    with store.connect() as connection:
        return connection.scalar(sa.select(COUNTERS.c.value))


class TestTransactions:
    def test_keep_all_of_a_block(self, store):
        with store.begin() as connection:
            connection.execute(COUNTERS.insert(), {"name": "a", "value": 1})
            connection.execute(COUNTERS.insert(), {"name": "b", "value": 2})

        with store.connect() as connection:
            assert connection.scalar(sa.select(sa.func.sum(COUNTERS.c.value))) == 3

    def test_keep_nothing_of_a_block_that_fails(self, store):
        add(store, value=1)

        with suppress(ZeroDivisionError), store.begin() as connection:
            connection.execute(COUNTERS.update().values(value=2))
            _ = 1 / 0

        assert value_in(store) == 1

    def test_throw_away_what_is_written_on_a_reading_connection(self, store):
        add(store, value=1)

        with store.connect() as connection:
            connection.execute(COUNTERS.update().values(value=2))

        assert value_in(store) == 1

    def test_do_not_keep_readers_waiting(self, store):
        add(store, value=1)

        with store.begin() as connection:
            connection.execute(COUNTERS.update().values(value=2))
            seen = value_in(store)

        assert (seen, value_in(store)) == (1, 2)

    def test_do_not_wait_for_readers(self, store):
        add(store, value=1)

        with store.connect() as reading:
            before = reading.scalar(sa.select(COUNTERS.c.value))
            increment(store, 1)
            during = reading.scalar(sa.select(sa.func.count()).select_from(COUNTERS))

        assert (before, during, value_in(store)) == (1, 1, 2)

    def test_hold_foreign_keys(self, store):
        with pytest.raises(sa.exc.IntegrityError), store.begin() as connection:
            connection.execute(CHILDREN.insert(), {"version": 404})


class TestSharing:
    def test_counts_every_increment_of_four_processes(self, url):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", INCREMENT, url], stdin=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]

        for process in processes:
            process.stdin.write("go\n")
            process.stdin.close()

        assert [process.wait() for process in processes] == [0] * 4
        assert value_in(Store(url)) == 100

    def test_counts_every_increment_of_many_threads(self, store):
        add(store)
        threads = [threading.Thread(target=increment, args=(store, 10)) for _ in range(12)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert value_in(store) == 120

    def test_goes_on_in_both_processes_after_a_fork(self, url):
        output = subprocess.check_output([sys.executable, "-c", FORK, url], text=True)

        assert output == "0 150\n"


class TestEnsure:
    def test_can_be_asked_again(self, store):
        add(store, value=1)

        store.ensure(COUNTERS)
        Store(store.url).ensure(COUNTERS)

        assert value_in(store) == 1

    def test_adds_a_column_that_an_earlier_release_did_not_have(self, store):
        add(store, value=1)
        newer = sa.MetaData()
        table = sa.Table(
            "counters",
            newer,
            sa.Column("name", sa.String, primary_key=True),
            sa.Column("value", sa.Integer),
            sa.Column("changed_at", UTCDateTime),
        )

        Store(store.url).ensure(table)

        with store.connect() as connection:
            assert connection.execute(sa.select(table)).one() == ("n", 1, None)

    def test_adds_an_index_that_an_earlier_release_did_not_have(self, store):
        add(store, value=1)
        table = sa.Table(
            "counters",
            sa.MetaData(),
            sa.Column("name", sa.String, primary_key=True),
            sa.Column("value", sa.Integer),
            sa.Index("counters_by_value", "value"),
        )

        Store(store.url).ensure(table)

        with store.connect() as connection:
            (index,) = sa.inspect(connection).get_indexes("counters")
        assert index["name"] == "counters_by_value"

    def test_refuses_a_new_column_that_old_rows_cannot_fill(self, store):
        table = sa.Table(
            "counters", sa.MetaData(), sa.Column("owner", sa.String, nullable=False)
        )

        with pytest.raises(StorageError, match="Table counters was made by an earlier release"):
            Store(store.url).ensure(table)


class TestAppendOnly:
    @pytest.fixture
    def released(self, store):
        with store.begin() as connection:
            connection.execute(RELEASES.insert(), {"version": 1, "note": {"why": "better"}})
        return store

    @pytest.mark.parametrize("change", CHANGES)
    def test_refuses_to_change_a_row(self, released, change):
        with (
            pytest.raises(sa.exc.DBAPIError, match="releases is append-only"),
            released.begin() as connection,
        ):
            connection.exec_driver_sql(change)

        with released.connect() as connection:
            assert connection.scalar(sa.select(RELEASES.c.version)) == 1

    def test_refuses_the_ways_around_that_each_database_has(self, released):
        with (
            pytest.raises(sa.exc.DBAPIError, match="releases is append-only"),
            released.begin() as connection,
        ):
            connection.exec_driver_sql(OWN_CHANGES[connection.dialect.name])

        with released.connect() as connection:
            assert connection.scalar(sa.select(RELEASES.c.note)) == {"why": "better"}

    def test_takes_new_rows(self, released):
        with released.begin() as connection:
            connection.execute(RELEASES.insert(), {"version": 2})

        with released.connect() as connection:
            notes = connection.scalars(sa.select(RELEASES.c.note).order_by(RELEASES.c.version))
            assert notes.all() == [{"why": "better"}, None]

    def test_lets_rows_be_erased_where_a_person_can_demand_it(self, store):
        requests = append_only(
            sa.Table("requests", sa.MetaData(), sa.Column("name", sa.String)), erasable=True
        )
        store.ensure(requests)
        with store.begin() as connection:
            connection.execute(requests.insert(), [{"name": "Ann"}, {"name": "Bob"}])

        with (
            pytest.raises(sa.exc.DBAPIError, match="requests is append-only"),
            store.begin() as connection,
        ):
            connection.execute(requests.update().values(name="Eve"))
        with store.begin() as connection:
            connection.execute(requests.delete().where(requests.c.name == "Ann"))

        with store.connect() as connection:
            assert connection.scalars(sa.select(requests.c.name)).all() == ["Bob"]


class TestDurability:
    @pytest.mark.parametrize(("durable", "levels"), [(True, {2, "on"}), (False, {1, "off"})])
    def test_is_waited_for_as_the_caller_says(self, store, durable, levels):
        with store.begin(durable=not durable):
            pass

        with store.begin(durable=durable) as connection:
            found = connection.exec_driver_sql(DURABILITY[connection.dialect.name]).scalar()

        assert found in levels


class TestTimes:
    @pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5))])
    def test_come_back_as_utc(self, store, zone):
        moment = datetime(2026, 11, 20, 8, 30, 0, 123456, tzinfo=zone)

        with store.begin() as connection:
            connection.execute(RELEASES.insert(), {"version": 1, "released_at": moment})

        with store.connect() as connection:
            found = connection.scalar(sa.select(RELEASES.c.released_at))
        assert found == moment
        assert found.tzinfo == UTC

    def test_are_in_order_whatever_their_zone(self, store, now):
        early, late = now.astimezone(timezone(timedelta(hours=12))), now + timedelta(minutes=1)
        with store.begin() as connection:
            connection.execute(
                RELEASES.insert(),
                [{"version": 1, "released_at": late}, {"version": 2, "released_at": early}],
            )

        with store.connect() as connection:
            found = connection.scalars(
                sa.select(RELEASES.c.version).order_by(RELEASES.c.released_at)
            )
            assert found.all() == [2, 1]

    def test_are_refused_without_a_zone(self, store):
        naive = datetime(2026, 11, 20, 8)  # noqa: DTZ001

        with (
            pytest.raises(sa.exc.StatementError, match="needs a time zone, got 2026-11-20T08"),
            store.begin() as connection,
        ):
            connection.execute(RELEASES.insert(), {"version": 1, "released_at": naive})


def test_takes_the_usual_spellings_of_a_postgres_url(postgres_url):
    path = postgres_url.split("://")[1]

    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        with Store(f"{scheme}://{path}").connect() as connection:
            assert connection.scalar(sa.select(1)) == 1
