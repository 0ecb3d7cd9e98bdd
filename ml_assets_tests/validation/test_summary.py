import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.validation import hold_to_contract
from ml_assets.validation.spool import Spool
from ml_assets.validation.summary import (
    LONGEST_CATEGORY,
    added,
    as_record,
    bucket_of,
    from_record,
    summarize,
)


@pytest.fixture
def valid(complaints, as_raw, drawn):
    return hold_to_contract(complaints, as_raw(drawn(900), list(complaints.fields))).valid


class TestASummary:
    def test_counts_categories(self, complaints, valid):
        summary = summarize(complaints, valid).of("product")

        counts = valid["product"].to_pandas().value_counts().to_dict()
        assert summary.counts == counts
        assert (summary.rows, summary.missing, summary.others) == (900, 0, 0)

    def test_counts_labels(self, complaints, valid):
        summary = summarize(complaints, valid).of("consumer_disputed")

        labels = valid["consumer_disputed"].to_pandas()
        assert summary.counts == {"true": int(labels.sum()), "false": int((~labels).sum())}

    def test_counts_times_in_days_after_the_event(self, complaints, valid):
        summary = summarize(complaints, valid).of("date_sent_to_company")

        sent, received = (
            valid[n].to_pandas() for n in ("date_sent_to_company", "date_received")
        )
        days = (sent - received).dt.days
        assert (summary.minimum, summary.maximum) == (days.min(), days.max())
        assert summary.counts["0"] == int((days == 0).sum())

    def test_counts_prose_in_characters_and_keeps_none_of_it(self, complaints, valid):
        record = json.dumps(as_record(summarize(complaints, valid)))

        summary = summarize(complaints, valid).of("consumer_complaint_narrative")
        assert summary.kind == "number"
        assert (
            summary.maximum == valid["consumer_complaint_narrative"].to_pandas().str.len().max()
        )
        assert "I wrote to the company" not in record

    def test_keeps_no_category_that_is_as_long_as_prose(self, complaints, valid):
        long = "x" * (LONGEST_CATEGORY + 1)
        place = valid.column_names.index("product")
        column = pa.array([long, *["Mortgage"] * 899], pa.string())

        summary = summarize(complaints, valid.set_column(place, "product", column)).of(
            "product"
        )

        assert (summary.counts, summary.others) == ({"Mortgage": 899}, 1)

    def test_leaves_ids_and_ignored_columns_out(self, complaints, valid):
        statistics = summarize(complaints, valid)

        assert statistics.of("complaint_id") is None
        assert statistics.of("company_public_response") is None

    def test_is_the_same_after_it_was_kept_as_json(self, complaints, valid):
        statistics = summarize(complaints, valid)

        assert from_record(json.loads(json.dumps(as_record(statistics)))) == statistics

    @pytest.mark.parametrize("size", [1, 100, 450, 899])
    def test_of_parts_adds_up_to_the_whole(self, complaints, valid, size):
        parts = [
            summarize(complaints, valid.slice(0, size)),
            summarize(complaints, valid.slice(size)),
        ]

        assert added(parts) == summarize(complaints, valid)

    def test_of_no_rows_is_empty(self, complaints, valid):
        summary = summarize(complaints, valid.slice(0, 0)).of("product")

        assert (summary.rows, summary.present, summary.counts) == (0, 0, {})


class TestBuckets:
    def test_rise_with_the_number(self, rng):
        numbers = np.sort(rng.normal(size=2_000) * 10 ** rng.uniform(-8, 8, size=2_000))

        assert (np.diff(bucket_of(numbers)) >= 0).all()

    def test_are_narrow(self):
        assert bucket_of(np.array([100.0]))[0] < bucket_of(np.array([110.0]))[0]


class TestASpool:
    @pytest.mark.parametrize("memory_bytes", [0, 1 << 30])
    def test_gives_back_what_it_took_in_its_order(self, memory_bytes):
        tables = [pa.table({"a": pd.Series(range(n, n + 3))}) for n in (0, 3, 6)]

        with Spool(memory_bytes=memory_bytes) as spool:
            for table in tables:
                spool.add(table)
            rows = spool.reader().read_all()

        assert rows["a"].to_pylist() == list(range(9))
        assert spool.rows == 9
