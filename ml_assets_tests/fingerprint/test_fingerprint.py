"""Fingerprints of values."""

import datetime as dt
import enum
import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ml_assets.fingerprint import fingerprint, library_versions


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    left: int
    right: int


class Section(BaseModel):
    limit: float = 1.0


def test_has_32_digits():
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(a=1))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_does_not_depend_on_the_order_of_a_mapping(values):
    turned = dict(reversed(values.items()))

    assert fingerprint(values=values) == fingerprint(values=turned)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, True),
        (None, "null"),
        (None, ""),
        (0.1, 0.1 + 1e-17 + 1e-16),
        (["ab"], ["a", "b"]),
        (["a,b"], ["a", "b"]),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, [["a", 1]]),
        ({1, 2}, [1, 2]),
        (Color.RED, Color.BLUE),
        (Pair(1, 2), Pair(2, 1)),
        (Pair(1, 2), (1, 2)),
        (Section(), Section(limit=2)),
        (np.arange(3), np.arange(3.0)),
        (dt.date(2020, 1, 1), "2020-01-01"),
        (Decimal("1.0"), 1.0),
        (Path("a"), "a"),
    ],
)
def test_tells_values_apart(one, other):
    assert fingerprint(value=one) != fingerprint(value=other)


def test_tells_names_apart():
    assert fingerprint(a=1, b=2) != fingerprint(a=2, b=1)


def test_refuses_what_is_no_value():
    with pytest.raises(TypeError, match="A fingerprint is made of values; function is none"):
        fingerprint(part=test_has_32_digits)


def test_gives_versions_of_libraries_and_of_python():
    versions = library_versions("numpy", "python")

    assert versions["numpy"] == np.__version__
    assert list(versions) == ["numpy", "python"]
