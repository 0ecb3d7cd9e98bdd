"""The typed model of a source's mapping file; a key that it does not know is refused.

A mapping says for every column of the problem's contract by which rule the rows of one source
fill it. What a rule then does to a text is for `readings`, `dates` and `money`.
"""

import datetime as dt
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ml_assets.errors import ProblemError
from ml_assets.ingestion.mapping.address import Part
from ml_assets.ingestion.mapping.names import key, nearest
from ml_assets.ingestion.mapping.numbers import Decimal
from ml_assets.ingestion.mapping.origins import Rest, Table
from ml_assets.problem.config import Share, Strict

Kind = Literal["text", "number", "integer", "date"]
Precision = Literal["year", "month", "day", "time"]
PRECISIONS: tuple[Precision, ...] = ("year", "month", "day", "time")
ORIGIN = ("_file", "_row", "_delivered_at")
"""Columns of raw that say where a row comes from, which a path may name too."""


def _as_text(value: object) -> object:
    """YAML's numbers and dates as the text that they were."""
    if isinstance(value, bool) or not isinstance(value, int | float | dt.date):
        return value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Text = Annotated[str, BeforeValidator(_as_text)]
Texts = Annotated[list[Text], BeforeValidator(_as_list)]


class Ranges(Strict):
    """How a text that is more than one number is still read as one; each must be asked for."""

    sum: bool = Field(default=False, description='"3 + 1" is 4.')
    sides: bool = Field(default=False, description='"30x40 ft" is the area 1200 ft².')
    under: Share | None = Field(
        default=None, description='The share of its bound that "under 1/2 acre" counts as.'
    )


class Rule(Strict):
    """How one column of the contract is filled from a row of the source."""

    path: Texts = Field(
        default=[],
        description="Where the text is: a column, or keys with dots between; the first that has one.",
    )
    id_of: Texts = Field(
        default=[], description="Paths whose texts, behind the source's name, make an id."
    )
    constant: Text | None = Field(default=None, description="The same text in every row.")
    kind: Kind = "text"
    missing: Texts = Field(default=[], description="Texts that mean no value in this column.")
    codes: dict[Text, Text] = Field(
        default={}, description="The source's codes to the contract's; others are refused."
    )
    part: Part | None = Field(default=None, description="The part of an address in one text.")
    dates: Texts = Field(default=[], description="strptime formats; the source's by default.")
    precision: Precision | None = Field(
        default=None, description="Of a date; as far as it is known by default."
    )
    decimal: Decimal | None = Field(default=None, description="The source's by default.")
    cut_at: str | None = Field(default=None, description="What stands behind it is left out.")
    ranges: Ranges = Ranges()
    unit: str | None = Field(default=None, description="Of numbers whose text says none.")
    currency: str | None = Field(default=None, description="Of amounts whose text says none.")
    to: str | None = Field(default=None, description="The unit, or the currency, wanted.")
    dated_by: str | None = Field(
        default=None, description="The contract's column whose day the rate is of."
    )

    @model_validator(mode="after")
    def _says_where_from(self) -> "Rule":
        ways = [bool(self.path), bool(self.id_of), self.constant is not None]
        if sum(ways) != 1:
            msg = f"needs one of path, id_of and constant, got {sum(ways)} of them"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _suits_its_kind(self) -> "Rule":
        """A key that would do nothing is a mistake."""
        needs = {
            "number or integer": (
                self.is_number,
                ("decimal", "ranges", "unit", "currency", "to"),
            ),
            "date": (self.kind == "date", ("dates", "precision")),
            "text": (self.kind == "text", ("codes", "part")),
        }
        for kind, (suits, keys) in needs.items():
            for name in keys:
                if name in self.model_fields_set and not suits:
                    msg = f"{name} needs kind: {kind}, got {self.kind}"
                    raise ValueError(msg)
        if self.codes and self.part:
            msg = "codes and part cannot be in one rule"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _converts_to_something(self) -> "Rule":
        for name in ("unit", "currency"):
            if getattr(self, name) and not self.to:
                msg = f"{name} needs `to`, which is what is wanted of it"
                raise ValueError(msg)
        if self.unit and self.currency:
            msg = "unit and currency cannot be in one rule"
            raise ValueError(msg)
        if bool(self.currency) != bool(self.dated_by):
            msg = "currency and dated_by, the column whose day the rate is of, need each other"
            raise ValueError(msg)
        return self

    @property
    def is_number(self) -> bool:
        """Whether what it reads are numbers."""
        return self.kind in ("number", "integer")

    @property
    def paths(self) -> tuple[str, ...]:
        """Every place that it reads."""
        return (*self.path, *self.id_of)


