"""Several sources, one raw: what each brought is one row, part of one, or in quarantine."""

import json
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from one_home import FLAT, NESTED
from quick_homes import SOURCES, quick_homes

from ml_assets.demo.homes_delivery import Week, deliver_week
from ml_assets.errors import ProblemError, SourceError
from ml_assets.ingestion import (
    feed_of,
    feeds,
    fetch_sources,
    ingest,
    join_sources,
    outdated_joins,
    refused_files,
    register_source,
    source_partitions,
)
from ml_assets.ingestion.shares import by_source, shares_of
from ml_assets.ingestion.sources import mapped_sources
from ml_assets.validation import admit

MONDAY = 1_457_308_800
"""2016-03-07, in seconds since 1970."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "problem"


@pytest.fixture
def homes(folder):
    return quick_homes(folder).load()


@pytest.fixture
def inbox(tmp_path, homes, home):
    place = tmp_path / "inbox"
    place.mkdir()
    register_source(homes, home, place)
    return place


@pytest.fixture
def brought(homes, home, now):
    """Bring raw up to its sources; says what was done to each partition."""

    def bring(problem=homes):
        partitions = source_partitions(problem, home)
        for feed in feeds(problem):
            ingest(feed, home, partitions, run_id="run", now=now)
        joined = join_sources(problem, home, partitions, run_id="run")
        return {each.partition: each for each in joined}

    return bring


def shares(home):
    live = home.lake.partitions("homes/raw")
    found = shares_of(home.store, "homes", live)
    return by_source(each for some in found.values() for each in some)


def raw_rows(home, **columns):
    rows = home.lake.read("homes/raw").to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in columns.items())]


def write(path: Path, text: str, *, at: int = MONDAY) -> Path:
    path.write_text(text)
    os.utime(path, (at, at))
    return path


class TestTwoRecordsOfOneHome:
    @pytest.fixture
    def joined(self, inbox, brought):
        write(inbox / "agency.json", json.dumps([FLAT]))
        write(inbox / "portal.json", json.dumps([NESTED]))
        return brought()["USA|2016-03-07"]

    def test_become_one_row(self, joined, home):
        (row,) = raw_rows(home)

        assert joined.state.rows == 1
        assert row["built_on"] == "1990-05"
        assert row["cooling"] == "Electric"
        assert row["street"] == "15 Star Thistle"
        assert [each["source"] for each in json.loads(row["_members"])] == ["agency", "portal"]
        assert json.loads(row["_won"])["area_m2"] == "agency"
        assert json.loads(row["_given"])["area_m2"]["text"] == "1200 sqft"

    def test_and_their_areas_are_flagged(self, joined, home):
        (finding,) = home.lake.read("homes/findings").to_pylist()

        assert joined.findings == 1
        assert finding["column"] == "area_m2"
        assert finding["apart"] == pytest.approx(0.166, abs=5e-4)
        assert {finding["left_source"], finding["right_source"]} == {"agency", "portal"}
        assert {round(float(finding[f"{side}_value"])) for side in ("left", "right")} == {
            111,
            130,
        }

    def test_go_on_to_the_gate_as_one(self, joined, homes, home, now):
        verdict = admit(homes, home, joined.partition, run_id="run", now=now)

        assert verdict.admitted
        assert (verdict.rows_in, verdict.rows_valid) == (1, 1)

    def test_are_refused_with_line_and_column_where_one_is_no_json(
        self, inbox, brought, homes, home
    ):
        write(inbox / "agency.json", json.dumps([FLAT]))
        write(inbox / "portal.json", json.dumps([NESTED], indent=1).rsplit("}", 2)[0])

        brought()

        (refused,) = refused_files(homes, home)
        assert "line" in refused.reason
        assert "column" in refused.reason
        assert len(raw_rows(home)) == 1


class TestConservation:
    def test_every_row_of_every_source_is_canonical_merged_or_unmapped(
        self, inbox, brought, home
    ):
        told = deliver_week(inbox, Week(number=1, wrong_areas=3, unknown_units=2))

        brought()

        found = shares(home)
        assert {name: each.rows for name, each in found.items()} == told.records
        for each in found.values():
            assert each.rows == each.canonical + each.merged + each.unmapped
        members = Counter(
            member["source"]
            for row in raw_rows(home, _fault=None)
            for member in json.loads(row["_members"])
        )
        assert members == {name: s.canonical + s.merged for name, s in found.items()}
        assert sum(s.canonical for s in found.values()) == len(raw_rows(home, _fault=None))

    def test_finds_most_of_the_homes_that_several_sources_tell_of(self, inbox, brought, home):
        told = deliver_week(inbox, Week(number=1))

        brought()

        rows = sum(each.rows for each in shares(home).values())
        repeated = rows - sum(told.homes.values())
        merged = sum(each.merged for each in shares(home).values())
        assert 0.9 * repeated <= merged <= repeated

    def test_a_row_in_an_unknown_unit_says_why_in_quarantine(
        self, inbox, brought, homes, home, now
    ):
        deliver_week(inbox, Week(number=1, unknown_units=2))

        for partition in brought():
            admit(homes, home, partition, run_id="run", now=now)

        reasons = home.lake.read("homes/quarantined", columns=["reasons", "source"]).to_pylist()
        assert len(reasons) == 2
        assert all("area_m2" in each["reasons"] for each in reasons)
        assert {each["source"] for each in reasons} == {"portal"}

    def test_rows_without_a_place_are_kept_with_their_reason(self, inbox, brought, home):
        write(inbox / "agency.json", json.dumps([FLAT, {**FLAT, "country": "a|b", "id": "2"}]))

        brought()

        faults = [row["_fault"] for row in raw_rows(home) if row["_fault"]]
        assert len(faults) == 1
        assert "location" in faults[0]


class TestStaleness:
    def test_joining_again_does_nothing(self, inbox, brought, home):
        deliver_week(inbox, Week(number=1))
        brought()
        version = home.lake.version("homes/raw")

        again = brought()

        assert not any(each.changed for each in again.values())
        assert home.lake.version("homes/raw") == version

    def test_another_source_rebuilds_only_where_its_rows_fall(
        self, inbox, folder, brought, homes, home
    ):
        for number in (1, 2):
            deliver_week(inbox, Week(number=number))
        brought()
        before = home.lake.partitions("homes/raw")
        shutil.copy(folder / "sources" / "portal.yaml", folder / "sources" / "crawler.yaml")
        mapping = (folder / "sources" / "crawler.yaml").read_text()
        mapping = mapping.replace("portal*", "crawler*")
        (folder / "sources" / "crawler.yaml").write_text(mapping)
        record = {**NESTED, "id": "C-1", "listed": "2016-03-15"}
        write(inbox / "crawler.json", json.dumps([record]))

        brought()

        after = home.lake.partitions("homes/raw")
        changed = {p for p in after if after[p] != before.get(p)}
        assert set(mapped_sources(homes)) == {*SOURCES, "crawler"}
        assert changed == {"USA|2016-03-14"}
        assert outdated_joins(homes, home) == []

    def test_another_rule_rebuilds_only_what_has_rows_of_its_source(
        self, inbox, folder, brought, homes, home
    ):
        deliver_week(inbox, Week(number=1))
        brought()
        path = folder / "sources" / "melbourne.yaml"
        path.write_text(path.read_text().replace("h: house", "h: villa"))

        assert outdated_joins(homes, home) == ["Australia|2016-03-07"]

    def test_other_words_about_a_source_rebuild_nothing(
        self, inbox, folder, brought, homes, home
    ):
        deliver_week(inbox, Week(number=1))
        brought()
        path = folder / "sources" / "melbourne.yaml"
        path.write_text(path.read_text().replace("terms: ", "terms: We asked. "))

        assert outdated_joins(homes, home) == []

    def test_a_newer_rate_rebuilds_nothing_old(self, inbox, folder, brought, homes, home):
        deliver_week(inbox, Week(number=1))
        brought()
        rates = folder / "sources" / "rates.csv"
        header, *lines = rates.read_text().splitlines()
        newest = f"2099-01-05,{lines[-1].split(',', 1)[1]}"
        rates.write_text("\n".join([header, *lines, newest]) + "\n")

        assert outdated_joins(homes, home) == []

    def test_a_corrected_file_replaces_its_rows(self, inbox, brought, home):
        write(inbox / "agency.json", json.dumps([{**FLAT, "id": "1"}]))
        brought()
        write(
            inbox / "agency.json",
            json.dumps([{**FLAT, "id": "1", "price": "140000"}]),
            at=MONDAY + 60,
        )

        brought()

        (row,) = raw_rows(home)
        assert row["price_usd"] == "140000"


class TestFiles:
    def test_go_to_the_source_that_names_them_or_has_their_columns(self, inbox, homes, home):
        deliver_week(inbox, Week(number=1))
        unnamed = next(inbox.glob("melb_*.csv"))
        unnamed.rename(inbox / "auctions.csv")

        partitions = source_partitions(homes, home)

        assert {each.split("|")[0] for each in partitions} == {"USA", "Australia"}
        assert refused_files(homes, home) == []

    def test_that_no_source_knows_are_refused_with_the_nearest(self, inbox, homes, home):
        write(
            inbox / "sales.csv",
            "id,date,price,sqft_living,zipcode,weather\n1,1/2/2016,5,9,1,rain\n",
        )

        (refused,) = refused_files(homes, home)

        assert refused.file == "sales.csv"
        assert "nearest is kc_house" in refused.reason
        assert "ml-assets sources homes add" in refused.reason

    def test_whose_columns_changed_are_refused(self, inbox, homes, home):
        write(inbox / "kc_house_1.csv", "id,day,price,sqft_living\n1,01/02/2016,5,1000\n")

        source_partitions(homes, home)

        (refused,) = refused_files(homes, home)
        assert "listed_at" in refused.reason
        assert "kc_house.yaml" in refused.reason

    def test_keep_every_column_that_they_have(self, inbox, homes, home, now):
        record = {**NESTED, "id": "P-1", "listed": "2016-03-08", "view": {"sea": True}}
        write(inbox / "portal.json", json.dumps([record]))

        ingest(feed_of(homes, "portal"), home, None, run_id="run", now=now)

        (row,) = home.lake.read("homes/raw_portal").to_pylist()
        assert json.loads(row["address"]) == NESTED["address"]
        assert json.loads(row["_rest"]) == {"view": {"sea": True}}
        assert row["_entity"] == "portal:P-1"


class TestMappings:
    def test_without_a_place_for_their_rows_are_refused(self, folder, homes):
        path = folder / "sources" / "portal.yaml"
        lines = [line for line in path.read_text().splitlines() if "listed_at" not in line]
        path.write_text(
            "\n".join(
                line.replace(", dated_by: listed_at", "").replace(
                    ", currency: USD, to: USD", ""
                )
                for line in lines
            )
        )

        with pytest.raises(ProblemError, match="does not say listed_at"):
            mapped_sources(homes)

    def test_are_asked_for_by_name(self, homes):
        with pytest.raises(SourceError, match=r"no source 'portl'.* Did you mean 'portal'"):
            feed_of(homes, "portl")


class TestATable:
    """A source that is a table of a database."""

    @pytest.fixture
    def offers(self, folder, tmp_path, homes):  # noqa: ARG002 - the folder is filled before
        mapping = (folder / "sources" / "agency.yaml").read_text()
        place = "table: {url_from: OFFERS_URL, table: offers, cursor: listed}"
        mapping = mapping.replace('files: "agency*.json*"', place)
        (folder / "sources" / "offers.yaml").write_text(mapping)
        with closing(sqlite3.connect(tmp_path / "offers.db")) as database, database:
            database.execute("create table offers (id, listed, country, price, area)")
            database.execute(
                "insert into offers values ('7', '2016-03-08', 'USA', '130000', '1200 sqft')"
            )
        return {"OFFERS_URL": f"sqlite:///{tmp_path / 'offers.db'}"}

    def test_is_fetched_and_read_as_files_are(self, offers, brought, homes, home, now):
        failed = fetch_sources(homes, home, environment=offers, now=now)

        brought()

        assert failed == []
        (row,) = raw_rows(home)
        assert row["listing_id"] == "offers:7"
        assert row["source"] == "offers"

    @pytest.mark.usefixtures("offers")
    def test_is_refused_by_name_where_it_cannot_be_reached(self, homes, home, now):
        (failed,) = fetch_sources(homes, home, environment={}, now=now)

        assert failed.file == "offers"
        assert "OFFERS_URL" in failed.reason
