"""Which rows are about the same thing, what becomes of them, and how well that was found out.

`merge` makes one canonical record of the records of one partition, `link` holds rows of all
partitions together. Both compare rows by the `Rules` that a problem declares: `pairs` says which
are worth comparing, `kinds` how two values are compared, `matching` how likely two rows are about
the same thing. `clusters` joins links, `survivorship` chooses the value that stays, `findings` has
what is still said differently. `scores` holds what was found against the truth.
"""

from ml_assets.ingestion.duplicates.linking import Linked, link
from ml_assets.ingestion.duplicates.matching import MATCHED_BY
from ml_assets.ingestion.duplicates.merging import Merged, merge
from ml_assets.ingestion.duplicates.rules import Rules

__all__ = ["MATCHED_BY", "Linked", "Merged", "Rules", "link", "merge"]
