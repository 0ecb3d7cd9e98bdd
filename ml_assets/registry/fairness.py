"""Does a version treat groups alike enough to answer? Measured on its test rows, judged by limits.

The limits are those of `fairness.groups` in `config.yaml`. A difference is too large when it is
beyond its limit and its interval lies above 0, so that chance is no excuse and no accusation. Where
fewer than two groups have enough rows nothing was judged, and that is no pass unless
`fairness.unjudged` says so. How the differences are computed is in `evaluation.fairness`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ml_assets.errors import ProblemError
from ml_assets.evaluation.comparison import plain
from ml_assets.evaluation.fairness import AttributeFairness, GroupDifference, measure_fairness
from ml_assets.features.beside import columns_beside
from ml_assets.governance import protected_columns
from ml_assets.problem import Config, Problem
from ml_assets.registry.gate import Finding
from ml_assets.registry.measuring import Answers
from ml_assets.storage import Home

CHECK = "treats groups alike"


def audit(
    problem: Problem, home: Home, answers: Answers, *, threshold: float
) -> tuple[AttributeFairness, ...]:
    """Measure how a version treats the groups of every protected attribute.

    The attributes are looked up beside the test rows, and kept nowhere; rows of feedback, whose
    attributes nobody stored, take no part.

    Args:
        problem: Whose.
        home: Where its validated rows are.
        answers: Of the version on its test rows.
        threshold: Probability from which on the decision is positive.
    """
    config = problem.config
    names = list(dict.fromkeys([*protected_columns(problem), *config.fairness.groups]))
    names = [name for name in names if name != problem.target]
    if unknown := [name for name in config.fairness.groups if name not in problem.fields]:
        raise ProblemError(
            f"{problem.name}: fairness.groups names {', '.join(unknown)}, which is no column of the "
            f"contract. Its columns: {', '.join(problem.fields)}."
        )
    if not names:
        return ()
    beside = columns_beside(problem, home, answers.keys, names)
    columns, there = beside.columns, beside.found
    if not there.any():
        return ()
    return tuple(
        measure_fairness(
            name,
            answers.y[there],
            answers.challenger[there],
            grouped(columns.loc[there, name]),
            kind=config.kind,
            threshold=threshold,
            min_rows=config.fairness.min_rows,
            confidence=config.promotion.confidence,
            seed=config.training.seed,
        )
        for name in names
    )


def grouped(values: pd.Series) -> pd.Series:
    """Ages and other numbers in bins; anything else as it is."""
    from ml_assets.evaluation.divisions import binned

    return binned(values.reset_index(drop=True))


def judge_fairness(
    problem: Problem, home: Home, answers: Answers, *, threshold: float
) -> tuple[Finding, ...]:
    """One finding for each attribute that `fairness.groups` limits, or one that nothing is."""
    limits = problem.config.fairness.groups
    if not limits:
        text = "no limits are declared (fairness.groups in config.yaml), so nothing was judged"
        return (Finding(CHECK, passed=True, text=text),)
    if not np.isfinite(answers.challenger).all():
        return ()  # answers that are no numbers are refused for that
    found = {one.attribute: one for one in audit(problem, home, answers, threshold=threshold)}
    return tuple(_finding(problem.config, name, found.get(name)) for name in limits)


def beyond_limits(
    config: Config, found: AttributeFairness
) -> Mapping[str, tuple[GroupDifference, float]]:
    """Differences that are too large, and their limits."""
    limits = config.fairness.groups.get(found.attribute)
    declared = limits.model_dump(exclude_none=True) if limits else {}
    return {
        one.name: (one, declared[one.name])
        for one in found.differences
        if one.name in declared
        and one.value is not None
        and one.low is not None
        and one.value > declared[one.name]
        and one.low > 0
    }


def _finding(config: Config, name: str, found: AttributeFairness | None) -> Finding:
    if found is None:
        text = f"{name}: not judged, none of the test rows says what it was"
        return Finding(CHECK, passed=config.fairness.unjudged == "warn", text=text)
    declared = config.fairness.groups[name].model_dump(exclude_none=True)
    open_ones = [
        one.name for one in found.differences if one.name in declared and one.value is None
    ]
    too_large = beyond_limits(config, found)
    if too_large:
        text = "; ".join(_too_large(name, one, limit) for one, limit in too_large.values())
        return Finding(CHECK, passed=False, text=text + _not_judged(found))
    if open_ones:
        judged = sum(one.is_judged for one in found.groups)
        text = (
            f"{name}: {', '.join(open_ones)} not judged, {judged} of {len(found.groups)} groups "
            f"{'has' if judged == 1 else 'have'} the {found.min_rows:,} rows that are needed"
        )
        return Finding(CHECK, passed=config.fairness.unjudged == "warn", text=text)
    return Finding(CHECK, passed=True, text=f"{name}: {_within(found, declared)}")


def _too_large(name: str, one: GroupDifference, limit: float) -> str:
    between = " and ".join(one.between or ())
    return (
        f"{name}: {one.name} differs by {plain(one.value or 0.0)} between {between}, "
        f"{_bounds(one)}, at most {plain(limit)} is allowed"
    )


def _within(found: AttributeFairness, declared: Sequence[str] | Mapping[str, float]) -> str:
    said = [
        f"{one.name} {plain(one.value)} {_bounds(one)}"
        for one in found.differences
        if one.name in declared and one.value is not None
    ]
    return f"{', '.join(said)} within limits{_not_judged(found)}"


def _bounds(one: GroupDifference) -> str:
    if one.low is None or one.high is None:
        return "without an interval"
    return f"interval [{plain(one.low)}, {plain(one.high)}]"


def _not_judged(found: AttributeFairness) -> str:
    return f" (not judged: {', '.join(found.not_judged)})" if found.not_judged else ""
