"""Homes of several sources and locations: the graph, eight weeks, and a source that joins meanwhile."""

import shutil
import threading
import time
from types import SimpleNamespace

import dagster as dg
import pytest
from quick_homes import SOURCES, quick_homes

from ml_assets.defs.runs import range_tags, run_here, tick_here
from ml_assets.defs.wiring import definitions_of
from ml_assets.demo.homes_delivery import BOTH, Week, deliver_week
from ml_assets.features import load_training_set
from ml_assets.ingestion import outdated_joins, register_source, source_partitions
from ml_assets.registry import decisions, releases, versions
from ml_assets.storage import Home
from ml_assets.validation import admissions

NEW_IN = 4
BROKEN_IN = 6
WEEKS = {
    number: Week(
        number=number,
        rows=40,
        locations=(*BOTH, "Canada") if number >= NEW_IN else BOTH,
        is_broken=number == BROKEN_IN,
    )
    for number in range(1, 9)
}


def opened(folder, **how):
    """A home, its inbox, and the homes problem with mappings of its own."""
    declared = quick_homes(folder / "problem", **how)
    home, inbox = Home.open(folder / "home", environment={}), folder / "inbox"
    inbox.mkdir()
    register_source(declared.load(), home, inbox)
    return SimpleNamespace(
        declared=declared, problem=declared.load(), home=home, inbox=inbox, folder=folder
    )


class TestTheGraph:
    @pytest.fixture
    def graph(self, tmp_path):
        return definitions_of(quick_homes(tmp_path)).resolve_asset_graph()

    def test_has_an_asset_for_each_source_that_raw_is_made_of(self, graph):
        parents = graph.get(dg.AssetKey(["homes", "raw"])).parent_keys

        assert {key.path[-1] for key in parents} == {f"raw_{name}" for name in SOURCES}

    def test_grows_by_one_asset_with_a_mapping(self, graph, tmp_path):
        sources = tmp_path / "sources"
        shutil.copy(sources / "portal.yaml", sources / "crawler.yaml")

        grown = definitions_of(quick_homes(tmp_path)).resolve_asset_graph()

        new = set(grown.toposorted_asset_keys) - set(graph.toposorted_asset_keys)
        assert new == {dg.AssetKey(["homes", "raw_crawler"])}

    def test_spells_partitions_as_the_lake_does(self, graph):
        partitions = graph.get(dg.AssetKey(["homes", "raw_portal"])).partitions_def
        week = WEEKS[1]

        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("homes_locations", ["USA", "New Zealand"])
            keys = partitions.get_partition_keys(dynamic_partitions_store=instance)

        assert partitions.partition_dimension_names == ["location", "week"]
        assert week.partition("New Zealand") in keys


class TestARange:
    def test_goes_from_the_first_to_the_last_window_of_each_location(self):
        partitions = ["Spain|2016-03-14", "USA|2016-03-07", "Canada|2016-03-21"]

        tags = range_tags(partitions, order=["USA", "Spain", "Germany", "Canada"])

        assert list(tags.values()) == ["USA|2016-03-07", "Canada|2016-03-21"]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Eight weeks: each is delivered, and the sensor of the sources looks once."""
    world = opened(tmp_path_factory.mktemp("weeks"))
    ticks = {}
    for number, week in WEEKS.items():
        deliver_week(world.inbox, week)
        ticks[number] = tick_here(
            definitions_of(world.declared), "homes_source", home=world.home
        )
    return SimpleNamespace(**vars(world), ticks=ticks)


@pytest.mark.slow
class TestEightWeeks:
    def test_each_week_a_model_is_trained_and_released_or_not_with_the_reason(self, played):
        decided = decisions(played.problem, played.home)
        by_run = {each.run_id: each for each in decided}

        for number, tick in played.ticks.items():
            (run,) = tick.runs
            decision = by_run[run.run_id]
            assert decision.message, number
            assert decision.outcome in {"promoted", "refused"}
        released = [each.to_version for each in releases(played.problem, played.home)]
        assert released == [each.version for each in decided if each.outcome == "promoted"]
        assert len(released) < len(decided) == len(versions(played.problem, played.home))

    def test_a_location_is_new_in_week_four_without_code(self, played):
        verdicts = admissions(played.problem, played.home)

        found = [key for key in verdicts if key.startswith("Canada|")]
        assert found == [WEEKS[n].partition("Canada") for n in range(NEW_IN, 9)]
        assert all(verdicts[key].admitted for key in found)
        assert verdicts[found[1]].reference == (found[0],)

    def test_the_broken_feed_of_week_six_is_refused_and_the_others_are_not(self, played):
        verdicts = admissions(played.problem, played.home)
        refused = [key for key, verdict in verdicts.items() if not verdict.admitted]
        (run,) = played.ticks[BROKEN_IN].runs

        assert refused == [WEEKS[BROKEN_IN].partition("USA")]
        assert "area_m2" in verdicts[refused[0]].reasons[0]
        assert all(failure.is_refusal for failure in run.failures)
        assert any(refused[0] in failure.message for failure in run.failures)
        assert all(tick.runs[0].succeeded for n, tick in played.ticks.items() if n != BROKEN_IN)

    def test_no_model_learned_from_the_refused_week(self, played):
        refused = WEEKS[BROKEN_IN].partition("USA")

        learned = [
            load_training_set(played.problem, played.home, each.training_set)
            for each in versions(played.problem, played.home)
        ]

        assert not any(refused in each.snapshot for each in learned)
        assert "refused by the gate" in learned[-1].excluded[refused]

    def test_nothing_is_asked_for_where_nothing_came(self, played):
        tick = tick_here(definitions_of(played.declared), "homes_source", home=played.home)

        assert tick.runs == ()
        assert "Nothing of homes is new" in tick.reason


@pytest.mark.slow
def test_a_fifth_source_joins_while_the_others_are_backfilled(tmp_path):
    """Nothing is rebuilt but the partition that its rows fall into, and models stay."""
    world = opened(tmp_path, sources=SOURCES)
    for number in (1, 2):
        deliver_week(world.inbox, WEEKS[number])
    partitions = source_partitions(world.problem, world.home)
    backfill = threading.Thread(
        target=run_here,
        args=(definitions_of(world.declared), "homes_refresh"),
        kwargs={"home": Home.open(world.home.path, environment={}), "partitions": partitions},
    )

    backfill.start()
    while world.home.lake.version("homes/raw_melbourne") is None and backfill.is_alive():
        time.sleep(0.05)
    sources = world.folder / "problem" / "sources"
    mapping = (sources / "portal.yaml").read_text()
    (sources / "crawler.yaml").write_text(mapping.replace("portal*", "crawler*"))
    backfill.join()

    before = world.home.lake.partitions("homes/raw")
    models = [each.version for each in versions(world.problem, world.home)]
    assert sorted(before) == partitions
    assert outdated_joins(world.problem, world.home) == []

    (portal,) = world.inbox.glob(f"portal_{WEEKS[2].start}.jsonl")
    first, *_ = portal.read_text().splitlines()
    (world.inbox / "crawler.jsonl").write_text(first.replace('"P-', '"C-') + "\n")
    declared = quick_homes(world.folder / "problem")
    tick = tick_here(definitions_of(declared), "homes_source", home=world.home)

    after = world.home.lake.partitions("homes/raw")
    changed = [key for key in after if after[key] != before[key]]
    assert tick.runs[0].succeeded
    assert len(changed) == 1
    assert changed[0].endswith(f"|{WEEKS[2].start}")
    assert [each.version for each in versions(world.problem, world.home)][
        : len(models)
    ] == models
