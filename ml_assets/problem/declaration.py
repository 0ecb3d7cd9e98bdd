"""What a problem folder declares: a contract, a pure feature function, a sample of rows, values.

A column's place in the problem is written beside its rules, in the contract itself:

    state: Series[str] = pa.Field(metadata={"role": "input", "known_at": "received"})

`role` is one of `Role`; `known_at` is one of the moments of `config.yaml`, and what becomes
known after the moment of prediction never reaches the feature function. A text column may also
say `categories`: a tuple of names that are no surprise when they first turn up, "open" where names
come and go, or "free" where the text is prose.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from ml_assets.errors import ProblemError
from ml_assets.problem.config import Config
from ml_assets.problem.partitions import Key, window_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pandera.pandas as pa

Role = Literal["id", "time", "target", "input", "sensitive", "ignored"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")

RESERVED = frozenset({"console", "docs", "health", "metrics", "openapi", "ready", "v2"})
"""Names that would stand in the way of the prediction service's own paths."""
SOURCES = "sources"
"""Folder of a problem's folder that has its mappings."""

RequestHook = Callable[[dict[str, Any]], Mapping[str, Any]]
ResponseHook = Callable[..., Mapping[str, Any]]
"""Of a prediction (a float), its row, and, where it has a third argument, the interval or None."""


class Field(NamedTuple):
    """One column of a contract."""

    name: str
    role: Role
    known_at: str
    kind: Literal["text", "number", "integer", "boolean", "time"]
    nullable: bool
    unique: bool
    description: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that we predict.

    Attributes:
        name: Lower-case identifier; the first part of every asset key.
        folder: Where its `config.yaml` and `README.md` are.
        contract: What a valid row is.
        features: Rows that hold the contract, n rows, to their features: n rows, same index.
        sample: Draws n plausible rows as a source would deliver them: all text, some missing.
        config: The values of `config.yaml`.
        request_hook: A row as a client sends it, to the row that the contract is asked of. What
            the contract takes already it leaves as it is, since training never sees the hook.
        response_hook: A prediction, and its row in the types of the contract beside what else the
            client sent, to what is shown with the prediction: values as JSON has them, by name.
            A third argument is given the prediction's interval: `lower`, `upper`, `coverage`.
    """

    name: str
    folder: Path
    contract: "type[pa.DataFrameModel]"
    features: "Callable[[pd.DataFrame], pd.DataFrame]"
    sample: "Callable[[int, np.random.Generator], pd.DataFrame]"
    config: Config
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None

    def __post_init__(self) -> None:
        """Refuse a name that cannot be a problem's."""
        require_name(self.name)

    @property
    def sources(self) -> Path:
        """The folder of its mappings, one for each source; it need not be there."""
        return self.folder / SOURCES

    @property
    def hooks(self) -> tuple[Callable[..., Any], ...]:
        """Those that there are."""
        return tuple(hook for hook in (self.request_hook, self.response_hook) if hook)

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """The contract as Pandera's schema object."""
        return self.contract.to_schema()

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The contract's columns by name, in their order.

        Raises:
            ProblemError: If a column says no role or no moment, or one that does not exist.
        """
        return {
            str(name): _field(str(name), column, self.config)
            for name, column in self.schema.columns.items()
        }

    def columns(self, *roles: Role) -> list[str]:
        """Names of the columns that have one of `roles`."""
        return [name for name, field in self.fields.items() if field.role in roles]

    @property
    def entity_id(self) -> str:
        """The column that says what a prediction is about."""
        return self._only("id")

    @property
    def event_time(self) -> str:
        """The column that says when the fact became true."""
        return self._only("time")

    @property
    def target(self) -> str:
        """The column that we predict."""
        return self._only("target")

    @cached_property
    def known_columns(self) -> list[str]:
        """Columns that a feature may read: known at the moment of prediction, and allowed."""
        moments = self.config.moments
        latest = moments.index(self.config.moment_of_prediction)
        forbidden = {*self.config.protected, *self.config.proxies}
        return [
            field.name
            for field in self.fields.values()
            if field.role in ("id", "time", "input")
            and moments.index(field.known_at) <= latest
            and field.name not in forbidden
        ]

    @property
    def location(self) -> str | None:
        """The column that says which location a row belongs to; None where nothing is cut by it.

        Raises:
            ProblemError: If the contract has no such column.
        """
        by = self.config.partitions.by
        if by is not None and by not in self.fields:
            raise ProblemError(
                f"{self.name}: partitions.by names {by!r}, which the contract does not have. It "
                f"has {', '.join(self.fields)}."
            )
        return by

    def partition_of(self, moment: dt.date, location: str | None = None) -> str:
        """Key of the partition that an event at `moment` (UTC) falls into."""
        return Key(window_of(moment, self.config.partitions.grain), location).text

    def _only(self, role: Role) -> str:
        names = self.columns(role)
        if len(names) != 1:
            raise ProblemError(
                f"{self.name}: the contract needs exactly one column with the role {role!r}, "
                f"got {names or 'none'}."
            )
        return names[0]


def require_name(name: str) -> None:
    """Refuse a name that no problem can have.

    Raises:
        ProblemError: With what is needed.
    """
    if not NAME.fullmatch(name):
        raise ProblemError(
            f"A problem cannot be called {name!r}: needed are lower-case letters, digits "
            "and underscores, a letter first, at most 50."
        )
    if name in RESERVED:
        raise ProblemError(
            f"A problem cannot be called {name!r}: the prediction service has that path "
            f"for itself, as {', '.join(sorted(RESERVED))}. Choose another name."
        )


def _field(name: str, column: Any, config: Config) -> Field:
    """Read one Pandera column and what its metadata says."""
    metadata: dict[str, Any] = column.metadata or {}
    role: Any = metadata.get("role")
    known_at = metadata.get("known_at", config.moments[0])
    if role not in get_args(Role):
        raise ProblemError(
            f"Column {name}: role {role!r} is none of {', '.join(get_args(Role))}."
        )
    if known_at not in config.moments:
        raise ProblemError(
            f"Column {name}: known_at {known_at!r} is none of the moments {config.moments}."
        )
    return Field(
        name=name,
        role=role,
        known_at=known_at,
        kind=_kind(name, str(column.dtype)),
        nullable=bool(column.nullable),
        unique=bool(column.unique),
        description=column.description or "",
    )


def _kind(name: str, dtype: str) -> Literal["text", "number", "integer", "boolean", "time"]:
    """Name the kind of a Pandera dtype."""
    match dtype.lower():
        case kind if kind.startswith(("str", "string")):
            return "text"
        case kind if kind.startswith("float"):
            return "number"
        case kind if kind.startswith(("int", "uint")):
            return "integer"
        case kind if kind.startswith("bool"):
            return "boolean"
        case kind if kind.startswith("datetime64"):
            return "time"
    raise ProblemError(
        f"Column {name}: {dtype} is no type of a contract; use str, float, Int64, boolean or "
        "pd.Timestamp."
    )
