"""What became of each source's rows in a partition of `raw`, remembered beside the lake.

A record counts as long as `raw` is what it was written for; it is written before `raw`, so that a
kill between the two does no harm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ml_assets.ingestion.mapping import Hits, add_hits, add_unknown
from ml_assets.storage import PartitionState, Store
from ml_assets.storage.store import metadata

SHARES = sa.Table(
    "source_shares",
    metadata,
    sa.Column("problem", sa.String, primary_key=True),
    sa.Column("partition", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("fingerprint", sa.String, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("canonical", sa.BigInteger, nullable=False),
    sa.Column("merged", sa.BigInteger, nullable=False),
    sa.Column("unmapped", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.JSON, nullable=False),
    sa.Column("unknown", sa.JSON, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Share:
    """What became of one source's rows: rows = canonical + merged + unmapped.

    Attributes:
        source: Its name.
        rows: In `raw_<source>`.
        canonical: That are a row of `raw`, by themselves or as the one that others joined.
        merged: That became part of another row.
        unmapped: That the mapping could not read; they are in `raw` with their faults.
        hits: What each rule of the mapping did.
        unknown: Paths that the mapping does not know, and how many rows have something there.
    """

    source: str
    rows: int
    canonical: int
    merged: int
    unmapped: int
    hits: Mapping[str, Hits]
    unknown: Mapping[str, int]

    def plus(self, other: "Share") -> "Share":
        """The shares of two partitions."""
        return Share(
            source=self.source,
            rows=self.rows + other.rows,
            canonical=self.canonical + other.canonical,
            merged=self.merged + other.merged,
            unmapped=self.unmapped + other.unmapped,
            hits=add_hits(self.hits, other.hits),
            unknown=add_unknown(self.unknown, other.unknown),
        )


def remember_shares(
    store: Store,
    problem: str,
    partition: str,
    fingerprint: str,
    shares: Sequence[Share],
    *,
    live: PartitionState | None,
) -> None:
    """Write down what `raw` will be made of; what is live until then stays known."""
    store.ensure(SHARES)
    mine = sa.and_(SHARES.c.problem == problem, SHARES.c.partition == partition)
    outdated = SHARES.c.fingerprint != (live.fingerprint if live else "")
    again = sa.or_(outdated, SHARES.c.fingerprint == fingerprint)
    rows = [
        {
            "problem": problem,
            "partition": partition,
            "fingerprint": fingerprint,
            "source": each.source,
            "rows": each.rows,
            "canonical": each.canonical,
            "merged": each.merged,
            "unmapped": each.unmapped,
            "hits": {name: list(hits) for name, hits in each.hits.items()},
            "unknown": dict(each.unknown),
        }
        for each in shares
    ]
    with store.begin() as connection:
        connection.execute(sa.delete(SHARES).where(mine, again))
        if rows:
            connection.execute(sa.insert(SHARES), rows)


def shares_of(
    store: Store, problem: str, live: Mapping[str, PartitionState]
) -> dict[str, tuple[Share, ...]]:
    """By partition of `raw`, what became of each source's rows."""
    store.ensure(SHARES)
    query = sa.select(SHARES).where(SHARES.c.problem == problem).order_by(SHARES.c.source)
    found: dict[str, list[Share]] = {}
    with store.connect() as connection:
        for row in connection.execute(query):
            state = live.get(row.partition)
            if state is not None and state.fingerprint == row.fingerprint:
                found.setdefault(row.partition, []).append(_share(row))
    return {partition: tuple(shares) for partition, shares in sorted(found.items())}


def by_source(shares: Iterable[Share]) -> dict[str, Share]:
    """The shares of several partitions, added up for each source."""
    total: dict[str, Share] = {}
    for each in shares:
        total[each.source] = total[each.source].plus(each) if each.source in total else each
    return dict(sorted(total.items()))


def _share(row: sa.Row[tuple[object, ...]]) -> Share:
    return Share(
        source=row.source,
        rows=row.rows,
        canonical=row.canonical,
        merged=row.merged,
        unmapped=row.unmapped,
        hits={name: Hits(*hits) for name, hits in row.hits.items()},
        unknown=row.unknown,
    )
