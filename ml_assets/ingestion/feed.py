"""One stream of files that fills one table: how they are read, and where their rows go.

A problem has one feed into its `raw`. Intake, update and ledger work for feeds and know nothing
else of a problem.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ml_assets.ingestion.placing import Placing
from ml_assets.ingestion.reading import Reading
from ml_assets.problem import Problem
from ml_assets.problem.partitions import window_of


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What an ingestion is about.

    Attributes:
        problem: Whose it is; files and folders are registered with the problem.
        name: In the ledger, and of locks and folders.
        table: The table of the lake that it fills.
        reading: What its files' columns are.
        placing: Makes what finds the partitions of rows; one for each file.
        start: The first window of event time that the problem has.
        max_unplaced_rate: A file with more rows that have no readable event time needs a person.
    """

    problem: str
    name: str
    table: str
    reading: Reading
    placing: Callable[[], Placing]
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
            placing=lambda: Placing(reading),
            start=window_of(config.partitions.start, config.partitions.grain),
            max_unplaced_rate=config.gate.max_quarantine_rate,
        )


def feeds(problem: Problem) -> tuple[Feed, ...]:
    """Every feed of a problem."""
    return (Feed.of(problem),)
