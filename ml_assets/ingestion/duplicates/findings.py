"""What records of one thing still say differently, after units and spellings became the same.

Each finding has both values, who said them, and how far apart they are; of several records the two
that are furthest apart. It is for a person to look at: the canonical record has been chosen.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import pyarrow as pa

from ml_assets.ingestion.duplicates.survivorship import Said
from ml_assets.problem.duplicates import Agreement


class Finding(NamedTuple):
    """Two records of one thing that say a column differently."""

    column: str
    apart: float
    """As `config.yaml` measures it: a share, a difference, or 1 for texts that are not the same."""
    limit: float
    left: Said
    right: Said


FINDINGS = pa.schema(
    [
        ("canonical_id", pa.string()),
        ("column", pa.string()),
        ("apart", pa.float64()),
        ("limit", pa.float64()),
        ("left_value", pa.string()),
        ("left_id", pa.string()),
        ("left_source", pa.string()),
        ("right_value", pa.string()),
        ("right_id", pa.string()),
        ("right_source", pa.string()),
    ]
)
"""Columns of the findings as a table."""


def finding(column: str, said: Sequence[Said], agreement: Agreement) -> Finding | None:
    """Find the two records that are furthest apart on a column; None where all agree."""
    pairs = [
        Finding(column, apart(left.value, right.value, agreement), agreement.limit, left, right)
        for left, right in combinations(sorted(said, key=lambda one: one.row), 2)
    ]
    widest = max(pairs, key=lambda pair: pair.apart, default=None)
    return widest if widest and widest.apart > agreement.limit else None


def apart(left: str | float, right: str | float, agreement: Agreement) -> float:
    """Say how far two values are apart.

    A share is the difference over the smaller value, so that it does not matter which of the two
    is taken first: 1,200 square feet are 111.48 m², and 130 m² are 16.6 % more.

    Example:
        >>> round(apart(111.4836, 130, Agreement(by="share")), 3)
        0.166
        >>> apart("Heat pump", "heat-pump", Agreement(by="text"))
        0.0
    """
    if agreement.by == "text":
        return float(_plain(left) != _plain(right))
    difference = abs(float(left) - float(right))
    if agreement.by == "difference" or difference == 0:
        return difference
    smaller = min(abs(float(left)), abs(float(right)))
    return difference / smaller if smaller else math.inf


def _plain(value: str | float) -> str:
    """A text in lower case, without accents and marks."""
    letters = unicodedata.normalize("NFKD", str(value).casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", " ", bare).strip()
