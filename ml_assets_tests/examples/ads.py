"""Mappings of the source `ads`, rows to try them on, and what came of it."""

import datetime as dt
import json

import pyarrow as pa

from ml_assets.ingestion.mapping import Mapping, Rates

RATES = Rates(
    days=(dt.date(2020, 7, 10), dt.date(2020, 7, 13)),
    worth={"EUR": (1.0, 1.0), "USD": (1.1, 1.2), "CAD": (1.5, None)},
)
"""On Friday a euro is worth 1.10 dollars, on the Monday after 1.20."""


def mapping_of(columns, **more):
    """A mapping of the source `ads`."""
    values = {"source": "ads", "origin": "tests", "terms": "none", "columns": columns}
    return Mapping.from_values({**values, **more}, where="ads.yaml")


def rows_of(**columns):
    """Rows as raw has them."""
    return pa.record_batch({n: pa.array(texts, pa.string()) for n, texts in columns.items()})


def given_of(mapped):
    """What the source had, row by row."""
    return [text and json.loads(text) for text in mapped.given.to_pylist()]
