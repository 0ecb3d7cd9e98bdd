"""Mappings of the source `ads`, rows to try them on, and what came of it."""

import json

import pyarrow as pa

from ml_assets.ingestion.mapping import Mapping


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
