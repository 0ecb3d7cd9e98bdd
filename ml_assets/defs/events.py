"""How a step says which partitions it made.

A run over a range of partitions marks all of them as materialized once its step has an output.
Here a step says so itself, for the partitions that it did make, and its output is marked so that
Dagster adds nothing: a partition that the gate refused stays missing, and the good ones go on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

Target = AssetCheckEvaluationTargetMaterializationData
Said = Mapping[str, dg.MetadataValue]
SAME = ("dagster/data_version", "dagster/code_version")

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]


class Made(NamedTuple):
    """One partition of an asset that a step made."""

    key: dg.AssetKey
    partition: str
    content: str
    """Hash of its content, which is its data version."""
    describe: Callable[[], Said]
    """What a person sees beside it; asked only when the partition is another than before."""
    parents: Mapping[dg.AssetKey, str] = MappingProxyType({})
    """Hash of the content of what it was made from, by asset."""


def materialized(
    context: dg.AssetExecutionContext, made: Iterable[Made | dg.AssetCheckEvaluation]
) -> Iterator[Event]:
    """Say of each partition of `made`, as soon as it is there, that it was materialized.

    Evaluations go through as they are. So does what `made` raises, and then the step has no output.
    """
    pointers = _newest_events(context)
    shown = {
        key: context.instance.get_materialized_partitions(key)
        for key in context.selected_asset_keys
    }
    for each in made:
        if isinstance(each, dg.AssetCheckEvaluation):
            yield each
            continue
        tags = _version_tags(context, each, pointers)
        is_shown = each.partition in shown.get(each.key, ())
        said = _said_before(context, each, tags) if is_shown else None
        yield dg.AssetMaterialization(
            each.key, partition=each.partition, metadata=said or each.describe(), tags=tags
        )
    for key in sorted(context.selected_asset_keys):
        yield silent_output(context.assets_def.get_output_name_for_asset_key(key))


def silent_output(name: str) -> dg.Output[None]:
    """Return an output that lets downstream steps start, and marks nothing as materialized.

    Dagster has no public way to say so; this is the mark of its observable source assets.
    """
    return dg.Output(
        None, output_name=name, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    )


def newest_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str
) -> Target | None:
    """What a check of a partition is about; without it Dagster takes the check for outdated."""
    where = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    for record in instance.fetch_materializations(where, limit=1).records:
        return Target(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None


def _newest_events(context: dg.AssetExecutionContext) -> Mapping[dg.AssetKey, int]:
    """Where the event log of each parent ends before the work begins."""
    parents = set().union(*context.assets_def.asset_deps.values())
    found = {key: context.instance.fetch_materializations(key, limit=1) for key in parents}
    return {key: each.records[0].storage_id for key, each in found.items() if each.records}


def _said_before(
    context: dg.AssetExecutionContext, made: Made, tags: Mapping[str, str]
) -> Said | None:
    """What was said of the same content, made by the same code; pictures are not drawn twice."""
    where = dg.AssetRecordsFilter(asset_key=made.key, asset_partitions=[made.partition])
    for record in context.instance.fetch_materializations(where, limit=1).records:
        before = record.asset_materialization
        if before and all((before.tags or {}).get(tag) == tags[tag] for tag in SAME):
            return before.metadata
    return None


def _version_tags(
    context: dg.AssetExecutionContext, made: Made, pointers: Mapping[dg.AssetKey, int]
) -> dict[str, str]:
    """Tags by which Dagster tells whether a partition is stale."""
    tags = {
        "dagster/data_version": made.content,
        "dagster/data_version_is_user_provided": "true",
        "dagster/code_version": context.assets_def.code_versions_by_key[made.key] or "",
    }
    for parent, content in made.parents.items():
        name = parent.to_user_string()
        tags[f"dagster/input_data_version/{name}"] = content
        tags[f"dagster/input_event_pointer/{name}"] = str(pointers.get(parent, "NULL"))
    return tags
