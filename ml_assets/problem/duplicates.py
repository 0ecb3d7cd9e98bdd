"""The section `duplicates` of a problem's `config.yaml`: which rows are about one and the same thing.

Rows are compared where a block says so, column by column; how near two values are says how much
more likely two rows are about the same thing than about two. All of it is data: how a kind of
comparison measures is code in `ml_assets.ingestion.duplicates`.
"""

from collections.abc import Mapping
from itertools import chain, pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(gt=0, lt=1)]
Kind = Literal["equal", "text", "street", "number", "place"]
Use = Literal["merge", "link"]
SurvivorRule = Literal["newest", "trusted", "longest", "median", "most_frequent"]


class Level(BaseModel, extra="forbid", frozen=True):
    """One reading of how near two values are; the first that holds counts."""

    within: float = Field(ge=0, description="How far apart they are at most.")
    m: Chance = Field(description="How often two rows about the same thing are so near.")
    u: Chance = Field(description="How often two rows about different things are, if compared.")


DEFAULT_LEVELS: Mapping[Kind, tuple[Level, ...]] = {
    "equal": (Level(within=0, m=0.95, u=0.7),),
    "text": (Level(within=0, m=0.8, u=0.05), Level(within=0.1, m=0.12, u=0.05)),
    "street": (
        Level(within=0.02, m=0.8, u=0.002),
        Level(within=0.1, m=0.1, u=0.004),
        Level(within=0.2, m=0.08, u=0.1),
    ),
    "number": (
        Level(within=0.005, m=0.8, u=0.2),
        Level(within=0.03, m=0.12, u=0.15),
        Level(within=0.1, m=0.04, u=0.25),
    ),
    "place": (
        Level(within=10, m=0.35, u=0.03),
        Level(within=50, m=0.35, u=0.08),
        Level(within=150, m=0.27, u=0.33),
    ),
}
"""What a comparison has that says no levels of its own.

How often different things are near was counted among homes at the same place, the flats of a
building, since those are the ones that are taken for one another. Among any two it is seldomer.
"""


class Comparison(BaseModel, extra="forbid", frozen=True):
    """How one fact of two rows is compared; where one of them lacks it, it says nothing."""

    kind: Kind = Field(
        description="equal; text: one less the Jaro-Winkler similarity; street: the same, and 1 "
        "where house numbers differ; number: the difference over the smaller one; place: metres."
    )
    columns: list[str] = Field(
        default=[],
        description="Of the contract; the comparison's own name, or latitude and longitude.",
    )
    levels: list[Level] = Field(
        default=[], description="Nearest first; those of the kind by default."
    )

    only: Use | None = Field(
        default=None,
        description="Where it counts; in both by default. In one week a source seldom tells a home "
        "twice and prices are the same, later they are not.",
    )

    @property
    def graded(self) -> tuple[Level, ...]:
        """The levels, nearest first."""
        return tuple(self.levels) or DEFAULT_LEVELS[self.kind]

    @property
    def widest(self) -> float:
        """How far apart two values may be that still count as near."""
        return self.graded[-1].within

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        if any(wider.within <= nearer.within for nearer, wider in pairwise(self.graded)):
            msg = "levels: each must reach further than the one before"
            raise ValueError(msg)
        for name in ("m", "u"):
            if (total := sum(getattr(level, name) for level in self.graded)) >= 1:
                msg = (
                    f"levels: {name} must leave something to values that are further apart, the "
                    f"sum is {total:g}"
                )
                raise ValueError(msg)
        return self


class Agreement(BaseModel, extra="forbid", frozen=True):
    """Up to where two records of one thing agree on a column; beyond, it is a finding."""

    by: Literal["share", "difference", "text"] = Field(
        default="text",
        description="share: the difference over the smaller value; difference: of numbers as they "
        "are; text: 0 where two texts are equal but for case, accents and marks, 1 where not.",
    )
    limit: float = Field(default=0, ge=0)


class Survivorship(BaseModel, extra="forbid", frozen=True):
    """Which of the values that records say of one thing stays."""

    trusted: list[str] = Field(
        default=[], description="Sources, the most trusted first; others come last."
    )
    default: Literal["newest", "trusted", "longest", "most_frequent"] = Field(
        default="trusted", description="For columns that rules does not name; no median."
    )
    rules: dict[str, SurvivorRule] = Field(default={}, description="Column to its rule.")
    together: list[list[str]] = Field(
        default=[],
        description="Columns that are taken from one record, by the rule of the first.",
    )

    def rule(self, column: str) -> SurvivorRule:
        """By which rule the value of a column stays."""
        return self.rules.get(column, self.default)


class Duplicates(BaseModel, extra="forbid", frozen=True):
    """Which rows are about one thing, and what becomes of them.

    Rows of one partition are merged into one record; rows of several keep their own, and
    are held together when a training set is split.
    """

    source: str = Field(description="The contract column that names a row's source.")
    blocking: list[list[str]] = Field(
        min_length=1,
        description="Names of comparisons; two rows are compared when all of one line are near.",
    )
    comparisons: dict[str, Comparison] = Field(min_length=1)
    prior: Chance = Field(
        default=0.02, description="Share of compared pairs that are about the same thing."
    )
    merge_from: Chance = Field(
        default=0.7, description="Probability from which rows of a partition are merged."
    )
    apart_below: Share = Field(
        default=0.1,
        description="Probability below which two rows are never merged, whoever links them.",
    )
    link_from: Chance = Field(
        default=0.2,
        description="Probability from which rows stay together in a split; low, since strangers kept "
        "together cost little, and copies torn apart tell the label.",
    )
    most_rows_in_block: int = Field(
        default=200, ge=2, description="A block of more rows tells nothing and is not compared."
    )
    survivorship: Survivorship = Survivorship()
    agreement: dict[str, Agreement] = {}

    @property
    def columns(self) -> list[str]:
        """Columns of the contract that the section names, sorted."""
        kept = self.survivorship
        named = {self.source, *kept.rules, *self.agreement, *chain(*kept.together)}
        return sorted(named.union(*map(self.compared, self.comparisons)))

    def used_to(self, use: Use) -> Self:
        """The section without the comparisons that count elsewhere only, and their blocks."""
        used = {n: each for n, each in self.comparisons.items() if each.only in (None, use)}
        lines = [line for line in self.blocking if used.keys() >= set(line)]
        return self.model_copy(update={"comparisons": used, "blocking": lines})

    def compared(self, name: str) -> list[str]:
        """Columns that a comparison reads."""
        comparison = self.comparisons[name]
        own = ["latitude", "longitude"] if comparison.kind == "place" else [name]
        return comparison.columns or own

    @model_validator(mode="after")
    def _blocks_are_of_comparisons(self) -> Self:
        unknown = sorted(set(chain(*self.blocking)) - set(self.comparisons))
        if unknown or not all(self.blocking):
            msg = (
                f"blocking: {', '.join(unknown) or 'an empty line'} is no comparison; known are "
                f"{', '.join(sorted(self.comparisons))}"
            )
            raise ValueError(msg)
        for use in get_args(Use):
            if not self.used_to(use).blocking:
                msg = f"blocking: no line is left to {use} by; add one of comparisons that count there"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _comparisons_read_as_many_columns_as_they_need(self) -> Self:
        for name, comparison in self.comparisons.items():
            needed = 2 if comparison.kind == "place" else 1
            if len(self.compared(name)) != needed:
                msg = f"comparisons.{name}: {comparison.kind} reads {needed} columns"
                raise ValueError(msg)
        return self
