"""The closed list of assets of a problem: what each one is, and what it is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from ml_assets.defs.code import code_version
from ml_assets.defs.partitions import partitions_of
from ml_assets.problem import Declared


@dataclass(frozen=True, kw_only=True)
class Noun:
    """What an asset is, whatever the problem.

    Attributes:
        text: One sentence for whoever meets it in the graph.
        stage: The room that does the work.
        kinds: Libraries, shown as icons.
        parents: Nouns that it is made from.
        files: Files of the problem's folder that decide what it holds.
        is_partitioned: Whether it is cut by event time.
    """

    text: str
    stage: str
    kinds: frozenset[str]
    parents: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    is_partitioned: bool = True


NOUNS: Mapping[str, Noun] = {
    "raw": Noun(
        text="Rows exactly as the sources have them, the newest version of each.",
        stage="ingestion",
        kinds=frozenset({"deltalake", "arrow"}),
        files=("contract.py",),
    ),
    "validated": Noun(
        text="Rows that hold the contract, of partitions that the gate admitted.",
        stage="validation",
        kinds=frozenset({"deltalake", "pandera"}),
        parents=("raw",),
        files=("contract.py",),
    ),
    "quarantined": Noun(
        text="Rows that broke the contract with the rules each one broke, and whole partitions "
        "that the gate refused.",
        stage="validation",
        kinds=frozenset({"deltalake", "pandera"}),
        parents=("raw",),
        files=("contract.py",),
    ),
    "profile": Noun(
        text="What the columns of a partition look like: types, ranges, gaps, balance.",
        stage="validation",
        kinds=frozenset({"deltalake", "pandas"}),
        parents=("validated",),
        files=("contract.py",),
    ),
    "features": Noun(
        text="What a model reads of each row, known at the moment of prediction.",
        stage="features",
        kinds=frozenset({"deltalake", "pandas"}),
        parents=("validated",),
        files=("features.py", "contract.py"),
    ),
    "training_set": Noun(
        text="Features with labels that can be trusted, and which rows are held out: a snapshot.",
        stage="features",
        kinds=frozenset({"deltalake", "duckdb"}),
        parents=("features",),
        is_partitioned=False,
    ),
    "model": Noun(
        text="The winner of the competing algorithms, an immutable version. Trained anew only "
        "when something that it was made from has changed.",
        stage="training",
        kinds=frozenset({"scikitlearn"}),
        parents=("training_set",),
        is_partitioned=False,
    ),
    "metrics": Noun(
        text="How good the model is on rows that it never saw, beside a trivial baseline, overall "
        "and by slice.",
        stage="evaluation",
        kinds=frozenset({"numpy"}),
        parents=("model",),
        is_partitioned=False,
    ),
    "champion": Noun(
        text="The version that answers. It moves only when the challenger is better beyond "
        "chance, on the same rows, and in no slice much worse.",
        stage="registry",
        kinds=frozenset({"sqlite"}),
        parents=("metrics",),
        is_partitioned=False,
    ),
}

PARTITIONED = tuple(noun for noun, each in NOUNS.items() if each.is_partitioned)
WHOLE = tuple(noun for noun, each in NOUNS.items() if not each.is_partitioned)


def key_of(declared: Declared, noun: str) -> dg.AssetKey:
    """Key of a problem's asset."""
    return dg.AssetKey([declared.name, noun])


def spec_of(declared: Declared, noun: str) -> dg.AssetSpec:
    """Everything that Dagster is told about an asset of a problem."""
    each = NOUNS[noun]
    return dg.AssetSpec(
        key_of(declared, noun),
        deps=[_dependency(declared, parent, of=each) for parent in each.parents],
        description=each.text,
        group_name=declared.name,
        owners=[owner_of(declared)],
        kinds=set(each.kinds),
        tags={"stage": each.stage},
        code_version=code_version(
            [each.stage], [declared.folder / name for name in each.files]
        ),
        partitions_def=partitions_of(declared.config.partitions)
        if each.is_partitioned
        else None,
        metadata={
            "objective": declared.config.objective,
            "source": declared.config.source.origin,
        },
    )


def owner_of(declared: Declared) -> str:
    """The owner, in the form that Dagster asks for."""
    owner = declared.config.owner
    return owner if "@" in owner else f"team:{owner}"


def _dependency(declared: Declared, parent: str, *, of: Noun) -> dg.AssetDep:
    """What has no partitions is made from all those of its parent that there are."""
    all_of_them = NOUNS[parent].is_partitioned and not of.is_partitioned
    mapping = dg.AllPartitionMapping() if all_of_them else None
    return dg.AssetDep(key_of(declared, parent), partition_mapping=mapping)
