"""Rows of all weeks that are about one home get one group, and stay several rows."""

import datetime as dt
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from ml_assets.ingestion.duplicates import link
from ml_assets.ingestion.duplicates.scores import pairwise_scores
from ml_assets_bench.planted import RULES, SCHEMA, planted

MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
HOME = {
    "source": "agency",
    "street": "15 Star Thistle",
    "postcode": "92604",
    "area_m2": 111.5,
    "bedrooms": 2,
    "bathrooms": 1,
    "built_year": 1990,
}


def row(listing_id, week, **said):
    moment = MONDAY + dt.timedelta(weeks=week)
    return (
        dict.fromkeys(SCHEMA.names)
        | HOME
        | {"listing_id": listing_id, "listed_at": moment}
        | said
    )


def table(*rows):
    return pa.Table.from_pylist(list(rows), SCHEMA)


def groups(linked):
    return dict(
        zip(*(linked.groups[name].to_pylist() for name in ("listing_id", "group")), strict=True)
    )


def test_names_a_group_by_its_oldest_row():
    sold_twice = [row("b", 0, price_usd=130_000.0), row("a", 40, price_usd=180_000.0)]
    other = row("c", 1, street="3 Elm Street", area_m2=80.0, price_usd=90_000.0)

    linked = link(table(*sold_twice, other), RULES)

    assert groups(linked) == {"a": "b", "b": "b", "c": "c"}


def test_keeps_its_name_when_later_rows_join():
    before = link(table(row("b", 0), row("c", 1)), RULES)

    after = link(table(row("b", 0), row("c", 1), row("a", 2)), RULES)

    assert groups(after) == groups(before) | {"a": "b"}


def test_holds_rows_of_one_id_together_without_comparing_them():
    moved = row("a", 30, street="1 Oak Lane", postcode="1", area_m2=50.0)

    linked = link(table(row("a", 0), moved), RULES)

    assert linked.compared == 0
    assert linked.groups.to_pylist() == [{"listing_id": "a", "group": "a", "probability": None}]


def test_says_how_sure_the_surest_link_is():
    linked = link(table(row("a", 0), row("b", 1), row("c", 1, street="9 Oak Lane")), RULES)

    found = dict(
        zip(*(linked.groups[n].to_pylist() for n in ("listing_id", "probability")), strict=True)
    )
    assert found["a"] == found["b"] > 0.9
    assert found["c"] is None


@pytest.mark.parametrize("seed", [0, 1])
def test_does_not_depend_on_the_order_of_rows(seed):
    records = planted(1_000, np.random.default_rng(seed)).records
    turned = records.take(np.random.default_rng(seed).permutation(len(records)))

    assert link(turned, RULES).groups.equals(link(records, RULES).groups)


def test_finds_nearly_all_planted_duplicates():
    records, truth = planted(5_000, np.random.default_rng(7))

    found = groups(link(records, RULES))

    assert pairwise_scores(found, truth).recall >= 0.92
    assert max(Counter(found.values()).values()) < 20
