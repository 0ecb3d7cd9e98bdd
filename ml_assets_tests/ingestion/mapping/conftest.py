"""Rates, and a way to read one text by one rule."""

import datetime as dt

import pytest
from ads import mapping_of, rows_of

from ml_assets.ingestion.mapping import Rates, apply


@pytest.fixture
def rates():
    """On Friday a euro is worth 1.10 dollars, on the Monday after 1.20."""
    return Rates(
        days=(dt.date(2020, 7, 10), dt.date(2020, 7, 13)),
        worth={"EUR": (1.0, 1.0), "USD": (1.1, 1.2), "CAD": (1.5, None)},
    )


@pytest.fixture
def read(rates):
    """What a rule makes of texts, or why it makes nothing of them."""

    def reading(rule, *texts, **more):
        mapping = mapping_of({"it": {"path": "it", **rule}}, **more)
        mapped = apply(mapping, rows_of(it=texts), rates=rates)
        values, faults = mapped.rows.column("it").to_pylist(), mapped.faults.to_pylist()
        found = [fault or value for value, fault in zip(values, faults, strict=True)]
        return found[0] if len(texts) == 1 else found

    return reading
