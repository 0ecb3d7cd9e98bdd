"""Do the direct ways say what the ways through frames say? Asked on rows, answered with the first place.

Each function takes rows and gives None, or a sentence with the row and what differs. Which rows,
and what follows from a difference, is for the caller: a predictor leaves a direct way that differs,
a release is refused.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ml_assets.inference.columns import Row
from ml_assets.inference.compiled import Compiled
from ml_assets.inference.featuring import Features, Featuring
from ml_assets.inference.inputs import Held, Inputs
from ml_assets.problem import Problem

SAME_FEATURE = 1e-12
SAME_ANSWER = 1e-9
"""Relative and absolute differences that are only rounding."""

ODD_TEXTS = (" padded ", "", "Stra\u00dfe \u0130\u0131", "a\u00a0b\u200bc", "x" * 10_000)
"""What sampled rows seldom say."""


def trial_rows(problem: Problem, rows: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Draw plausible rows, and change one value in each: to a missing one, or to an odd text."""
    changes = list(_changes(problem))
    return [
        row | changes[place % len(changes)]
        for place, row in enumerate(sampled_rows(problem, rows, seed=seed))
    ]


def sampled_rows(problem: Problem, rows: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Draw plausible rows as a client sends them: what is known at the moment of prediction."""
    drawn = problem.sample(rows, np.random.default_rng(seed))
    known = drawn[[name for name in problem.known_columns if name in drawn]].astype(object)
    plain = known.where(known.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in plain]


def differing_input(
    inputs: Inputs, rows: Sequence[Mapping[str, Any]], expected: Sequence[Held]
) -> str | None:
    """Compare how rows are read and judged, with how they are by way of a table."""
    for place, (row, held) in enumerate(zip(rows, expected, strict=True)):
        found = inputs.hold_one(row)
        if set(found.broken) != set(held.broken):
            return f"row {place} breaks {found.broken}, by way of a table {held.broken}"
        if not held.broken and (name := _differing(found.row, held.row)):
            return f"row {place}: {name} is read as {found.row[name]!r}, not {held.row[name]!r}"
    return None


def differing_feature(featuring: Featuring, rows: Sequence[Row]) -> str | None:
    """Compare the features of rows in the types of the contract."""
    for place, (row, by_frame) in enumerate(zip(rows, featuring.by_frame(rows), strict=True)):
        directly = featuring.one(row)
        if name := _differing(directly, by_frame):
            return f"row {place}: {name} is {directly[name]!r}, by way of a frame {by_frame[name]!r}"
    return None


def differing_answer(
    compiled: Compiled, features: Sequence[Features], expected: np.ndarray
) -> str | None:
    """Compare answers, of rows one by one and together; NaN leaves it to the pipeline."""
    together = compiled.many(
        {name: [row[name] for row in features] for name in compiled.columns}
    )
    for place, row in enumerate(features):
        for found in (compiled.one(row), float(together[place])):
            if not (math.isnan(found) or _is_close(found, expected[place], SAME_ANSWER)):
                return f"row {place}: {found!r}, the pipeline says {expected[place]!r}"
    return None


def _changes(problem: Problem) -> Iterator[dict[str, Any]]:
    yield {}
    for name in problem.known_columns:
        yield {name: None}
        if problem.fields[name].kind == "text":
            yield from ({name: text} for text in ODD_TEXTS)


def _differing(ours: Row, theirs: Row) -> str | None:
    """The first name whose values differ by more than rounding."""
    return next((name for name in theirs if not _are_same(ours[name], theirs[name])), None)


def _are_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return _is_close(one, other, SAME_FEATURE)
    return bool(one == other)


def _is_close(one: float, other: float, limit: float) -> bool:
    return math.isclose(one, other, rel_tol=limit, abs_tol=limit)
