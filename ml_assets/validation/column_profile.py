"""One column described: gaps, range, most frequent categories, and how it goes with the target."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.problem import Field, Problem

TOP = 5
LONGEST_TEXT = 60
MOST_LEVELS = 50
"""Categories told apart in an association; the rarer ones count as one."""

Association = Literal["correlation", "Cramér's V"]


class ColumnProfile(NamedTuple):
    """One column; numbers of a time are days after the event, those of prose characters."""

    column: str
    kind: str
    role: str
    missing_share: float
    distinct: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    top: tuple[tuple[str, int], ...]
    """Most frequent categories with their rows; empty for numbers and prose."""
    association: float | None
    """With the target, in [0, 1] for categories and [-1, 1] for numbers."""
    association_kind: Association | None


class Shape(NamedTuple):
    """Where the numbers of a column lie; None without any."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None


class _Levels(NamedTuple):
    """A column as numbers of its distinct values, in the order in which they first turn up."""

    codes: npt.NDArray[np.int64]
    """One per row; -1 for a gap."""
    values: pd.Index
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, column: pd.Series) -> "_Levels":
        codes, values = pd.factorize(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        return cls(codes, pd.Index(values), counts)

    def top(self) -> tuple[tuple[str, int], ...]:
        """The most frequent values as text, which is cut where it is long."""
        rows: dict[str, int] = {}
        for value, count in zip(self.values, self.counts.tolist(), strict=True):
            text = str(value)[:LONGEST_TEXT]
            rows[text] = rows.get(text, 0) + count
        ranked = sorted(rows.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple(ranked[:TOP])

    def frequent(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Codes of some rows; beyond the most frequent values, all have one code together."""
        codes = self.codes[rows]
        order = np.argsort(-np.bincount(codes, minlength=len(self.values)), kind="stable")
        renumbered = np.full(len(self.values), MOST_LEVELS)
        renumbered[order[:MOST_LEVELS]] = np.arange(min(len(order), MOST_LEVELS))
        return renumbered[codes]


def describe_column(
    problem: Problem,
    field: Field,
    column: pd.Series,
    numbers: pd.Series | None,
    target: pd.Series,
) -> ColumnProfile:
    """Describe one column of a partition.

    Args:
        problem: Whose.
        field: What the contract says of it.
        column: Its n values.
        numbers: The same as numbers, where it has any.
        target: n labels, some missing.
    """
    is_category = numbers is None and field.role not in ("id", "time")
    levels = _Levels.of(column)
    association, kind = None, None
    if field.role in ("input", "sensitive"):
        association, kind = _association(problem, levels, numbers, target)
    shown = Shape(None, None, None, None) if numbers is None else _shape(numbers)
    return ColumnProfile(
        column=field.name,
        kind=field.kind,
        role=field.role,
        missing_share=float((levels.codes < 0).mean()) if len(column) else 0.0,
        distinct=len(levels.values),
        minimum=shown.minimum,
        maximum=shown.maximum,
        mean=shown.mean,
        deviation=shown.deviation,
        top=levels.top() if is_category else (),
        association=association,
        association_kind=kind,
    )


def cramers_v(categories: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """How strongly categories go with labels: 0 not at all, 1 wholly.

    Args:
        categories: n values without gaps.
        labels: n values without gaps.

    Source:
        Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T.

    Example:
        >>> sides = np.array(["left", "right"] * 100)
        >>> round(cramers_v(sides, sides), 2), cramers_v(sides, [0, 0, 1, 1] * 50)
        (1.0, 0.0)
        >>> cramers_v(["left", "right"], [0, 1])
        0.0
    """
    rows = len(np.asarray(labels))
    (across, high), (along, wide) = (_coded(each) for each in (categories, labels))
    counts = np.bincount(across * wide + along, minlength=high * wide).reshape(high, wide)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(rows, 1.0)
    # One category goes with nothing; and if every row has its own, all of it is chance.
    if min(high, wide) < 2 or max(high, wide) == rows:  # noqa: PLR2004
        return 0.0
    spread = float(((counts - expected) ** 2 / expected).sum()) / rows
    by_chance = (high - 1) * (wide - 1) / (rows - 1)
    room = min(side - 1 - (side - 1) ** 2 / (rows - 1) for side in (high, wide))
    if room <= 0:  # where every row has a value of its own, chance explains anything
        return 0.0
    return float(np.sqrt(max(0.0, spread - by_chance) / room))


def _coded(values: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], int]:
    """A number for each value, and how many values there are."""
    codes, distinct = pd.factorize(np.asarray(values))
    return codes, len(distinct)


def _shape(numbers: pd.Series) -> Shape:
    if not numbers.notna().any():
        return Shape(None, None, None, None)
    deviation = float(numbers.std()) if numbers.notna().sum() > 1 else 0.0
    return Shape(float(numbers.min()), float(numbers.max()), float(numbers.mean()), deviation)


def _association(
    problem: Problem, levels: _Levels, numbers: pd.Series | None, target: pd.Series
) -> tuple[float | None, Association | None]:
    has_value = levels.codes >= 0 if numbers is None else numbers.notna().to_numpy()
    known = target.notna().to_numpy() & has_value
    labels = target[known]
    if known.sum() < 3 or labels.nunique() < 2:  # noqa: PLR2004 - nothing to go with
        return None, None
    if numbers is not None:
        if numbers[known].nunique() < 2:  # noqa: PLR2004
            return None, None
        return float(np.corrcoef(numbers[known], labels)[0, 1]), "correlation"
    if problem.config.kind == "regression":
        labels = pd.qcut(labels, 5, labels=False, duplicates="drop")
    return cramers_v(levels.frequent(known), labels), "Cramér's V"
