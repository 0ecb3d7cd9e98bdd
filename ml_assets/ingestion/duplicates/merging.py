"""Records of one thing, from one source or several, become one canonical record.

Nothing is lost in silence: for each source, records in = canonical + merged. A canonical value is
always one that some record said. What records still say differently is a finding.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.ingestion.duplicates.clusters import clusters_of
from ml_assets.ingestion.duplicates.findings import FINDINGS, Finding, finding
from ml_assets.ingestion.duplicates.matching import Match, Matches, matches
from ml_assets.ingestion.duplicates.rules import Rules
from ml_assets.ingestion.duplicates.survivorship import Said, survivor
from ml_assets.problem.duplicates import Survivorship

WON = "_won"
MEMBERS = "_members"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Records after those of one thing became one."""

    canonical: pa.Table
    """One row a thing, by id: the columns of the records, and two of JSON: `_won`, column to the
    source that said its value, null where nothing was merged; `_members`, a list of the records,
    each with `id` and `source`, the one that leads first."""
    merged: Mapping[str, int]
    """Source to how many of its records became part of another's row."""
    findings: pa.Table
    """What records of one thing say differently; see `FINDINGS` for the columns."""
    compared: int
    """Pairs of records that were compared."""
    crowded: int
    """Records that were left out of a block because it was crowded."""


def merge(records: pa.Table, rules: Rules) -> Merged:
    """Make one record of all that are about the same thing.

    Records with the same id and source are about the same thing; of others the match
    probability decides. The result depends on the records alone, not on their order.

    Args:
        records: n rows of one partition: the columns of the contract, and any others.
        rules: How records are compared, and whose values stay.

    Raises:
        SourceError: If the records lack a column that is compared, or an id, a source or a time.
    """
    rules.require(records)
    ordered = records.sort_by([(name, "ascending") for name in _order(records, rules)])
    same = _same(ordered, rules)
    declared = rules.declared
    found = matches(
        ordered,
        same,
        declared.used_to("merge"),
        from_probability=declared.merge_from,
        apart_below=declared.apart_below,
    )
    groups = _groups(same.to_pylist(), found)
    homes = _homes(ordered, [rows for rows in groups if len(rows) > 1], rules)
    return Merged(
        canonical=_canonical(ordered, groups, homes, rules),
        merged=_merged(homes),
        findings=_findings(homes),
        compared=found.blocked.pairs,
        crowded=found.blocked.crowded_rows,
    )


class _Home(NamedTuple):
    """Several records of one thing."""

    lead: Said
    """The id that stays, with the record that says it: source and time are its own."""
    members: list[Said]
    """The ids of all, by record."""
    won: dict[str, Said]
    """Column to who said the value that stays; without those that nobody says."""
    findings: list[Finding]


def _order(records: pa.Table, rules: Rules) -> list[str]:
    """Columns to sort by, so that nothing depends on the order of the records."""
    return [*rules.named, *sorted(set(records.column_names) - set(rules.named))]


def _same(ordered: pa.Table, rules: Rules) -> pa.Array:
    """A number for each record, equal where id and source are."""
    texts = [
        ordered[name].cast(pa.string()) for name in (rules.entity_id, rules.declared.source)
    ]
    keys = pc.binary_join_element_wise(*texts, "\x1f")
    return keys.combine_chunks().dictionary_encode().indices


def _groups(same: Sequence[int], found: Matches) -> list[list[int]]:
    """Records by what they are about, by the first of each."""
    first: dict[int, int] = {}
    known = [Match(first.setdefault(name, row), row, 1.0) for row, name in enumerate(same)]
    links, apart = (
        [(_key(each.left), _key(each.right)) for each in pairs]
        for pairs in ([*known, *found.found], found.apart)
    )
    clusters = clusters_of(map(_key, range(len(same))), links, apart)
    groups: dict[str, list[int]] = defaultdict(list)
    for row, cluster in clusters.items():
        groups[cluster].append(int(row))
    return list(groups.values())


def _key(row: int) -> str:
    return f"{row:012d}"


