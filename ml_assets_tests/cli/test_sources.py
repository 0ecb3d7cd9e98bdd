"""`ml-assets sources`: what became of each source's rows, and the draft of another."""

import pytest
from quick_homes import quick_homes

from ml_assets.cli.sources import draft_source, print_drafted, print_sources, sources_facts
from ml_assets.demo.homes_delivery import Week, deliver_week
from ml_assets.errors import SourceError
from ml_assets.ingestion import feeds, ingest, join_sources, register_source, source_partitions
from ml_assets.ingestion.sources import mapped_sources
from ml_assets.validation import admit

SALES = """when,land,costs,living area
2016-03-08,New Zealand,400000,120 m2
2016-03-09,New Zealand,300000,80 m2
"""


@pytest.fixture
def homes(tmp_path):
    return quick_homes(tmp_path / "problem").load()


@pytest.fixture
def brought(homes, home, tmp_path, now):
    """A week of homes, judged; one of the weeks' rows is in an unknown unit."""
    told = deliver_week(tmp_path / "inbox", Week(number=1, unknown_units=1))
    register_source(homes, home, tmp_path / "inbox")
    partitions = source_partitions(homes, home)
    for feed in feeds(homes):
        ingest(feed, home, partitions, run_id="run", now=now)
    for each in join_sources(homes, home, partitions, run_id="run"):
        admit(homes, home, each.partition, run_id="run", now=now)
    return told


def test_every_row_of_a_source_is_accounted_for(brought, homes, home):
    facts = sources_facts(homes, home)

    assert {each.name: each.rows for each in facts.sources} == brought.records
    for each in facts.sources:
        assert each.rows == each.canonical + each.merged + each.quarantined
        assert each.waiting == 0
    assert sum(each.quarantined for each in facts.sources) == 1


def test_every_rule_says_what_it_did(brought, homes, home):
    (portal,) = [each for each in sources_facts(homes, home).sources if each.name == "portal"]

    (area,) = [rule for rule in portal.rules if rule.column == "area_m2"]
    assert area.rows == brought.records["portal"]
    assert (area.applied, area.refused) == (area.rows - 1, 1)


@pytest.mark.usefixtures("brought")
def test_prints_a_table_and_what_to_do_next(homes, home, capsys):
    print_sources(sources_facts(homes, home), as_json=False, rules=False)

    printed = capsys.readouterr().out
    assert "canonical" in printed
    assert "ml-assets sources homes add FILE --name NAME" in printed


class TestADraft:
    def test_is_a_source_at_once_where_it_says_where_rows_belong(self, homes, tmp_path, capsys):
        file = tmp_path / "sales.csv"
        file.write_text(SALES.replace("when", "listed at").replace("land", "location"))

        done = draft_source(homes, file, "sales")
        print_drafted("homes", file, done, as_json=False)

        assert done.lacks == ()
        assert "sales" in mapped_sources(homes)
        assert "ml-assets run homes --source" in capsys.readouterr().out

    def test_waits_for_a_person_where_it_does_not(self, homes, tmp_path):
        file = tmp_path / "sales.csv"
        file.write_text("a,b\nx,y\n")

        done = draft_source(homes, file, "sales")

        assert set(done.lacks) == {"location"}
        assert done.path.endswith("sales.yaml.draft")
        assert "sales" not in mapped_sources(homes)

    @pytest.mark.parametrize(
        ("name", "why"), [("portal", "has a source portal already"), ("New-One", "no name")]
    )
    def test_needs_a_name_of_its_own(self, homes, tmp_path, name, why):
        file = tmp_path / "sales.csv"
        file.write_text(SALES)

        with pytest.raises(SourceError, match=why):
            draft_source(homes, file, name)
