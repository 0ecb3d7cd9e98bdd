"""Three stores that everything else is built on; together they are a `Home`.

The lake holds tables by partition, the store what must be transactional, the artifacts immutable
folders named by their content. They know nothing of problems, models or Dagster, and each works
on a laptop's disk and, by URL, on an object store or Postgres. What they hold is the truth.
"""

from ml_assets.storage.artifacts import Artifacts
from ml_assets.storage.at_once import OCCUPIED, AtOnce
from ml_assets.storage.content import content_hash
from ml_assets.storage.home import Home
from ml_assets.storage.lake import Lake
from ml_assets.storage.ledger import Commit, PartitionState, TableCommit
from ml_assets.storage.store import Store, UTCDateTime, append_only, metadata

__all__ = [
    "OCCUPIED",
    "Artifacts",
    "AtOnce",
    "Commit",
    "Home",
    "Lake",
    "PartitionState",
    "Store",
    "TableCommit",
    "UTCDateTime",
    "append_only",
    "content_hash",
    "metadata",
]
