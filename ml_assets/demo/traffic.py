"""Requests that a service might get: complaints of which the champion does not know the half yet.

Somebody has begun to answer with a form letter, and nearly all who get one dispute it. The files
never said so; only what came of the answers does.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ml_assets.problem import Problem
from ml_assets.problems.complaints.source import sample

REQUESTS = 2_000
FIRST_ID = 5_000_000
FIRST_DAY, LAST_DAY = "2015-11-01", "2016-01-31"
LETTER = " All I ever got from them was a form letter."
LETTER_SHARE = 0.7
DISPUTE_RATE = 0.95
SEED = 20_160_201


class Traffic(NamedTuple):
    """Requests, and what will come of each answer."""

    rows: tuple[Mapping[str, Any], ...]
    labels: tuple[bool, ...]


def traffic(problem: Problem) -> Traffic:
    """Draw the requests; the same ones every time."""
    rng = np.random.default_rng(SEED)
    days = [pd.Timestamp(day).date() for day in (FIRST_DAY, LAST_DAY)]
    rows = sample(REQUESTS, rng, start=days[0], end=days[1], first_id=FIRST_ID)
    told = rows["consumer_complaint_narrative"]
    has_letter = (told.str.len() > 0) & (rng.random(REQUESTS) < LETTER_SHARE)
    disputed = rows[problem.target] == "Yes"
    angry = pd.Series(rng.random(REQUESTS) < DISPUTE_RATE)
    asked = rows.assign(consumer_complaint_narrative=told.where(~has_letter, told + LETTER))
    return Traffic(
        rows=tuple(_known(row) for row in asked[problem.known_columns].to_dict("records")),
        labels=tuple(disputed.where(~has_letter, angry).astype(bool).tolist()),
    )


def _known(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The cells of a row that say something, as a client sends them."""
    return {str(name): value for name, value in row.items() if not pd.isna(value)}
