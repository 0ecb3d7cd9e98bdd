"""Brings partitions of raw up to date with the rows on the spool; every entity keeps its newest.

Rows leave a partition before their newer versions enter another one, and every partition is one
commit of the lake: whenever this is killed, no entity is in raw twice, and whatever is not there
yet is still due.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml_assets.fingerprint import fingerprint, source_hash
from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.ledger import Ledger
from ml_assets.ingestion.merging import (
    Pile,
    by_partition,
    by_sequence,
    in_order,
    joined,
    staying,
    without,
)
from ml_assets.ingestion.newest import Versions
from ml_assets.ingestion.plan import Due
from ml_assets.ingestion.rows import aligned, as_raw, raw_schema, read_rows
from ml_assets.ingestion.spool import Run, Spool
from ml_assets.progress import track
from ml_assets.storage import Commit, Home, PartitionState


class Update:
    """Everything that one ingestion changes in raw.

    Args:
        feed: Whose table it is.
        home: Where it is.
        due: By partition, what it is to be made of.
        spool: The rows that were read for it.
        run_id: Who asks.
        folder: For what does not fit into memory.

    Attributes:
        moved: Partitions that lost a row to another one, after `apply`.
    """

    def __init__(
        self,
        feed: Feed,
        home: Home,
        due: Mapping[str, Due],
        *,
        spool: Spool,
        run_id: str,
        folder: Path,
    ) -> None:
        self._lake = home.lake
        self._table = feed.table
        self._reading = feed.reading
        self._schema = raw_schema(self._reading)
        self._ledger = Ledger(home.store, feed.name)
        self._deliveries = {each.sequence: each for each in self._ledger.deliveries()}
        self._due = due
        self._spool = spool
        self._runs: dict[str, list[Run]] = defaultdict(list)
        for run in spool.runs:
            self._runs[run.partition].append(run)
        self._run_id = run_id
        self._folder = folder
        self._before = home.lake.partitions(self._table)
        self._states = dict(self._before)
        self._made_of = self._ledger.merges(self._before)
        self.moved: frozenset[str] = frozenset()

    def apply(self) -> None:
        """Let moved rows leave, then bring every due partition up to date."""
        with self._compared() as versions:
            self.moved = versions.moved_from
            for partition in track(sorted(self.moved), f"move rows of {self._table}"):
                self._let_leave(partition, versions)
            for partition in track(sorted(self._due), f"write {self._table}"):
                self._bring(partition, versions)

    def changed(self, after: PartitionState) -> bool:
        """Whether a partition has other rows than before."""
        before = self._before.get(after.partition)
        return before is None or before.content_hash != after.content_hash

    def superseded(self, after: PartitionState) -> int:
        """Rows that gave way, or said nothing new, among those that it had and those that came."""
        before = self._before.get(after.partition)
        made_of = self._made_of.get(after.partition)
        had = made_of.sequences if made_of else frozenset[int]()
        came = [run for run in self._runs.get(after.partition, ()) if run.sequence not in had]
        rows = sum(map(self._spool.rows, came)) + (before.rows if before else 0)
        return max(rows - after.rows, 0)

    @contextmanager
    def _compared(self) -> Iterator[Versions]:
        """Compare what arrives with what is there, unless nothing can give way."""
        with Versions(
            self._folder,
            entity_id=self._reading.entity_id,
            columns=[*self._reading.columns, *filter(None, [self._reading.rest])],
            missing=self._reading.missing,
        ) as versions:
            sequences = {run.sequence for runs in self._runs.values() for run in runs}
            if sequences and (self._before or len(sequences) > 1):
                versions.add_arriving(self._all_arriving(), self._schema)
                if touched := self._touched(versions):
                    versions.add_live(self._all_staying(touched), self._schema)
                versions.compare()
            yield versions

    def _touched(self, versions: Versions) -> list[str]:
        """Live partitions that have a row whose entity arrives as well."""
        if not self._before:
            return []
        columns = [self._reading.entity_id, "_fault", "partition"]
        return versions.partitions_of(self._lake.batches(self._table, columns=columns))

    def _let_leave(self, partition: str, versions: Versions) -> None:
        """Write a partition without the rows whose newer versions are about to enter another."""
        state = self._states[partition]
        taken = self._hashes(run.sequence for runs in self._runs.values() for run in runs)
        mark = fingerprint(before=state.fingerprint, left_for=taken)
        if made_of := self._made_of.get(partition):
            self._ledger.record_merge(partition, mark, made_of, live=state)
        live = by_sequence(self._live(partition))
        self._write(
            partition, in_order(_without_lost(live, partition, versions.moved), ()), mark
        )

    def _bring(self, partition: str, versions: Versions) -> None:
        """Write what a partition is to be made of; only remember it where no row is another."""
        due = self._due[partition]
        state = self._states.get(partition)
        if state is not None and self._stays_as_it_is(partition, versions):
            self._ledger.record_merge(partition, state.fingerprint, due.merge, live=state)
            return
        mark = fingerprint(reading=due.merge.reading, files=self._hashes(due.merge.sequences))
        self._ledger.record_merge(partition, mark, due.merge, live=state)
        live = by_sequence(staying(b, due, self._reading) for b in self._live(partition))
        rows = in_order(
            _without_lost(live, partition, partial(versions.lost, live=True)),
            _without_lost(
                self._arriving(partition), partition, partial(versions.lost, live=False)
            ),
        )
        self._write(partition, rows, mark)

    def _stays_as_it_is(self, partition: str, versions: Versions) -> bool:
        """Whether no row enters a live partition and none leaves."""
        due, made_of = self._due[partition], self._made_of.get(partition)
        if made_of is None or made_of.reading != due.merge.reading:
            return False
        runs = self._runs.get(partition, ())
        enters = any(self._spool.rows(r) > versions.count(r, live=False) for r in runs)
        if enters or partition in versions.shrinking():
            return False
        leaving = (due.dropped | due.replaced) & made_of.sequences
        return not leaving or all(
            len(staying(batch, due, self._reading)) == len(batch)
            for batch in self._live(partition)
        )

    def _write(self, partition: str, rows: Iterable[pa.RecordBatch], mark: str) -> None:
        commit = Commit(run_id=self._run_id, code_hash=raw_code(), fingerprint=mark)
        reader = joined(rows, self._schema)
        self._states[partition] = self._lake.write(
            self._table, partition, reader, commit=commit
        )

    def _live(self, partition: str) -> Iterator[pa.RecordBatch]:
        """Rows that a partition has now, as raw has them."""
        if partition in self._states:
            for batch in self._lake.batches(self._table, partitions=[partition]):
                yield aligned(batch, self._schema, {})

    def _arriving(self, partition: str) -> Iterator[Pile]:
        """Rows on the spool, as raw has them, by delivery."""
        for run in self._runs.get(partition, ()):
            delivery = self._deliveries[run.sequence]
            yield Pile(
                run.sequence,
                (as_raw(b, delivery, self._reading) for b in self._spool.batches(run)),
            )

    def _all_arriving(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        for partition in sorted(self._runs):
            for pile in self._arriving(partition):
                for batch in pile.batches:
                    yield partition, batch

    def _all_staying(self, partitions: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Live rows of some partitions that are not read again."""
        for batch in self._lake.batches(self._table, partitions=partitions):
            for partition, part in by_partition(batch):
                due, rows = self._due.get(partition), aligned(part, self._schema, {})
                yield partition, staying(rows, due, self._reading) if due else rows

    def _hashes(self, sequences: Iterable[int]) -> list[str]:
        """Content hashes of deliveries, oldest first."""
        ordered = sorted(set(sequences))
        return [self._deliveries[s].content_hash for s in ordered if s in self._deliveries]


@cache
def raw_code() -> str:
    """Hash of the source that makes the rows of raw."""
    return source_hash(read_rows, as_raw, staying, in_order, Versions)


def _without_lost(
    piles: Iterable[Pile], partition: str, lost: Callable[[Run], np.ndarray]
) -> Iterator[Pile]:
    """Leave out the rows of every pile that give way to another version."""
    known: dict[int, np.ndarray] = {}
    for pile in piles:
        if pile.sequence not in known:
            known[pile.sequence] = lost(Run(partition, pile.sequence))
        yield Pile(pile.sequence, without(pile.batches, known[pile.sequence]))
