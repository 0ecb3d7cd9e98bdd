import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.problem import problem_named
from ml_assets.problems.complaints.source import sample
from ml_assets.problems.complaints.taxonomy import CHANNELS, ISSUES, PRODUCTS, RESPONSES
from ml_assets.validation import hold_to_contract


@pytest.fixture
def complaints():
    return problem_named("complaints")


@pytest.fixture
def held(complaints):
    """The verdict on one complaint that differs from a sampled one in some cells."""

    def hold(**cells):
        df = sample(1, np.random.default_rng(0)).assign(**cells)
        columns = {
            name: pa.array(df[name], pa.string(), from_pandas=True)
            for name in complaints.fields
        }
        return hold_to_contract(complaints, pa.table(columns))

    return hold


def typed(complaints, df):
    columns = {name: pa.array(df[name], pa.string(), from_pandas=True) for name in df}
    raw = pa.table(columns).select(list(complaints.fields))
    return hold_to_contract(complaints, raw).valid.to_pandas(
        types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get
    )


class TestTheContract:
    @pytest.mark.parametrize(
        ("column", "cell"),
        [
            ("zip_code", "940XX"),
            ("zip_code", "XXXXX"),
            ("zip_code", "7111"),
            ("state", "AE"),
            ("state", "UNITED STATES MINOR OUTLYING ISLANDS"),
            ("date_sent_to_company", "2023-06-05T12:00:00-05:00"),
            ("product", "Something new"),
            ("consumer_disputed", "N/A"),
            ("company_response_to_consumer", None),
            ("consumer_complaint_narrative", 'First line.\n\nSecond line, "quoted".'),
        ],
    )
    def test_takes_what_real_files_hold(self, held, column, cell):
        assert held(**{column: cell}).broken == {}

    @pytest.mark.parametrize(
        ("column", "cell", "rule"),
        [
            ("zip_code", "Springfield", "zip_code: str_matches("),
            ("state", "Texas", "state: str_matches("),
            ("date_received", "13/45/2015", "date_received: is not a time"),
            ("date_received", "01/01/1999", "date_received: greater_than_or_equal_to("),
            ("issue", "N/A", "issue: is missing"),
            ("issue", "x" * 301, "issue: str_length("),
            ("timely_response", "soon", "timely_response: is neither yes nor no"),
            ("consumer_disputed", "maybe", "consumer_disputed: is neither yes nor no"),
            ("complaint_id", "", "complaint_id: is missing"),
            ("complaint_id", "a b", "complaint_id: str_matches("),
            (
                "date_sent_to_company",
                "01/01/2012",
                "date_sent_to_company: is before date_received",
            ),
        ],
    )
    def test_quarantines_what_would_do_harm(self, held, column, cell, rule):
        broken = list(held(**{column: cell}).broken)

        assert len(broken) == 1
        assert broken[0].startswith(rule)

    def test_takes_a_row_of_which_only_issue_and_day_are_known(self, complaints, held):
        absent = dict.fromkeys(set(complaints.config.source.optional) - {"complaint_id"})

        assert held(**absent).broken == {}

    def test_reads_no_label_out_of_not_applicable(self, held):
        assert held(consumer_disputed="N/A").valid["consumer_disputed"].to_pylist() == [None]


class TestTheMomentOfPrediction:
    def test_knows_the_answer_but_not_what_follows_it(self, complaints):
        known = complaints.known_columns

        assert {"company_response_to_consumer", "timely_response"} <= set(known)
        assert not {"consumer_disputed", "company_public_response"} & set(known)

    def test_leaves_zip_code_and_tags_out(self, complaints):
        assert not {"zip_code", "tags"} & set(complaints.known_columns)


class TestTheSample:
    def test_disputes_at_the_rate_asked_for(self, rng):
        for rate in (0.2, 0.5, 0.7):
            disputed = sample(5_000, rng, dispute_rate=rate)["consumer_disputed"] == "Yes"

            assert disputed.mean() == pytest.approx(rate, abs=0.03)

    def test_keeps_to_the_days_asked_for(self, rng):
        df = sample(500, rng, start=dt.date(2015, 3, 1), end=dt.date(2015, 3, 31))

        days = pd.to_datetime(df["date_received"], format="%m/%d/%Y")
        assert days.min() == pd.Timestamp(2015, 3, 1)
        assert days.max() == pd.Timestamp(2015, 3, 31)
        assert days.is_monotonic_increasing

    def test_numbers_complaints_from_the_first_id(self, rng):
        assert list(sample(3, rng, first_id=70)["complaint_id"]) == ["70", "71", "72"]

    def test_uses_announced_categories_only(self, rng):
        df = sample(3_000, rng)

        assert set(df["product"]) <= set(PRODUCTS)
        assert set(df["issue"]) <= set(ISSUES)
        assert set(df["submitted_via"]) <= set(CHANNELS)
        assert set(df["company_response_to_consumer"]) <= set(RESPONSES)

    @pytest.mark.parametrize("rows", [0, 1])
    def test_may_be_tiny(self, rng, rows):
        assert len(sample(rows, rng)) == rows

    def test_holds_a_signal_worth_learning(self, complaints, rng):
        from sklearn.compose import make_column_transformer
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        rows = typed(complaints, sample(4_000, rng))
        X, y = complaints.features(rows), rows["consumer_disputed"].astype(bool)
        encode = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["company_response", "product"]),
            (TfidfVectorizer(min_df=5), "narrative"),
        )

        model = make_pipeline(encode, LogisticRegression()).fit(X[:3_000], y[:3_000])

        auc = roc_auc_score(y[3_000:], model.predict_proba(X[3_000:])[:, 1])
        assert 0.68 < auc < 0.85


class TestTheFeatures:
    def test_name_what_is_missing(self, complaints, held):
        rows = held(
            product=None, state=None, timely_response=None, consumer_complaint_narrative=None
        ).valid.to_pandas()

        features = complaints.features(rows).iloc[0]

        assert (features["product"], features["state"], features["timely"]) == ("unknown",) * 3
        assert (features["narrative"], features["narrative_length"]) == ("", 0.0)

    def test_count_the_days_until_the_complaint_was_passed_on(self, complaints, held):
        days = {"03/01/2015": 0, "03/11/2015": 10, "02/28/2015": 0, "03/01/2021": 365}

        for sent, expected in days.items():
            verdict = held(date_received="03/01/2015", date_sent_to_company=sent)
            features = complaints.features(verdict.valid.to_pandas())
            assert np.expm1(features["days_until_sent"].iloc[0]) == pytest.approx(expected)