def _homes(ordered: pa.Table, groups: Sequence[list[int]], rules: Rules) -> dict[int, _Home]:
    """What stays of each group of several records, by the number of its first record."""
    rows = [row for group in groups for row in group]
    taken = ordered.take(pa.array(rows, pa.int64()))
    sources, times = (taken[name].to_pylist() for name in rules.named[1:])
    said: dict[str, dict[int, Said]] = {
        name: {
            row: Said(value=_value(value), row=_key(row), source=source, said_at=time)
            for row, value, source, time in zip(
                rows, taken[name].to_pylist(), sources, times, strict=True
            )
            if value is not None
        }
        for name in taken.column_names
    }
    return {
        group[0]: _home(
            {name: [each[row] for row in group if row in each] for name, each in said.items()},
            rules,
        )
        for group in groups
    }


def _value(value: object) -> str | float:
    return value if isinstance(value, str | float | int) else str(value)


def _home(said: dict[str, list[Said]], rules: Rules) -> _Home:
    kept = rules.declared.survivorship
    lead = survivor(said[rules.entity_id], "trusted", trusted=kept.trusted)
    won = {
        name: survivor(values, kept.rule(name), trusted=kept.trusted)
        for name, values in said.items()
        if values and name not in rules.named
    }
    for columns in kept.together:
        won = {name: one for name, one in won.items() if name not in columns}
        won |= _together({name: said[name] for name in columns}, kept)
    found = [
        finding(name, said[name], agreement)
        for name, agreement in rules.declared.agreement.items()
    ]
    return _Home(lead, said[rules.entity_id], won, [each for each in found if each])


def _together(said: Mapping[str, Sequence[Said]], kept: Survivorship) -> dict[str, Said]:
    """Take several columns from one record: of those that say most of them, by the first's rule."""
    by_row: dict[str, dict[str, Said]] = defaultdict(dict)
    for name, each in said.items():
        for one in each:
            by_row[one.row][name] = one
    most = max(map(len, by_row.values()), default=0)
    for name in said:
        if saying := [one[name] for one in by_row.values() if len(one) == most and name in one]:
            return by_row[survivor(saying, kept.rule(name), trusted=kept.trusted).row]
    return {}


def _merged(homes: Mapping[int, _Home]) -> dict[str, int]:
    counts = Counter(one.source for home in homes.values() for one in home.members)
    counts.subtract(home.lead.source for home in homes.values())
    return {source: rows for source, rows in sorted(counts.items()) if rows}


def _canonical(
    ordered: pa.Table, groups: Sequence[list[int]], homes: Mapping[int, _Home], rules: Rules
) -> pa.Table:
    """One row a group: every value is taken from the record that it survives in."""
    columns = {}
    for name in ordered.column_names:
        rows = [_row(name, first, homes.get(first), rules) for first, *_ in groups]
        columns[name] = ordered[name].take(pa.array(rows, pa.int64()))
    sources = ordered[rules.declared.source].to_pylist()
    ids = ordered[rules.entity_id].to_pylist()
    columns[WON] = pa.array(
        [_won(homes[first]) if first in homes else None for first, *_ in groups], pa.string()
    )
    columns[MEMBERS] = pa.array(
        [
            json.dumps(_members(homes[first]))
            if first in homes
            else json.dumps([{"id": ids[first], "source": sources[first]}])
            for first, *_ in groups
        ],
        pa.string(),
    )
    table = pa.table(columns)
    return table.sort_by([(name, "ascending") for name in rules.named])


def _row(name: str, first: int, home: _Home | None, rules: Rules) -> int | None:
    """Number of the record that the value of a column is taken from; None for no value."""
    if home is None:
        return first
    if name in rules.named:
        return int(home.lead.row)
    return int(home.won[name].row) if name in home.won else None


def _won(home: _Home) -> str:
    return json.dumps({name: one.source for name, one in home.won.items()}, sort_keys=True)


def _members(home: _Home) -> list[dict[str, object]]:
    led = sorted(home.members, key=lambda one: (one != home.lead, one.row))
    return [{"id": one.value, "source": one.source} for one in led]


def _findings(homes: Mapping[int, _Home]) -> pa.Table:
    rows = []
    for home in homes.values():
        ids = {one.row: str(one.value) for one in home.members}
        rows += [
            {
                "canonical_id": str(home.lead.value),
                "column": each.column,
                "apart": each.apart,
                "limit": each.limit,
                "left_value": str(each.left.value),
                "left_id": ids[each.left.row],
                "left_source": each.left.source,
                "right_value": str(each.right.value),
                "right_id": ids[each.right.row],
                "right_source": each.right.source,
            }
            for each in home.findings
        ]
    return pa.Table.from_pylist(rows, FINDINGS).sort_by(
        [("canonical_id", "ascending"), ("column", "ascending")]
    )
