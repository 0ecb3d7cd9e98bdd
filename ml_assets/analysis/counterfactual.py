"""The nearest row that the model answers otherwise: fewest changes first, then the smallest.

Values are tried that rows really have: categories that the contract announces or the training rows
had, quantiles of numbers. Every changed row is held to the contract like any request, so a rule that
ties fields together is kept. One change is tried before two, two before three; of equals, the
smallest: a number's step is the share of training rows between both values, a category's is 1. At
the end each changed number is brought back as close to its old value as the answer allows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import pandas as pd

from ml_assets.analysis.what_if import WhatIf, what_if
from ml_assets.errors import InferenceError, InvalidRows
from ml_assets.features.view import contract_frame
from ml_assets.inference import Predictor
from ml_assets.problem import Problem
from ml_assets.storage import Home

MOST_CHANGES = 3
MOST_VALUES = 40
"""Of one field that are tried: the most frequent categories, or quantiles."""

KEPT = 12
"""Single changes, the most promising of each field and of all, that are combined with others."""

SAMPLED_ROWS = 5_000
BISECTIONS = 12


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """The nearest row with another answer, or that none was found.

    Attributes:
        found: What changes, and both answers; None where nothing that was tried turns the answer.
        distance: Of the change: steps of its fields together.
        tried: Rows that the model was asked about.
        fields: That were allowed to change.
    """

    found: WhatIf | None
    distance: float | None
    tried: int
    fields: tuple[str, ...]


class _Step(NamedTuple):
    """One field with another value."""

    field: str
    value: Any
    size: float


class _Tried(NamedTuple):
    """Some steps together, and what the model says then."""

    steps: tuple[_Step, ...]
    answer: float

    @property
    def distance(self) -> float:
        return sum(step.size for step in self.steps)


def nearest_counterfactual(
    problem: Problem,
    home: Home,
    predictor: Predictor,
    row: Mapping[str, Any],
    *,
    fields: Sequence[str] | None = None,
    target: float | None = None,
    most_changes: int = MOST_CHANGES,
) -> Counterfactual:
    """Find the fewest and smallest changes that turn the answer.

    Args:
        problem: Its contract says which rows there can be.
        home: Where rows are, whose values are tried.
        predictor: The model.
        row: As a client would send it.
        fields: That may change; by default all that the model reads but the id, the time and prose.
        target: The answer that is to be passed; by default the threshold. Needed for a regression.
        most_changes: At once.

    Raises:
        InvalidRows: If the row itself breaks the contract.
        InferenceError: If a field cannot change, or a regression has no target.
    """
    allowed = _allowed(problem, fields)
    goal = _goal(predictor, target)
    start = predictor.answer(row).prediction.value
    row = _typed(problem, predictor, row)
    search = _Search(predictor, row, goal, is_up=start < goal)
    steps = {name: list(_steps(problem, home, name, row.get(name))) for name in allowed}
    singles = search.ask([(step,) for each in steps.values() for step in each])
    best = search.nearest(singles)
    for number in range(2, most_changes + 1):
        if best is not None:
            break
        best = search.nearest(search.ask(_combined(search, singles, number)))
    if best is None:
        return Counterfactual(
            found=None, distance=None, tried=search.tried, fields=tuple(allowed)
        )
    best = search.shrunk(best)
    changes = {step.field: step.value for step in best.steps}
    return Counterfactual(
        found=what_if(predictor, row, changes),
        distance=best.distance,
        tried=search.tried,
        fields=tuple(allowed),
    )


class _Search:
    """Asks the model about changed rows."""

    def __init__(
        self, predictor: Predictor, row: Mapping[str, Any], goal: float, *, is_up: bool
    ) -> None:
        self._predictor = predictor
        self._row = row
        self._goal = goal
        self._is_up = is_up
        self.tried = 0

    def ask(self, changes: Sequence[tuple[_Step, ...]]) -> list[_Tried]:
        """Answers to those changed rows that hold the contract."""
        if not changes:
            return []
        self.tried += len(changes)
        rows = [{**self._row, **{s.field: s.value for s in steps}} for steps in changes]
        try:
            answers = self._predictor.answers(rows)
        except InvalidRows as error:
            broken = {each.row for each in error.broken}
            return self.ask([steps for k, steps in enumerate(changes) if k not in broken])
        return [
            _Tried(steps, each.prediction.value)
            for steps, each in zip(changes, answers, strict=True)
        ]

    def turns(self, answer: float) -> bool:
        """Whether an answer is on the other side."""
        return answer >= self._goal if self._is_up else answer < self._goal

    def gain(self, one: _Tried) -> float:
        """How far towards the other side."""
        return one.answer if self._is_up else -one.answer

    def nearest(self, tried: Sequence[_Tried]) -> _Tried | None:
        """The smallest change that turns the answer."""
        turning = [one for one in tried if self.turns(one.answer)]
        return min(turning, key=lambda one: (one.distance, -self.gain(one)), default=None)

    def shrunk(self, best: _Tried) -> _Tried:
        """The same change with every number brought back as far as the answer allows."""
        for place in range(len(best.steps)):
            old, new = self._row.get(best.steps[place].field), best.steps[place].value
            if _is_number(old) and _is_number(new):
                best = self._bisected(best, place, float(old), float(new))
        return best

    def _bisected(self, best: _Tried, place: int, near: float, far: float) -> _Tried:
        """The same change with one number as close to `near` as the answer allows."""
        step, whole = best.steps[place], abs(far - near)
        old = near
        for _ in range(BISECTIONS):
            middle = (near + far) / 2
            value = round(middle) if isinstance(step.value, int) else middle
            shorter = _Step(step.field, value, step.size * abs(value - old) / whole)
            found = self.ask([(*best.steps[:place], shorter, *best.steps[place + 1 :])])
            if found and self.turns(found[0].answer):
                best, far = found[0], float(value)
            else:
                near = float(value)
        return best


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _combined(
    search: _Search, singles: Sequence[_Tried], number: int
) -> list[tuple[_Step, ...]]:
    """Combinations of the most promising single changes, each of another field."""
    promising = sorted(singles, key=search.gain, reverse=True)
    by_field: dict[str, list[_Tried]] = {}
    for one in promising:
        by_field.setdefault(one.steps[0].field, []).append(one)
    # The best of every field, so that no field is left out, and the best of all.
    kept = list(dict.fromkeys([each[0] for each in by_field.values()] + promising[:KEPT]))
    return [
        tuple(one.steps[0] for one in some)
        for some in combinations(kept[: 2 * KEPT], number)
        if len({one.steps[0].field for one in some}) == number
    ]


def _typed(problem: Problem, predictor: Predictor, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its numbers as numbers, also where they came as text."""
    if problem.request_hook is not None:
        return dict(row)
    (held,) = predictor.inputs.hold([row])
    numbers = {n: held[n] for n in held if problem.fields[n].kind in ("number", "integer")}
    return {**row, **numbers}


