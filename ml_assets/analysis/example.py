"""One answer of a version, and the smallest change that turns it: an example for people.

Taken from the test rows, about as far from another answer as half of them are, or closer where that
does not turn. What is kept of the row are the fields that change; the row itself stays in the lake.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_assets.analysis.counterfactual import nearest_counterfactual
from ml_assets.errors import InvalidRows
from ml_assets.feedback.held_out import held_out_rows
from ml_assets.inference import Predictor
from ml_assets.problem import Problem
from ml_assets.registry import Bundle
from ml_assets.storage import Home

SEARCHED_ROWS = 200
DISTANCES = (0.5, 0.25, 0.0)
"""Rows that are tried, by their rank from the closest answer to the farthest: the closest one turns
most easily, and tells least."""

RAISED = 1.1
"""A regression has no threshold; its example asks what would raise the answer by a tenth."""

Scalar = str | float | bool | None


@dataclass(frozen=True, kw_only=True)
class ChangedValue:
    """One field of the row, or one feature, before and after."""

    name: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, kw_only=True)
class Example:
    """What would have turned one answer.

    Attributes:
        before: Probability, or value, of the row as it is.
        after: Of the changed row.
        goal: That was to be passed: the threshold, or a tenth more.
        changes: Fields of the row that change.
        features: Features that change with them.
        tried: Rows that the model was asked about.
    """

    before: float
    after: float
    goal: float
    changes: tuple[ChangedValue, ...]
    features: tuple[ChangedValue, ...]
    tried: int


def example_of(problem: Problem, home: Home, bundle: Bundle, *, version: str) -> Example | None:
    """Find a test row whose answer turns with few changes; None where there is none."""
    held_out = held_out_rows(problem, home, bundle, most=SEARCHED_ROWS)
    if not held_out.rows:
        return None
    predictor = Predictor(problem, bundle, version=version)
    answers = np.array(held_out.predictions)
    is_binary = problem.config.kind == "binary"
    centre = bundle.threshold if is_binary else float(np.median(answers))
    order = np.argsort(np.abs(answers - centre), kind="stable")
    for rank in DISTANCES:
        place = order[int(rank * (len(order) - 1))]
        goal = centre if is_binary else float(answers[place]) * RAISED
        found = _turned(problem, home, predictor, held_out.rows[place], goal)
        if found is not None:
            return found
    return None


def _turned(
    problem: Problem, home: Home, predictor: Predictor, row: Mapping[str, Any], goal: float
) -> Example | None:
    try:
        nearest = nearest_counterfactual(problem, home, predictor, row, target=goal)
    except InvalidRows:
        return None  # a row that was learned before the contract became stricter
    if nearest.found is None:
        return None
    found = nearest.found
    return Example(
        before=found.before,
        after=found.after,
        goal=goal,
        changes=tuple(_changed(*one) for one in found.changes),
        features=tuple(_changed(*one) for one in found.features),
        tried=nearest.tried,
    )


def _changed(name: str, before: Any, after: Any) -> ChangedValue:
    return ChangedValue(name=name, before=_scalar(before), after=_scalar(after))


def _scalar(value: Any) -> Scalar:
    """A value as JSON has it."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if isinstance(plain, float):
        return plain if np.isfinite(plain) else None
    return plain if isinstance(plain, str | bool) or plain is None else str(plain)
