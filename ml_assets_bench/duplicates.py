"""Planted duplicates found by the platform, beside a self-join of DuckDB on exact keys.

The join puts records together that have the same postcode, whole square metres and price. It keeps
no record, chooses no value, and knows no typo.
"""

import json
import statistics
import time
from typing import NamedTuple

import duckdb
import numpy as np

from ml_assets.ingestion.duplicates import link, merge
from ml_assets.ingestion.duplicates.clusters import clusters_of
from ml_assets.ingestion.duplicates.scores import pairwise_scores
from ml_assets_bench.planted import RULES, Planted, planted

EXACT = """
select l.listing_id, r.listing_id from records l join records r
on l.postcode = r.postcode and l.price_usd = r.price_usd and round(l.area_m2) = round(r.area_m2)
where l.listing_id < r.listing_id
"""


class Found(NamedTuple):
    """Clusters that one way found, and how long it took."""

    clusters: dict[str, str]
    pairs: int
    seconds: float


def measure(rows: tuple[int, ...] = (10_000, 100_000), repeats: int = 3) -> None:
    """Print pairs, precision, recall and seconds of each way, and how many joins each takes."""
    ways = {"exact join": _join, "merge": _merge, "link": _link}
    for way in ways.values():
        way(planted(500, np.random.default_rng(1)))
    for count in rows:
        town = planted(count, np.random.default_rng(0))
        runs = [{name: way(town) for name, way in ways.items()} for _ in range(repeats)]
        joined = statistics.median(run["exact join"].seconds for run in runs)
        print(f"{count:,} records of {len(set(town.truth.values())):,} homes")
        for name in ways:
            found = runs[0][name]
            seconds = statistics.median(run[name].seconds for run in runs)
            scores = pairwise_scores(found.clusters, town.truth)
            print(
                f"  {name:<10} {found.pairs:>9,} pairs compared, precision "
                f"{scores.precision or 0:.3f}, recall {scores.recall or 0:.3f}, "
                f"{seconds:6.2f} s, {seconds / joined:6.1f} joins"
            )


def _join(town: Planted) -> Found:
    started = time.perf_counter()
    with duckdb.connect() as connection:
        connection.register("records", town.records)
        links = connection.sql(EXACT).fetchall()
    clusters = clusters_of(town.truth, links)
    return Found(clusters, len(links), time.perf_counter() - started)


def _merge(town: Planted) -> Found:
    started = time.perf_counter()
    merged = merge(town.records, RULES)
    seconds = time.perf_counter() - started
    rows = merged.canonical.select(["listing_id", "_members"]).to_pylist()
    clusters = {
        member["id"]: row["listing_id"]
        for row in rows
        for member in json.loads(row["_members"])
    }
    return Found(clusters, merged.compared, seconds)


def _link(town: Planted) -> Found:
    started = time.perf_counter()
    linked = link(town.records, RULES)
    seconds = time.perf_counter() - started
    groups = zip(
        *(linked.groups[name].to_pylist() for name in ("listing_id", "group")), strict=True
    )
    return Found(dict(groups), linked.compared, seconds)
