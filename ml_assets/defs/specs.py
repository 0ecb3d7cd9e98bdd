"""The closed list of assets of a problem: what each one is, and what it is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import dagster as dg

from ml_assets.defs.code import code_version
from ml_assets.defs.partitions import batches_of, experiments_of, partitions_of
from ml_assets.problem import Declared
from ml_assets.problem.declaration import SOURCES


@dataclass(frozen=True, kw_only=True)
class Noun:
    """What an asset is, whatever the problem.

    Attributes:
        text: One sentence for whoever meets it in the graph.
        stage: The room that does the work.
        kinds: Libraries, shown as icons.
        parents: Nouns that it is made from.
        files: Files of the problem's folder that decide what it holds.
        cut: By event time, by feedback batch, by experiment, or not at all.
    """

    text: str
    stage: str
    kinds: frozenset[str]
    parents: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    cut: Literal["time", "batches", "experiments"] | None = "time"


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
    "feedback": Noun(
        text="Answers that were given, as rows to learn from: features beside the label that came "
        "of each. A batch is sealed once its labels can be trusted.",
        stage="feedback",
        kinds=frozenset({"deltalake", "pandera"}),
        files=("features.py", "contract.py"),
        cut="batches",
    ),
    "training_set": Noun(
        text="Features with labels that can be trusted, and which rows are held out: a snapshot.",
        stage="features",
        kinds=frozenset({"deltalake", "duckdb"}),
        parents=("features", "feedback"),
        cut=None,
    ),
    "model": Noun(
        text="The winner of the competing algorithms, an immutable version. Trained anew only "
        "when something that it was made from has changed.",
        stage="training",
        kinds=frozenset({"scikitlearn"}),
        parents=("training_set",),
        cut=None,
    ),
    "metrics": Noun(
        text="How good the model is on rows that it never saw, beside a trivial baseline, overall "
        "and by slice.",
        stage="evaluation",
        kinds=frozenset({"numpy"}),
        parents=("model",),
        cut=None,
    ),
    "champion": Noun(
        text="The version that answers. It moves only when the challenger is better beyond "
        "chance, on the same rows, and in no slice much worse.",
        stage="registry",
        kinds=frozenset({"sqlite"}),
        parents=("metrics",),
        cut=None,
    ),
    "analysis": Noun(
        text="Everything there is to know about the model, for people: curves, slices, fairness, "
        "importance, what would turn an answer. Comes after the release, which does not wait for it.",
        stage="analysis",
        kinds=frozenset({"numpy"}),
        parents=("champion",),
        cut=None,
    ),
    "predictions": Noun(
        text="What the champion answers about rows that hold the contract, each under an id that "
        "takes feedback.",
        stage="inference",
        kinds=frozenset({"deltalake", "scikitlearn"}),
        parents=("validated", "champion"),
        files=("features.py", "contract.py"),
    ),
    "experiments": Noun(
        text="Hypotheses: one thing changed, both sides on the same held-out rows, a verdict with "
        "an interval. A partition is an experiment.",
        stage="experiments",
        kinds=frozenset({"scikitlearn"}),
        parents=("training_set",),
        cut="experiments",
    ),
}

SOURCE = Noun(
    text="Rows of one source exactly as it has them, the newest version of each.",
    stage="ingestion",
    kinds=frozenset({"deltalake", "arrow"}),
)
CANONICAL = replace(
    NOUNS["raw"],
    text="Rows of all sources in the columns of the contract, one for each thing that several "
    "records are about; for every value, the source that won.",
    kinds=frozenset({"deltalake", "splink"}),
)
"""What `raw` is where it is made of several sources."""

WHOLE = tuple(noun for noun, each in NOUNS.items() if each.cut is None)


def nouns_of(declared: Declared) -> dict[str, Noun]:
    """The assets of a problem, in the order of the chain: with one for each source that it maps."""
    sources = {f"raw_{name}": SOURCE for name in declared.source_names}
    if not sources:
        return dict(NOUNS)
    mappings = tuple(f"{SOURCES}/{name}.yaml" for name in declared.source_names)
    parts = replace(CANONICAL, parents=tuple(sources), files=(*CANONICAL.files, *mappings))
    return {**sources, **NOUNS, "raw": parts}


def chain_of(declared: Declared) -> tuple[str, ...]:
    """The assets from the sources to the champion and its analysis."""
    apart = {"feedback", "predictions", "experiments"}
    return tuple(noun for noun in nouns_of(declared) if noun not in apart)


def key_of(declared: Declared, noun: str) -> dg.AssetKey:
    """Key of a problem's asset."""
    return dg.AssetKey([declared.name, noun])


def spec_of(declared: Declared, noun: str) -> dg.AssetSpec:
    """Everything that Dagster is told about an asset of a problem."""
    each = nouns_of(declared)[noun]
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
        partitions_def=partitions_def(declared, noun),
        skippable=noun == "training_set",  # where the retraining policy says not now
        metadata={
            "objective": declared.config.objective,
            "source": declared.config.source.origin,
        },
    )


def partitions_def(declared: Declared, noun: str) -> dg.PartitionsDefinition | None:
    """How Dagster counts the partitions of an asset; None where it has none."""
    match nouns_of(declared)[noun].cut:
        case "time":
            return partitions_of(declared)
        case "batches":
            return batches_of(declared.name)
        case "experiments":
            return experiments_of(declared.name)
    return None


def owner_of(declared: Declared) -> str:
    """The owner, in the form that Dagster asks for."""
    owner = declared.config.owner
    return owner if "@" in owner else f"team:{owner}"


def _dependency(declared: Declared, parent: str, *, of: Noun) -> dg.AssetDep:
    """What has no partitions is made from all those of its parent that there are."""
    all_of_them = nouns_of(declared)[parent].cut is not None and of.cut is None
    mapping = dg.AllPartitionMapping() if all_of_them else None
    return dg.AssetDep(key_of(declared, parent), partition_mapping=mapping)
