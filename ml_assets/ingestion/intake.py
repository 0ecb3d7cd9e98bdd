"""From registered sources to raw: every file that is needed is read once, and what is new enters.

`Intake` finds out what to read, and reads it; `update` brings the partitions up to date. What
raw has of which file is known from the fingerprints of its partitions, so that after a kill the
next ingestion finds what is missing by itself.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ml_assets.errors import SourceError
from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.files import Format
from ml_assets.ingestion.ledger import Content, Delivery, Ledger
from ml_assets.ingestion.places import is_read, reading_hash, seen
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.plan import Deliveries, Due
from ml_assets.ingestion.report import Ingested, IngestedFile, IngestedPartition, RefusedFile
from ml_assets.ingestion.rows import discard, read_rows
from ml_assets.ingestion.spool import Spool
from ml_assets.ingestion.update import Update
from ml_assets.problem import Problem
from ml_assets.storage import Home
from ml_assets.storage.turns import one_at_a_time


def ingest(
    problem: Problem | Feed,
    home: Home,
    partitions: Sequence[str] | None,
    *,
    run_id: str,
    now: datetime,
) -> Ingested:
    """Bring partitions of raw up to date with the problem's sources.

    Every file that is needed is read once, however many partitions are asked for; a partition
    that has all of its files already is not touched. A file that cannot be read is refused and
    the others are ingested. Only one ingestion of a feed runs at a time.

    Args:
        problem: Whose sources are read; or one feed of it.
        home: Where raw is, and the ledger.
        partitions: Keys to bring up to date; None for all that the sources have rows of. Rows
            whose event time cannot be read (partition "unplaced") are always brought.
        run_id: Who asks.
        now: When files that were not there before are first seen.

    Raises:
        SourceError: If no source is registered.
    """
    feed = Feed.of(problem) if isinstance(problem, Problem) else problem
    with (
        one_at_a_time(home, f"ingest-{feed.name}"),
        _scratch(home, feed) as folder,
        Spool(folder / "rows") as spool,
    ):
        intake = Intake(feed, home, partitions, spool=spool)
        intake.read_new(now)
        intake.read_due()
        update = Update(feed, home, intake.due, spool=spool, run_id=run_id, folder=folder)
        update.apply()
        return intake.report(update)


class Intake:
    """Reads what a request needs onto the spool.

    Attributes:
        due: By partition, what it is to be made of, after `read_due`.
    """

    def __init__(
        self, feed: Feed, home: Home, partitions: Sequence[str] | None, *, spool: Spool
    ) -> None:
        self._feed = feed
        self._home = home
        self._asked = None if partitions is None else frozenset(partitions)
        self._spool = spool
        self._reading = feed.reading
        self._ledger = Ledger(home.store, feed.name)
        self._live = home.lake.partitions(feed.table)
        self._arrived: dict[int, _Arrived] = {}
        self._files: dict[int, IngestedFile] = {}
        self._refused: list[RefusedFile] = []
        self.due: dict[str, Due] = {}

    def read_new(self, now: datetime) -> None:
        """Read the files whose content nobody has read yet."""
        if not Ledger(self._home.store, self._feed.problem).places():
            raise SourceError(
                f"{self._feed.name} has no source, so there is nothing to ingest. Name the "
                "file or folder that its rows come from (register_source)."
            )
        there = seen(self._feed, self._home)
        self._refused += there.refused
        formats = {file.content_hash: file.format for file in there.files}
        for delivery in self._ledger.receive(there.files, now=now):
            form = formats[delivery.content_hash]
            self._arrived[delivery.sequence] = _Arrived(delivery, form)
            if not is_read(delivery.content, self._reading):
                self._read(delivery.sequence, self._targets())
            elif delivery.content and delivery.content.refused:
                self._refused.append(RefusedFile(delivery.name, delivery.content.refused))

    def read_due(self) -> None:
        """Read the files that some partition does not have, or has no more."""
        wanted: dict[int, set[str]] = defaultdict(set)
        for partition, due in self._plan().items():
            for sequence in due.read - self._files.keys():
                wanted[sequence].add(partition)
        for sequence in sorted(wanted):
            self._read(sequence, frozenset(wanted[sequence]))
        self.due = self._plan()

    def report(self, update: Update) -> Ingested:
        """What was done."""
        after = self._home.lake.partitions(self._feed.table)
        asked = frozenset(after) if self._asked is None else self._asked
        there = sorted(asked & after.keys())
        found = [each.found for each in self._accepted() if each.found]
        names = self._names()
        return Ingested(
            partitions=tuple(
                IngestedPartition(
                    partition=partition,
                    state=after[partition],
                    rows=after[partition].rows,
                    superseded=update.superseded(after[partition]),
                    changed=update.changed(after[partition]),
                    files=names.get(partition, ()),
                )
                for partition in there
            ),
            files=tuple(self._files[sequence] for sequence in sorted(self._files)),
            refused_files=tuple(self._refused),
            moved=tuple(sorted(update.moved - asked)),
            missing=tuple(sorted(asked - set(there))),
            ignored_columns=tuple(sorted({c for each in found for c in each.ignored_columns})),
            absent_columns=tuple(sorted({c for each in found for c in each.absent_columns})),
            unplaced_rows=after[UNPLACED].rows if UNPLACED in after else 0,
        )

    def _targets(self) -> frozenset[str] | None:
        """Partitions to bring up to date; None for all."""
        return None if self._asked is None else self._asked | {UNPLACED}

    def _accepted(self) -> list[Delivery]:
        """Deliveries that are on disk and were not refused."""
        return [each.delivery for each in self._arrived.values() if each.delivery.found]

    def _plan(self) -> dict[str, Due]:
        deliveries = Deliveries(self._accepted(), self._ledger.deliveries())
        made_of = self._ledger.merges(self._live)
        targets = self._targets()
        if targets is None:
            targets = deliveries.partitions() | self._live.keys()
        reading = reading_hash(self._reading)
        found = {p: deliveries.due(p, live=made_of.get(p), reading=reading) for p in targets}
        return {partition: due for partition, due in found.items() if due is not None}

    def _read(self, sequence: int, wanted: frozenset[str] | None) -> None:
        """Read a file onto the spool, or refuse it."""
        delivery, form = self._arrived[sequence]
        content = self._content(delivery, form, wanted)
        path = Path(delivery.path)
        if self._ledger.hashes([path]).get(path) != delivery.content_hash:
            content = Content("", CHANGED.format(delivery.name), None)
            discard(sequence, self._spool)
        else:
            self._ledger.note(delivery.content_hash, content)
        self._arrived[sequence] = _Arrived(delivery._replace(content=content), form)
        if content.found is None:
            self._refused.append(RefusedFile(delivery.name, content.refused or ""))
            return
        self._files[sequence] = IngestedFile(
            file=delivery.name,
            rows=sum(content.found.rows.values()),
            faulty_rows=content.found.faulty_rows,
            blank_rows=content.found.blank_rows,
            encoding=content.found.encoding,
            has_ids=content.found.has_ids,
        )

    def _content(
        self, delivery: Delivery, form: Format, wanted: frozenset[str] | None
    ) -> Content:
        try:
            found = read_rows(
                delivery,
                form,
                feed=self._feed,
                spool=self._spool,
                wanted=wanted,
            )
        except SourceError as error:
            return Content(reading_hash(self._reading), str(error), None)
        return Content(reading_hash(self._reading), None, found)

    def _names(self) -> dict[str, tuple[str, ...]]:
        """Names of the files that live partitions have rows of, oldest first."""
        deliveries = self._ledger.deliveries()
        return {
            partition: tuple(
                each.name
                for each in deliveries
                if each.sequence in merge.sequences
                and each.found
                and partition in each.found.rows
            )
            for partition, merge in self._ledger.merges(
                self._home.lake.partitions(self._feed.table)
            ).items()
        }


class _Arrived(NamedTuple):
    """A delivery that is on disk now."""

    delivery: Delivery
    format: Format


CHANGED = "{} was written to while it was read, so nothing of it was taken. Ingest it again."


@contextmanager
def _scratch(home: Home, feed: Feed) -> Iterator[Path]:
    """An empty folder for the time of the block; what a killed ingestion left there goes."""
    folder = home.path / "scratch" / f"ingest-{feed.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
