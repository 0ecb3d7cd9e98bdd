"""Rows about the same thing, also of other weeks, are held together: each gets a group.

They stay several rows, since a home that is sold twice is two facts. The group says what may
not be torn apart where rows are held out.
"""

from dataclasses import dataclass

import pyarrow as pa

from ml_assets.ingestion.duplicates.clusters import clusters_of
from ml_assets.ingestion.duplicates.matching import matches
from ml_assets.ingestion.duplicates.rules import Rules

GROUP = "group"
PROBABILITY = "probability"


@dataclass(frozen=True, kw_only=True)
class Linked:
    """Ids in groups that are about the same thing."""

    groups: pa.Table
    """One row an id, sorted: the entity id; `group`, the id among its group that is the oldest;
    `probability`, that of the best link to another id, null where it has none."""
    compared: int
    """Pairs of rows that were compared."""
    crowded: int
    """Rows that were left out of a block because it was crowded."""


def link(rows: pa.Table, rules: Rules) -> Linked:
    """Find the ids that are about the same thing.

    A group is named by the id of its oldest row, the smallest of several: what comes later joins
    it, and seldom moves it to another place. The result does not depend on the order of rows.

    Args:
        rows: n rows with the columns that are compared, id, source and time; an id may be in
            several rows, which are then of one group.
        rules: How rows are compared.

    Raises:
        SourceError: If the rows lack a column that is compared, or an id, a source or a time.
    """
    rules.require(rows)
    ordered = rows.select(rules.compared).sort_by(
        [(rules.event_time, "ascending"), (rules.entity_id, "ascending")]
        + [(name, "ascending") for name in rules.compared[1:] if name != rules.event_time]
    )
    encoded = ordered[rules.entity_id].combine_chunks().dictionary_encode()
    ids, codes = encoded.dictionary.to_pylist(), encoded.indices
    found = matches(
        ordered,
        codes,
        rules.declared.used_to("link"),
        from_probability=rules.declared.link_from,
    )
    of_row = codes.to_pylist()
    links = [(of_row[each.left], of_row[each.right]) for each in found.found]
    best: dict[int, float] = {}
    for pair, each in zip(links, found.found, strict=True):
        for code in pair:
            best.setdefault(code, each.probability)
    clusters = clusters_of(
        map(_key, range(len(ids))), [(_key(left), _key(right)) for left, right in links]
    )
    groups = pa.table(
        {
            rules.entity_id: pa.array(ids, ordered.schema.field(rules.entity_id).type),
            GROUP: pa.array([ids[int(name)] for name in clusters.values()], pa.string()),
            PROBABILITY: pa.array([best.get(code) for code in range(len(ids))], pa.float64()),
        }
    )
    return Linked(
        groups=groups.sort_by(rules.entity_id),
        compared=found.blocked.pairs,
        crowded=found.blocked.crowded_rows,
    )


def _key(code: int) -> str:
    return f"{code:012d}"
