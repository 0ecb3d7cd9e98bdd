"""What waits to be ingested, and which files need a person."""

from collections.abc import Iterable, Iterator

from ml_assets.ingestion.feed import Feed
from ml_assets.ingestion.feeds import feeds, strangers
from ml_assets.ingestion.files import SourceFile
from ml_assets.ingestion.ledger import Content, History, Ledger
from ml_assets.ingestion.places import is_read, seen, source_partitions
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.plan import concerned
from ml_assets.ingestion.report import RefusedFile
from ml_assets.problem import Key, Problem
from ml_assets.storage import Home


def pending_files(problem: Problem, home: Home) -> list[SourceFile]:
    """Files of which raw does not have everything yet: new or revised ones, oldest first.

    A refused file is not pending until it is revised, nor are rows from before the problem's
    first partition.
    """
    return [
        file
        for feed in feeds(problem)
        for file, content, lacking in _files(feed, home)
        if not is_read(content, feed.reading)
        or any(Key.of(partition).window >= feed.start for partition in lacking)
    ]


def pending_partitions(problem: Problem, home: Home) -> list[str]:
    """Partitions of which raw does not have every row that the sources have, sorted.

    A file that nobody read before is looked through for it, once.
    """
    source_partitions(problem, home)
    found = {
        partition
        for feed in feeds(problem)
        for _, _, lacking in _files(feed, home)
        for partition in lacking
    }
    return sorted(found - {UNPLACED})


def refused_files(problem: Problem, home: Home) -> list[RefusedFile]:
    """Files of which nothing was taken, and files whose rows mostly could not be placed.

    Rows without a readable event time are quarantined like other broken rows; a file with more of
    them than `gate.max_quarantine_rate` is no longer a matter of single rows.
    """
    of_feeds = [each for feed in feeds(problem) for each in _refused_of(feed, home)]
    return [*dict.fromkeys(of_feeds), *strangers(problem, home)]


def _refused_of(feed: Feed, home: Home) -> Iterator[RefusedFile]:
    there, contents = seen(feed, home), Ledger(home.store, feed.name).contents()
    pairs = ((file, contents.get(file.content_hash)) for file in there.files)
    yield from there.refused
    yield from _refused(feed, pairs)


def _files(
    feed: Feed, home: Home
) -> Iterator[tuple[SourceFile, Content | None, frozenset[str]]]:
    """Every file, what is known of it, and the partitions that must have it and do not."""
    ledger = Ledger(home.store, feed.name)
    history, contents = History(ledger.deliveries()), ledger.contents()
    merges = ledger.merges(home.lake.partitions(feed.table))
    for file in seen(feed, home).files:
        content, delivery = contents.get(file.content_hash), history.same(file)
        before = history.replaced(delivery) if delivery else history.at(file.path)
        must_have = concerned([content, *(each.content for each in before)])
        sequence = delivery and delivery.sequence
        has = {p for p, merge in merges.items() if sequence in merge.sequences}
        is_taken = content is not None and content.found is not None
        yield file, content, must_have - has if is_taken else frozenset()


def _refused(
    feed: Feed, files: Iterable[tuple[SourceFile, Content | None]]
) -> Iterator[RefusedFile]:
    for file, content in files:
        if content is not None and content.refused:
            yield RefusedFile(file.path.name, content.refused)
        elif content is not None and content.found is not None:
            rows, unplaced = content.found.rows, content.found.rows.get(UNPLACED, 0)
            if unplaced > feed.max_unplaced_rate * sum(rows.values()):
                yield RefusedFile(
                    file.path.name,
                    f"{unplaced:,} of {sum(rows.values()):,} rows have no readable "
                    f"{feed.reading.event_time}, so nobody knows which partition they belong to. They "
                    "are in quarantine. Correct the file, or add its format to "
                    "source.date_formats in config.yaml.",
                )
