"""Rates, and a way to read one text by one rule."""

import pytest
from ads import RATES, mapping_of, rows_of

from ml_assets.ingestion.mapping import apply


@pytest.fixture
def rates():
    return RATES


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
