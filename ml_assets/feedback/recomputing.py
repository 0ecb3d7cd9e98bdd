"""Are the features that were served those that training would compute of the same rows?

Logged rows go once more through the contract and the feature function, as a table, as they would to
be learned from; the hash of what comes out is compared with the one that the service logged. Where
it differs, the columns are named, as far as one of the other ways (the direct one, or the row by
itself) still gives what was served; a hash alone cannot tell.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import orjson

from ml_assets.errors import ProblemError
from ml_assets.features import feature_code_hash
from ml_assets.feedback.log import LoggedPrediction, features_hash, newest_predictions
from ml_assets.inference.agreement import SAME_FEATURE
from ml_assets.inference.columns import Row
from ml_assets.inference.featuring import Features, Featuring
from ml_assets.inference.inputs import Inputs
from ml_assets.inference.transposition import columns_of, rows_of
from ml_assets.problem import Problem
from ml_assets.registry import ModelVersion, versions
from ml_assets.storage import Home

DAYS = 7.0
MOST_ROWS = 1_000
UNKNOWN = "a column that its hash does not tell"


class Differing(NamedTuple):
    """A request of which other features were served."""

    prediction_id: str
    model_version: str
    columns: tuple[str, ...]
    """Those that differ; empty where the hash does not tell."""


class Recomputed(NamedTuple):
    """What came of computing the features of logged requests again."""

    rows: int
    skipped: int
    """Further rows, of versions with other code, or that today's contract refuses."""
    differing: tuple[Differing, ...]

    @property
    def sentence(self) -> str:
        """The same for a person: which columns, in how many rows, and an example."""
        skipped = (
            f"; {self.skipped:,} of other code or contracts left out" if self.skipped else ""
        )
        if not self.differing:
            return f"{self.rows:,} logged requests have the features of today{skipped}."
        counts = Counter(
            column for each in self.differing for column in each.columns or (UNKNOWN,)
        )
        named = ", ".join(f"{name} in {rows:,}" for name, rows in counts.most_common())
        first = self.differing[0]
        return (
            f"{len(self.differing):,} of {self.rows:,} logged requests were answered from other "
            f"features: {named}; such as request {first.prediction_id} to {first.model_version}"
            f"{skipped}. A feature depends on something beside its row: on other rows, on where "
            "it runs, or on when."
        )


def recompute_features(
    problem: Problem,
    home: Home,
    *,
    now: datetime,
    days: float = DAYS,
    most: int = MOST_ROWS,
) -> Recomputed:
    """Compute the features of the newest logged requests again, and compare.

    Args:
        problem: Its contract and feature function, as they are installed.
        home: Where the log is.
        now: Requests until then are looked at.
        days: And those since so many days before.
        most: But no more than these, the newest ones.
    """
    code = feature_code_hash(problem)
    known = {each.version: each for each in versions(problem, home)}
    logged = newest_predictions(problem, home, until=now, days=days, limit=most)
    rows, differing = 0, list[Differing]()
    for name in sorted({each.model_version for each in logged}):
        version = known.get(name)
        if version is None or version.manifest.code.features != code:
            continue
        mine = [each for each in logged if each.model_version == name]
        compared = list(_compared(problem, version, mine))
        rows += len(compared)
        differing += [each for each in compared if each is not None]
    return Recomputed(rows, len(logged) - rows, tuple(differing))


def is_same(one: Any, other: Any, *, limit: float = SAME_FEATURE) -> bool:
    """Whether two values are, but for the last digits; NaN and None both mean missing."""
    if _is_missing(one) or _is_missing(other):
        return _is_missing(one) and _is_missing(other)
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=limit, abs_tol=limit)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _compared(
    problem: Problem, version: ModelVersion, logged: Sequence[LoggedPrediction]
) -> Iterator[Differing | None]:
    """For each request that the contract still takes: what differs, or None."""
    inputs = Inputs(problem)
    featuring = Featuring(problem, version.manifest.signature.features)
    held = inputs.by_table([orjson.loads(each.input) for each in logged])
    good = [
        (each, found.row) for each, found in zip(logged, held, strict=True) if not found.broken
    ]
    rows = [row for _, row in good]
    if not rows:
        return
    together = featuring.by_frame(rows)
    quickly = rows_of(featuring.many(columns_of(rows, problem.known_columns)))
    for (each, row), features, quick in zip(good, together, quickly, strict=True):
        others = chain([quick], _alone(featuring, row))
        columns = _differing(each, features, others)
        yield None if columns is None else Differing(each.id, version.version, columns)


def _alone(featuring: Featuring, row: Row) -> Iterator[Features]:
    """Features of a row without its neighbours, where they can be computed."""
    yield featuring.one(row)
    try:
        yield from featuring.by_frame([row])
    except ProblemError:
        return


def _differing(
    logged: LoggedPrediction, features: Features, others: Iterator[Features]
) -> tuple[str, ...] | None:
    """Columns in which what was served differs; none where the hash does not tell.

    Returns:
        None where nothing differs. The ways may give a number's last digits otherwise: libraries
        compute a logarithm in an array by other steps than alone.
    """
    if features_hash(features.values()) == logged.features_hash:
        return None
    for served in others:
        if features_hash(served.values()) == logged.features_hash:
            found = (n for n, value in served.items() if not is_same(value, features[n]))
            return tuple(found) or None
    return ()