def _goal(predictor: Predictor, target: float | None) -> float:
    if target is not None:
        return target
    if predictor.bundle.manifest.signature.kind == "regression":
        raise InferenceError(
            "A value has no other side by itself. Say which value is to be passed (target)."
        )
    return predictor.threshold


def _allowed(problem: Problem, fields: Sequence[str] | None) -> list[str]:
    kept = {problem.entity_id, problem.event_time}
    known = [
        name
        for name in problem.known_columns
        if name not in kept
        and problem.fields[name].kind != "time"
        and (problem.schema.columns[name].metadata or {}).get("categories") != "free"
    ]
    if fields is None:
        return known
    if odd := [name for name in fields if name not in known]:
        raise InferenceError(
            f"{', '.join(odd)} cannot change in a search; those that can: {', '.join(known)}."
        )
    return list(fields)


def _steps(problem: Problem, home: Home, name: str, old: Any) -> Iterator[_Step]:
    """Other values of a field, with how large the change is."""
    values = _values_seen(problem, home, name)
    kind = problem.fields[name].kind
    if kind in ("number", "integer") and len(values):
        numbers = np.sort(values.astype("float64").to_numpy())
        shares = np.linspace(0, 1, MOST_VALUES)
        place = _share_below(numbers, old)
        for value in np.unique(np.quantile(numbers, shares, method="nearest")).tolist():
            size = 1.0 if place is None else abs((_share_below(numbers, value) or 0.0) - place)
            if old is None or value != old:
                yield _Step(name, int(value) if kind == "integer" else value, max(size, 1e-6))
        return
    announced = (problem.schema.columns[name].metadata or {}).get("categories")
    frequent = values.value_counts().index.tolist()
    every = [*frequent, *(announced if isinstance(announced, tuple) else ())]
    for value in list(dict.fromkeys(every))[:MOST_VALUES]:
        plain = bool(value) if kind == "boolean" else str(value)
        if plain != old:
            yield _Step(name, plain, 1.0)


def _share_below(numbers: "np.ndarray[Any, Any]", value: Any) -> float | None:
    if value is None or not _is_number(value):
        return None
    return float(np.searchsorted(numbers, value) / len(numbers))


def _values_seen(problem: Problem, home: Home, name: str) -> pd.Series:
    """Values of a column in rows of the newest validated partitions."""
    table = f"{problem.name}/validated"
    found, rows = [], 0
    for partition in sorted(home.lake.partitions(table), reverse=True):
        stored = home.lake.read(table, partitions=[partition], columns=[name])
        found.append(contract_frame(problem, stored)[name])
        rows += stored.num_rows
        if rows >= SAMPLED_ROWS:
            break
    return pd.concat(found).dropna() if found else pd.Series(dtype="object")
