"""Rows of an endpoint and of a table arrive once each, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from ads import mapping_of

from ml_assets.errors import SourceError
from ml_assets.ingestion.remote import fetch

NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)
COLUMNS = {"city": {"path": "city"}}
PAGE_ROWS = 3


def ads(*days):
    """One ad for each day; the price has digits that a float would lose."""
    return [{"id": i, "at": day, "price": "1.50", "city": "Ürün"} for i, day in enumerate(days)]


class Shop(BaseHTTPRequestHandler):
    """Ads in pages, with the address of the next page; `answers` are given first."""

    rows: list[dict[str, object]]
    answers: list[tuple[int, str]]
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        if self.answers:
            self._say(*self.answers.pop(0))
            return
        query = parse_qs(urlsplit(self.path).query)
        since, start = query.get("since", [""])[0], int(query.get("from", ["0"])[0])
        rows = [row for row in self.rows if str(row["at"]) >= since]
        more = f"/ads?since={since}&from={start + PAGE_ROWS}"
        next_page = more if start + PAGE_ROWS < len(rows) else None
        page = rows[start : start + PAGE_ROWS]
        text = json.dumps({"data": {"ads": page}, "links": {"next": next_page}})
        self._say(200, text.replace('"1.50"', "1.50"))

    def _say(self, status, text):
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def served(rows):
    shop = type("OneShop", (Shop,), {"rows": rows, "answers": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), shop) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield shop, f"http://127.0.0.1:{server.server_port}/ads"
        server.shutdown()
        thread.join()


def endpoint(url, **more):
    rest = {"url": url, "records": "data.ads", "next": "links.next", **more}
    return mapping_of(COLUMNS, rest=rest)


@pytest.fixture
def fetched(tmp_path, home):
    def fetching(mapping, **more):
        values = {"environment": {}, "now": NOW, **more}
        return fetch(mapping, tmp_path / "drop", home=home, **values)

    return fetching


def rows_in(folder):
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("0*")))
    return [json.loads(line) for text in texts for line in text.splitlines()]


class TestEndpoint:
    def test_brings_every_page_as_it_was_sent(self, fetched):
        with served(ads("2026-01", "2026-02", "2026-03", "2026-04")) as (_, url):
            found = fetched(endpoint(url, cursor="at", since="since"))

        assert (found.rows, found.cursor) == (4, "2026-04")
        assert [path.name for path in found.files] == [
            "000001--20261129T020000Z--2026-04.jsonl"
        ]
        text = found.files[0].read_text(encoding="utf-8")
        assert (
            text.splitlines()[0] == '{"id": 0, "at": "2026-01", "price": 1.50, "city": "Ürün"}'
        )

    def test_asks_for_what_is_new_and_keeps_nothing_twice(self, fetched, tmp_path):
        rows = ads("2026-01", "2026-02")
        with served(rows) as (shop, url):
            mapping = endpoint(url, cursor="at", since="since")
            fetched(mapping)
            rows += [{**rows[1], "id": 7}, {**rows[1], "at": "2026-03"}]
            second, third = fetched(mapping), fetched(mapping)

        assert shop.asked[1] == "/ads?since=2026-02"
        assert (second.rows, second.known_rows) == (2, 1)
        assert (third.rows, third.known_rows, third.files) == (0, 1, ())
        assert rows_in(tmp_path / "drop") == [{**row, "price": 1.5} for row in rows]

    def test_keeps_a_copy_only_if_it_is_another_one(self, fetched):
        rows = ads("2026-01")
        with served(rows) as (_, url):
            counts = [len(fetched(endpoint(url)).files) for _ in range(2)]
            rows += ads("2026-02")
            counts.append(len(fetched(endpoint(url)).files))

        assert counts == [1, 0, 1]

    def test_asks_again_while_the_other_side_is_busy(self, fetched):
        with served(ads("2026-01")) as (shop, url):
            shop.answers += [(503, ""), (429, "")]

            assert fetched(endpoint(url)).rows == 1

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((404, ""), "answers 404 Not Found"),
            ((200, "<html>"), "does not answer with JSON: Expecting value in line 1, column 1"),
            ((200, '{"data": 3}'), "has no list of rows at 'data.ads'"),
            (
                (200, '{"data": {"ads": []}, "links": {"next": "http://127.0.0.2/x"}}'),
                "names a next page at another place, http://127.0.0.2/x",
            ),
        ],
    )
    def test_says_what_is_wrong_and_keeps_nothing(self, fetched, tmp_path, answer, said):
        with served(ads("2026-01")) as (shop, url):
            shop.answers.append(answer)
            with pytest.raises(SourceError) as error:
                fetched(endpoint(url, cursor="at"))

        assert said in str(error.value)
        assert rows_in(tmp_path / "drop") == []

    def test_needs_a_cursor_in_every_row(self, fetched):
        with (
            served([{"id": 1, "at": "", "new": None}]) as (_, url),
            pytest.raises(SourceError, match="a row has no new, so it cannot be known"),
        ):
            fetched(endpoint(url, cursor="new"))

    def test_takes_secrets_from_the_environment(self, fetched):
        with served(ads("2026-01")) as (_, url):
            mapping = endpoint(url, secret_headers={"Authorization": "ADS_TOKEN"})

            with pytest.raises(SourceError, match="variable ADS_TOKEN, which has a secret"):
                fetched(mapping)
            assert fetched(mapping, environment={"ADS_TOKEN": "x"}).rows == 1


FIRST_DAY = datetime.fromisoformat("2026-01-01")


def filled(url, rows):
    """A database with a table of ads, `rows` of them on ten days."""
    engine = sa.create_engine(url)
    table = sa.Table(
        "ads",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("changed_at", sa.DateTime),
        sa.Column("price", sa.Numeric(12, 2)),
    )
    with engine.begin() as connection:
        table.metadata.create_all(connection)
        days = [
            {"id": i, "changed_at": FIRST_DAY + timedelta(days=i % 10), "price": i}
            for i in range(rows)
        ]
        connection.execute(table.insert(), days)
    return engine, table


TABLE = mapping_of(
    COLUMNS, table={"url_from": "ADS_DATABASE", "table": "ads", "cursor": "changed_at"}
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ads.sqlite'}"
    return request.getfixturevalue("postgres_url")


class TestTable:
    def test_brings_every_row_once(self, fetched, tmp_path, database):
        engine, table = filled(database, 25)
        environment = {"ADS_DATABASE": database}

        first = fetched(TABLE, environment=environment, file_rows=4)
        with engine.begin() as connection:
            late = FIRST_DAY + timedelta(days=9)
            connection.execute(table.insert(), [{"id": 99, "changed_at": late, "price": 1}])
        second = fetched(TABLE, environment=environment, file_rows=4)
        engine.dispose()

        assert (first.rows, len(first.files), first.cursor) == (25, 7, "2026-01-10T00:00:00")
        assert (second.rows, second.known_rows) == (1, 2)
        found = rows_in(tmp_path / "drop")
        assert sorted(row["id"] for row in found) == [*range(25), 99]
        days = [row["changed_at"] for row in found]
        assert days == sorted(days)

    def test_names_the_nearest_column(self, fetched, tmp_path):
        url = f"sqlite:///{tmp_path / 'ads.sqlite'}"
        filled(url, 1)[0].dispose()
        mapping = mapping_of(
            COLUMNS, table={"url_from": "D", "table": "ads", "cursor": "change_at"}
        )

        with pytest.raises(
            SourceError, match=r"no column 'change_at'\. Did you mean 'changed_at'"
        ):
            fetched(mapping, environment={"D": url})

    def test_says_that_there_is_no_table(self, fetched, tmp_path):
        with pytest.raises(SourceError, match="The table ads cannot be read: ads"):
            fetched(TABLE, environment={"ADS_DATABASE": f"sqlite:///{tmp_path / 'no.sqlite'}"})


PROGRAM = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from ads import mapping_of
from ml_assets.ingestion.remote import fetch
from ml_assets.storage import Home

folder, url = Path(sys.argv[1]), sys.argv[2]
table = {"url_from": "ADS_DATABASE", "table": "ads", "cursor": "changed_at"}
mapping = mapping_of({"city": {"path": "city"}}, table=table)
fetch(mapping, folder / "drop", home=Home.open(folder), environment={"ADS_DATABASE": url},
      now=datetime(2026, 11, 29, tzinfo=UTC), file_rows=20)
"""


def test_a_killed_fetch_goes_on_where_it_was(fetched, tmp_path):
    url = f"sqlite:///{tmp_path / 'ads.sqlite'}"
    filled(url, 20_000)[0].dispose()
    examples = Path(__file__).parents[2] / "examples"
    environment = {**os.environ, "PYTHONPATH": str(examples)}

    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), url], env=environment
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "drop").glob("0*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = len(rows_in(tmp_path / "drop"))
    fetched(TABLE, environment={"ADS_DATABASE": url})

    assert 0 < kept < 20_000
    found = rows_in(tmp_path / "drop")
    assert sorted(row["id"] for row in found) == list(range(20_000))
    assert not list((tmp_path / "drop").glob(".*"))
