"""Rows that are linked, directly or through others, are one cluster.

A cluster is named by its smallest row, so the order of rows does not matter; that of links does only
where some rows must stay apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ml_assets.errors import SourceError


def clusters_of(
    rows: Iterable[str],
    links: Iterable[tuple[str, str]],
    apart: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Find the connected components of rows.

    A link that would bring two rows together that are known to be apart is left out: a flat whose
    number nobody wrote goes to the neighbour that it is most like, and not to all.

    Args:
        rows: Ids of all rows, each once.
        links: Pairs of ids that describe the same entity; where rows are apart, the surest first.
        apart: Pairs of ids that do not.

    Returns:
        The cluster of each row, sorted by row; a row without a link is a cluster of its own.

    Raises:
        SourceError: If a row is there twice, or a link names a row that is not there.

    Examples:
        >>> clusters_of(["a", "b", "c", "d"], [("c", "b"), ("b", "a")])
        {'a': 'a', 'b': 'a', 'c': 'a', 'd': 'd'}
        >>> clusters_of(["a", "b", "c"], [("a", "b"), ("b", "c")], apart=[("a", "c")])
        {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    parents = _alone(rows)
    against = _against(parents, apart)
    members = {row: {row} for row in parents}
    for left, right in links:
        _require(parents, left, right)
        first, second = sorted((_root(parents, left), _root(parents, right)))
        if first == second or not against[first].isdisjoint(members[second]):
            continue
        parents[second] = first
        members[first] |= members.pop(second)
        against[first] |= against.pop(second, set())
    return {row: _root(parents, row) for row in sorted(parents)}


def _against(
    rows: Mapping[str, str], apart: Iterable[tuple[str, str]]
) -> defaultdict[str, set[str]]:
    """Rows that a row must not be with."""
    against: defaultdict[str, set[str]] = defaultdict(set)
    for left, right in apart:
        _require(rows, left, right)
        against[left].add(right)
        against[right].add(left)
    return against


def _alone(rows: Iterable[str]) -> dict[str, str]:
    parents: dict[str, str] = {}
    for row in rows:
        if row in parents:
            raise SourceError(f"The row {row!r} is there twice; give each row its own id.")
        parents[row] = row
    return parents


def _require(rows: Mapping[str, str], left: str, right: str) -> None:
    for row in (left, right):
        if row not in rows:
            raise SourceError(
                f"A link ({left!r}, {right!r}) names the row {row!r}, which is not among the "
                f"{len(rows):,} rows; pass every row that is linked."
            )


def _root(parents: dict[str, str], row: str) -> str:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row
