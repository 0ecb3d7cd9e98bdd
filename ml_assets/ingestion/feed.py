"""One stream of files that fills one table: how they are read, and where their rows go.

A problem has one feed into its `raw`; one with several sources has a feed for each, into
`raw_<source>`. Intake, update and ledger work for feeds and know nothing else of a problem.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import pyarrow as pa

from ml_assets.ingestion.ledger import Delivery
from ml_assets.ingestion.placing import Placing
from ml_assets.ingestion.reading import Columns, Reading
from ml_assets.problem import Problem
from ml_assets.problem.partitions import window_of


class Places(Protocol):
    """Finds the partitions of one file's rows."""

    def cut(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of `batch` by partition, in their order."""

    def has_ids(self, columns: Columns) -> bool:
        """Whether a file with such columns says what its rows are about."""

    def nothing_placed(self, name: str, rows: int) -> str:
        """Why a file of which no row could be placed is refused."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What an ingestion is about.

    Attributes:
        problem: Whose it is; files and folders are registered with the problem.
        name: In the ledger, and of locks and folders.
        table: The table of the lake that it fills.
        reading: What its files' columns are.
        placing: Makes what finds the partitions of a delivery's rows.
        takes: Whether a file at a place of the problem is the feed's.
        start: The first window of event time that the problem has.
        max_unplaced_rate: A file with more rows that have no readable event time needs a person.
    """

    problem: str
    name: str
    table: str
    reading: Reading
    placing: Callable[[Delivery], Places]
    takes: Callable[[Path], bool]
    start: str
    max_unplaced_rate: float

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The feed of a problem into its `raw`."""
        reading, config = Reading.of(problem), problem.config
        return cls(
            problem=problem.name,
            name=problem.name,
            table=f"{problem.name}/raw",
            reading=reading,
            placing=lambda _: Placing(reading),
            takes=lambda _: True,
            start=window_of(config.partitions.start, config.partitions.grain),
            max_unplaced_rate=config.gate.max_quarantine_rate,
        )
