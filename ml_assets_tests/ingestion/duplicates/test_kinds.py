"""How far two values are apart, and that near ones always share a key."""

import math

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.ingestion.duplicates.kinds import KINDS

DEGREES = 1 / 111_195


def compared(kind, columns, left, right, *, widest=1.0):
    """How far two rows are apart, and the keys that they share."""
    reading = KINDS[kind]
    given = pa.Table.from_pylist(
        [dict(zip(columns, each, strict=True)) for each in (left, right)]
    )
    with duckdb.connect() as connection:
        connection.register("given", given)
        read = ", ".join(f'{sql} as "{n}"' for n, sql in reading.read("fact", columns).items())
        connection.execute(f"create table read as select {read} from given")
        names = connection.sql("from read").columns
        sides = [
            f"(select {', '.join(f'{n} as {n}_{side}' for n in names)} from read limit 1 offset {at})"
            for at, side in enumerate("lr")
        ]
        apart = connection.sql(f"select {reading.apart('fact')} from {sides[0]}, {sides[1]}")
        keys = connection.sql(f"select {reading.keys('fact', widest)} from read").fetchall()
        return apart.fetchall()[0][0], set(keys[0][0]) & set(keys[1][0])


def streets(left, right):
    return compared("street", ["street"], (left,), (right,))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("15 Star Thistle", "15 STAR THISTLE"),
        ("85 Turner St", "85 Turner Street"),
        ("2/85 Turner St", "85 Turner Street, Apt 2"),
        ("Hauptstr. 5", "Hauptstraße 5"),
        ("7/7 Elm Road", "7 Elm Rd, Unit 7"),
    ],
)
def test_reads_two_spellings_of_one_street_as_the_same(left, right):
    apart, keys = streets(left, right)

    assert apart == pytest.approx(0, abs=0.001)
    assert keys


@pytest.mark.parametrize(
    ("left", "right", "least", "most"),
    [
        ("85 Turner St", "85 Turnre St", 0.001, 0.1),
        ("2/85 Turner St", "85 Turner St", 0.1, 0.2),
        ("Turner St", "85 Turner St", 0.1, 0.2),
        ("2/85 Turner St", "3/85 Turner St", 1, 1),
        ("1/1 Turner St", "8/1 Turner St", 1, 1),
        ("85 Turner St", "87 Turner St", 1, 1),
        ("85 Turner St", "85 Oak Lane", 0.3, 1),
    ],
)
def test_tells_a_typo_from_a_doubt_from_a_neighbour(left, right, least, most):
    apart, _ = streets(left, right)

    assert least <= apart <= most


def test_shares_no_key_where_one_row_lacks_the_fact():
    _, keys = streets("85 Turner St", None)

    assert keys == set()


@settings(deadline=None, max_examples=15)
@given(
    latitude=st.floats(-80, 80),
    longitude=st.floats(-179, 179),
    angle=st.floats(0, 2 * math.pi),
    metres=st.floats(0, 149),
)
def test_near_places_share_a_cell(latitude, longitude, angle, metres):
    there = (
        latitude + metres * math.sin(angle) * DEGREES,
        longitude + metres * math.cos(angle) * DEGREES / math.cos(math.radians(latitude)),
    )

    apart, keys = compared(
        "place", ["latitude", "longitude"], (latitude, longitude), there, widest=150
    )

    assert apart == pytest.approx(metres, abs=0.5)
    assert keys


@settings(deadline=None, max_examples=15)
@given(value=st.floats(1, 1e7), share=st.floats(0, 0.099))
def test_near_numbers_share_a_division(value, share):
    apart, keys = compared("number", ["area_m2"], (value,), (value * (1 + share),), widest=0.1)

    assert apart == pytest.approx(share, abs=1e-6)
    assert keys


def test_a_number_apart_from_nothing_is_apart_without_end():
    apart, _ = compared("number", ["price_usd"], (0.0,), (130_000.0,))

    assert apart == math.inf
