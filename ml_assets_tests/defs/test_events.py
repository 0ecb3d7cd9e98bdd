"""How a step says which partitions it made; pins what this needs of Dagster."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from ml_assets.defs.events import Made, materialized, newest_materialization
from ml_assets.defs.runs import QUIET, range_tags

DAYS = dg.DailyPartitionsDefinition(start_date="2020-01-01", end_date="2020-01-06")
A, B, C, D = DAYS.get_partition_keys()[:4]
ROWS, WORDS = dg.AssetKey("rows"), dg.AssetKey("words")


class World:
    """Two assets, the second made from the first; `held` is what their lake would hold."""

    def __init__(self):
        self.held = {ROWS: {}, WORDS: {}}
        self.described = []
        self.refused = set()
        rows = self._asset(ROWS, made_from=[])
        words = self._asset(WORDS, made_from=[ROWS])
        self.definitions = dg.Definitions(assets=[rows, words], executor=dg.in_process_executor)

    def _asset(self, key, *, made_from):
        spec = dg.AssetSpec(key, deps=made_from, partitions_def=DAYS, code_version="1")

        @dg.multi_asset(
            name=key.path[-1], specs=[spec], backfill_policy=dg.BackfillPolicy.single_run()
        )
        def step(context: dg.AssetExecutionContext):
            yield from materialized(context, self._made(context, key, made_from))

        return step

    def _made(self, context, key, made_from):
        asked = context.partition_keys
        there = [p for p in asked if all(p in self.held[parent] for parent in made_from)]
        for partition in there:
            if key == ROWS and partition in self.refused:
                continue
            parents = {parent: self.held[parent][partition] for parent in made_from}
            content = "".join(
                ["content of ", *parents.values(), *self.held[key].get("next", [])]
            )
            self.held[key][partition] = content
            yield Made(key, partition, content, self._describe(key, partition), parents)

    def _describe(self, key, partition):
        def describe():
            self.described.append((key.path[-1], partition))
            return {"rows": dg.MetadataValue.int(7)}

        return describe


@pytest.fixture
def world():
    return World()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def run(world, instance):
    def ran(*partitions, only=None):
        job = world.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=instance,
            asset_selection=only,
            tags=range_tags(partitions),
            run_config=QUIET,
            raise_on_error=False,
        )

    return ran


@pytest.fixture
def status(world, instance):
    """What Dagster says of the second asset's partition: FRESH, STALE or MISSING."""

    def told(partition):
        resolver = CachingStaleStatusResolver(
            instance, world.definitions.resolve_asset_graph(), LoadingContextForTest(instance)
        )
        return resolver.get_status(WORDS, partition).value

    return told


class TestARange:
    def test_marks_only_what_was_made(self, world, instance, run):
        world.refused = {B}

        result = run(A, B, C)

        assert result.success
        assert instance.get_materialized_partitions(ROWS) == {A, C}
        assert instance.get_materialized_partitions(WORDS) == {A, C}

    def test_gives_every_partition_its_own_content(self, instance, run, world):
        world.held[ROWS]["next"] = ["!"]

        run(A, B)

        where = dg.AssetRecordsFilter(asset_key=ROWS, asset_partitions=[B])
        (record,) = instance.fetch_materializations(where, limit=1).records
        assert record.asset_materialization.tags["dagster/data_version"] == "content of !"
        assert record.asset_materialization.metadata["rows"].value == 7

    def test_lets_a_step_that_made_nothing_be_followed_by_the_next(self, world, run):
        world.refused = {A, B}

        result = run(A, B)

        finished = {
            event.step_key for event in result.filter_events(lambda each: each.is_step_success)
        }
        assert finished == {"rows", "words"}


class TestStaleness:
    def test_what_was_just_made_is_fresh(self, run, status):
        run(A, B, C)

        assert [status(each) for each in (A, B, C)] == ["FRESH"] * 3
        assert status(D) == "MISSING"

    def test_another_content_upstream_makes_that_partition_stale_alone(
        self, world, run, status
    ):
        run(A, B, C)
        world.held[ROWS]["next"] = ["!"]

        run(B, only=[ROWS])

        assert [status(each) for each in (A, B, C)] == ["FRESH", "STALE", "FRESH"]

    def test_the_same_content_upstream_makes_nothing_stale(self, run, status):
        run(A, B, C)

        run(A, B, C, only=[ROWS])

        assert [status(each) for each in (A, B, C)] == ["FRESH"] * 3


class TestWhatIsSaid:
    def test_is_asked_for_once_while_the_content_stays(self, world, run):
        run(A)
        run(A)

        assert world.described == [("rows", A), ("words", A)]

    def test_stays_beside_the_partition(self, run, instance):
        run(A)
        run(A)

        newest = instance.get_latest_materialization_event(ROWS).asset_materialization
        assert newest.metadata["rows"].value == 7

    def test_is_asked_for_again_with_another_content(self, world, run):
        run(A)
        world.held[ROWS]["next"] = ["!"]

        run(A)

        assert world.described == [("rows", A), ("words", A)] * 2


def test_the_newest_materialization_of_a_partition_is_found(instance, run):
    run(A)
    run(B)

    found = newest_materialization(instance, ROWS, A)

    (record,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=ROWS, asset_partitions=[A]), limit=1
    ).records
    assert (found.storage_id, found.run_id) == (record.storage_id, record.run_id)
    assert newest_materialization(instance, ROWS, C) is None
