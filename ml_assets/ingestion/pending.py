"""What waits to be ingested, by partition, and which files need a person."""

from collections.abc import Iterable, Iterator, Mapping

from ml_assets.ingestion.files import SourceFile
from ml_assets.ingestion.ledger import Content, Delivery, History, Ledger
from ml_assets.ingestion.places import seen, source_partitions
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.report import RefusedFile
from ml_assets.problem import Problem
from ml_assets.storage import Home


def pending_partitions(problem: Problem, home: Home) -> list[str]:
    """Partitions of which raw does not have every row that the sources have, sorted.

    A file that nobody read before is looked through for it, once.
    """
    source_partitions(problem, home)
    ledger = Ledger(home.store, problem.name)
    known, contents = ledger.deliveries(), ledger.contents()
    history = History(known)
    merges = ledger.merges(home.lake.partitions(f"{problem.name}/raw"))
    found: set[str] = set()
    for file in seen(ledger).files:
        delivery = history.same(file)
        held = {p for p, m in merges.items() if delivery and delivery.sequence in m.sequences}
        found |= _concerned(file, known, contents) - held
    return sorted(found - {UNPLACED})


def refused_files(problem: Problem, home: Home) -> list[RefusedFile]:
    """Files of which nothing was taken, and files whose rows mostly could not be placed.

    Rows without a readable event time are quarantined like other broken rows; a file with more of
    them than `gate.max_quarantine_rate` is no longer a matter of single rows.
    """
    ledger = Ledger(home.store, problem.name)
    there, contents = seen(ledger), ledger.contents()
    pairs = ((file, contents.get(file.content_hash)) for file in there.files)
    return [*there.refused, *_refused(problem, pairs)]


def _concerned(
    file: SourceFile, known: Iterable[Delivery], contents: Mapping[str, Content]
) -> set[str]:
    """Partitions that a file, or what was at its path before, has rows of."""
    content = contents.get(file.content_hash)
    if content is None or content.found is None:
        return set()
    before = [each.found for each in known if each.path == str(file.path)]
    return {name for found in (content.found, *before) if found for name in found.rows}


def _refused(
    problem: Problem, files: Iterable[tuple[SourceFile, Content | None]]
) -> Iterator[RefusedFile]:
    limit = problem.config.gate.max_quarantine_rate
    for file, content in files:
        if content is not None and content.refused:
            yield RefusedFile(file.path.name, content.refused)
        elif content is not None and content.found is not None:
            rows, unplaced = content.found.rows, content.found.rows.get(UNPLACED, 0)
            if unplaced > limit * sum(rows.values()):
                yield RefusedFile(
                    file.path.name,
                    f"{unplaced:,} of {sum(rows.values()):,} rows have no readable "
                    f"{problem.event_time}, so nobody knows which partition they belong to. They "
                    "are in quarantine. Correct the file, or add its format to "
                    "source.date_formats in config.yaml.",
                )