Rules = Annotated[list[Rule], BeforeValidator(_as_list), Field(min_length=1)]


class Mapping(Strict):
    """A source's mapping file."""

    source: str = Field(default="", description="Its name; that of the file by default.")
    origin: str = Field(description="Who publishes the data, and where.")
    terms: str = Field(description="Under which terms it was collected and may be used.")
    rest: Rest | None = Field(default=None, description="The endpoint it is fetched from.")
    table: Table | None = Field(default=None, description="The table it is fetched from.")
    files: Texts = Field(
        default=[],
        description="How its files are named, such as sales*.csv; others are known by their columns.",
    )
    strict: bool = Field(
        default=False, description="Quarantine rows that have a path nobody knows."
    )
    missing: Texts = Field(
        default=["", "N/A", "NA", "NaN", "None", "null", "NULL"],
        description="Texts that mean no value in any column.",
    )
    decimal: Decimal = Field(default=".", description="What stands before decimals.")
    dates: Texts = Field(default=[], description="strptime formats, beside ISO 8601.")
    columns: dict[str, Rules] = Field(
        min_length=1,
        description="The contract's column to its rule, or to several: the first that finds a text.",
    )
    unmapped: Texts = Field(
        default=[], description="Paths that are known and that no column needs."
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> "Mapping":
        if self.rest and self.table:
            msg = "rest and table are two sources; give each its own file"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _rates_have_their_day(self) -> "Mapping":
        for column, rules in self.columns.items():
            for day in filter(None, (rule.dated_by for rule in rules)):
                if not any(not rule.is_number for rule in self.columns.get(day, [])):
                    msg = f"columns.{column}: dated_by {day!r} is no mapped column with days"
                    raise ValueError(msg)
        return self

    @classmethod
    def from_file(cls, path: Path) -> "Mapping":
        """Read and check a mapping file; the source is called as the file.

        Raises:
            ProblemError: Every key that is unknown, missing or wrong, with its place in the file
                and the nearest known name.
        """
        mapping = super().from_file(path)
        return mapping if mapping.source else mapping.model_copy(update={"source": path.stem})

    @cached_property
    def raw_columns(self) -> dict[str, str]:
        """Columns of the source that raw keeps, as raw and as the mapping spell them."""
        heads = {key(head): head for head in map(_head, self.paths)}
        return {raw: head for raw, head in heads.items() if raw and head not in ORIGIN}

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it knows, mapped or not."""
        mapped = (p for rules in self.columns.values() for rule in rules for p in rule.paths)
        return tuple(dict.fromkeys((*mapped, *self.unmapped)))

    def require_columns(self, contract: Collection[str]) -> None:
        """Refuse columns that the contract does not have.

        Raises:
            ProblemError: With the nearest name that it has.
        """
        for column in self.columns:
            if column not in contract:
                near = nearest(column, contract)
                hint = f"did you mean {near!r}?" if near else f"it has: {', '.join(contract)}."
                raise ProblemError(
                    f"{self.source}: the contract has no column {column!r}; {hint}"
                )


def mappings_of(folder: Path) -> dict[str, Mapping]:
    """The mappings of every source in a folder, by name.

    Raises:
        ProblemError: If one of them cannot be used.
    """
    found = (Mapping.from_file(path) for path in sorted(folder.glob("*.yaml")))
    return {mapping.source: mapping for mapping in found}


def _head(path: str) -> str:
    return path.split(".", 1)[0]
