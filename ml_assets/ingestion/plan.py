"""What has to be read so that a partition of raw is up to date? Decided from the ledger alone."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ml_assets.ingestion.ledger import Content, Delivery, History, Merge


class Due(NamedTuple):
    """What a partition is to be made of."""

    read: frozenset[int]
    """Sequences of the deliveries whose rows of it are read this time."""
    merge: Merge
    """What it is made of then."""
    dropped: frozenset[int]
    """Sequences whose live rows are left out: they are read again, or their ids were made."""
    replaced: frozenset[int]
    """Sequences whose rows without an id gave way to a newer delivery at the same path."""


class Deliveries:
    """The deliveries that raw can be made of, and which partitions each one concerns.

    Args:
        accepted: Those that are on disk and could be read.
        known: Every delivery ever seen.
    """

    def __init__(self, accepted: Sequence[Delivery], known: Sequence[Delivery]) -> None:
        self.accepted = frozenset(each.sequence for each in accepted)
        history = History(known)
        self._replaced = {each.sequence: history.replaced(each) for each in known}
        self._concerned = {
            each.sequence: concerned(
                [each.content, *(old.content for old in self._replaced[each.sequence])]
            )
            for each in accepted
        }

    def concerning(self, partition: str) -> frozenset[int]:
        """Accepted deliveries that a partition must have."""
        return frozenset(s for s, of in self._concerned.items() if partition in of)

    def partitions(self) -> frozenset[str]:
        """Every partition that an accepted delivery concerns."""
        return frozenset(p for of in self._concerned.values() for p in of)

    def due(self, partition: str, *, live: Merge | None, reading: str) -> Due | None:
        """What `partition` is to be made of; None when nothing has to be read for it.

        A delivery that comes late, older than what the partition has, makes the newer ones be
        read again: raw does not remember that they confirmed a row which had not changed.

        Args:
            partition: Its key.
            live: What it is made of; None when it is not there, or nobody knows.
            reading: How files are read now.
        """
        concerning = self.concerning(partition)
        made_of = live.sequences if live else frozenset[int]()
        is_current = live is not None and live.reading == reading
        missing = concerning - made_of if is_current else concerning
        was_made_otherwise = not is_current and bool(made_of & self.accepted)
        if not missing and not was_made_otherwise:
            return None
        read = frozenset(s for s in concerning if s >= min(missing, default=0))
        kept = made_of if is_current else made_of - self.accepted
        merge = Merge(reading, kept | read)
        given_way = self._given_way(merge.sequences)
        dropped = read if is_current else self.accepted
        made_ids = {s for s, has_ids in given_way.items() if not has_ids}
        return Due(read, merge, dropped | made_ids, frozenset(given_way))

    def _given_way(self, sequences: Collection[int]) -> Mapping[int, bool]:
        """Deliveries replaced by one of `sequences`, and whether their rows have ids."""
        older = [old for s in sequences for old in self._replaced.get(s, ())]
        return {old.sequence: old.found is None or old.found.has_ids for old in older}


def concerned(contents: Iterable[Content | None]) -> frozenset[str]:
    """Partitions that some of `contents`, a delivery's and those it replaces, have rows of."""
    found = (each.found for each in contents if each)
    return frozenset(partition for each in found if each for partition in each.rows)
