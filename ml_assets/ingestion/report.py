"""What an ingestion says that it did."""

from dataclasses import dataclass
from typing import NamedTuple

from ml_assets.storage import PartitionState


class IngestedPartition(NamedTuple):
    """One partition of raw after the ingestion.

    The rows that it had and those that came are its rows now and those superseded.
    """

    partition: str
    state: PartitionState
    rows: int
    superseded: int
    """Rows that gave way to a newer version, or that said nothing new."""
    changed: bool
    files: tuple[str, ...]
    """Names of the files that had rows of it, oldest first."""


class IngestedFile(NamedTuple):
    """One file that was read."""

    file: str
    rows: int
    faulty_rows: int
    """Rows that could not be read whole; they are in raw, with their `_fault`."""
    blank_rows: int
    """Rows without any text; they are nowhere."""
    encoding: str
    has_ids: bool
    """False where ids were made from the file's hash and the row's number."""


class RefusedFile(NamedTuple):
    """A file of which nothing was taken."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingestion did.

    Attributes:
        partitions: Every partition asked for that raw has, changed or not; one whose rows all
            moved elsewhere is there with 0 rows.
        files: Files that were read this time.
        refused_files: Files of which nothing was taken, now or before.
        moved: Partitions outside the request that lost a row to another partition.
        missing: Partitions asked for that no source has or had rows of.
        ignored_columns: Columns that files have and the contract has not.
        absent_columns: Columns that the contract has and some file has not.
        unplaced_rows: Rows in the partition "unplaced": their event time cannot be read.
    """

    partitions: tuple[IngestedPartition, ...]
    files: tuple[IngestedFile, ...]
    refused_files: tuple[RefusedFile, ...]
    moved: tuple[str, ...]
    missing: tuple[str, ...]
    ignored_columns: tuple[str, ...]
    absent_columns: tuple[str, ...]
    unplaced_rows: int
