"""From source files to `raw`: read, placed in partitions, the newest version of every row.

`files` finds them, `text`, `quotes`, `csv_rows`, `json_rows` and `parquet_rows` read them, `reading`
says what their columns are and `placing` which partition a row belongs to. `ledger` remembers
what was seen, `plan` decides what is due, `newest` which versions of a row give way, `update`
writes. Raw is text, exactly as the source has it; whether it is good is for `validation`.

A `feed` is what one ingestion is about. A problem with `sources`, each described by its `mapping`, has
a feed for each (`feeds`), and `fetched` brings files of those that are `remote`; `records` maps their rows, and `canonical` joins them, `duplicates` merged,
to `raw`. What became of each source's rows is in `shares`.
"""

from ml_assets.ingestion.canonical import Joined, join_sources, outdated_joins
from ml_assets.ingestion.feeds import feed_of, feeds
from ml_assets.ingestion.fetched import fetch_sources
from ml_assets.ingestion.files import SourceFile, discover
from ml_assets.ingestion.intake import ingest
from ml_assets.ingestion.pending import pending_files, pending_partitions, refused_files
from ml_assets.ingestion.places import register_source, source_partitions, sources
from ml_assets.ingestion.placing import UNPLACED
from ml_assets.ingestion.report import (
    Ingested,
    IngestedFile,
    IngestedPartition,
    RefusedFile,
)

__all__ = [
    "UNPLACED",
    "Ingested",
    "IngestedFile",
    "IngestedPartition",
    "Joined",
    "RefusedFile",
    "SourceFile",
    "discover",
    "feed_of",
    "feeds",
    "fetch_sources",
    "ingest",
    "join_sources",
    "outdated_joins",
    "pending_files",
    "pending_partitions",
    "refused_files",
    "register_source",
    "source_partitions",
    "sources",
]
