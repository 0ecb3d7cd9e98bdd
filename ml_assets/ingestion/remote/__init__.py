"""Rows of an endpoint or of a table, fetched into the files of a drop folder.

`endpoint` reads pages, `table` reads rows in the order of their cursor, `drop` keeps them: each
file whole or not at all, and its name says how far it got. So a killed fetch loses and doubles
nothing, and there is no other state. What the files' rows mean is for `mapping`.
"""

from ml_assets.ingestion.remote.drop import Fetched
from ml_assets.ingestion.remote.fetching import fetch

__all__ = ["Fetched", "fetch"]
