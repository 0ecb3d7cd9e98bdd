"""The one path from raw rows to predictions, whatever the rows come as and whatever has a direct way."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from loans import LOANS, REPAYMENTS
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from ml_assets.errors import InferenceError, InvalidRows
from ml_assets.inference.predictor import Predictor

CLOSE = {"abs": 1e-9, "rel": 1e-9}


@pytest.fixture(scope="module")
def predictor(complaints, bundle):
    return Predictor(complaints, bundle, version="v1")


@pytest.fixture(scope="module")
def rows(complaints, raw_rows_of):
    return raw_rows_of(complaints, 60, seed=1)


def by_frames(predictor, rows):
    """What training's own way says of rows."""
    held = [each.row for each in predictor.inputs.by_table(rows)]
    return predictor.bundle.predict(predictor.featuring.frame(held))


def values(predictions):
    return [prediction.value for prediction in predictions]


class TestAnswers:
    def test_are_those_of_frames_and_scikit_learn(self, predictor, rows):
        expected = pytest.approx(by_frames(predictor, rows), **CLOSE)

        assert predictor.ways.are_direct
        assert values(predictor.predict(rows)) == expected
        assert [predictor.answer(row).prediction.value for row in rows] == expected

    def test_are_the_same_for_mappings_json_frames_and_tables(self, predictor, rows):
        expected = values(predictor.predict(rows))
        named = pd.DataFrame(rows).assign(note="ours")

        for given in (json.loads(json.dumps(rows)), named, pa.Table.from_pylist(rows)):
            assert values(predictor.predict(given)) == expected

    def test_are_the_same_for_typed_rows_as_for_texts(self, predictor, rows):
        typed = [dict(each.row) for each in predictor.inputs.by_table(rows)]

        assert values(predictor.predict(typed)) == values(predictor.predict(rows))

    def test_decide_by_the_threshold(self, predictor, rows):
        for value, decision, _ in predictor.predict(rows):
            assert decision is (value >= 0.5)

    def test_tell_what_the_model_read(self, predictor, rows):
        answer = predictor.answer(rows[0] | {"product": "  Mortgage ", "timely_response": None})

        assert list(answer.features) == list(predictor.bundle.manifest.signature.features)
        assert answer.features["product"] == "Mortgage"
        assert answer.features["timely"] == "unknown"

    def test_of_no_rows_are_none(self, predictor):
        assert predictor.predict([]) == []

    def test_of_computed_features_are_those_of_their_rows(self, predictor, rows):
        held = [each.row for each in predictor.inputs.by_table(rows)]

        found = predictor.values(predictor.featuring.frame(held))

        assert found.tolist() == pytest.approx(values(predictor.predict(rows)), **CLOSE)

    def test_refuse_rows_that_break_the_contract(self, predictor, rows):
        with pytest.raises(
            InvalidRows, match=r"1 of 2 rows cannot be predicted. row 1: issue: is missing"
        ):
            predictor.predict([rows[0], rows[1] | {"issue": None}])


class TestOtherProblems:
    @pytest.mark.parametrize(
        ("problem", "estimator", "family"),
        [
            (LOANS, None, "sparse"),
            (LOANS, HistGradientBoostingClassifier(max_iter=10), "dense"),
            (REPAYMENTS, Ridge(), "sparse"),
        ],
        ids=["linear", "trees", "values"],
    )
    def test_are_answered_directly_too(
        self, bundle_of, raw_rows_of, problem, estimator, family
    ):
        predictor = Predictor(problem, bundle_of(problem, estimator, family))
        rows = raw_rows_of(problem, 40, seed=2)

        answers = predictor.predict(rows)

        assert predictor.ways == (None, None, None)
        assert values(answers) == pytest.approx(by_frames(predictor, rows), **CLOSE)
        assert {answer.decision is None for answer in answers} == {problem is REPAYMENTS}


def described(rows, **changes):
    """Features of a loan as the problem has them, with changes."""
    return LOANS.features(rows).assign(**changes)


def untraceable(rows):
    return described(rows, purpose=rows["purpose"].str.title().str.lower())


def misleading(rows):
    """`pd.isna` of a traced column is False, whatever its values: only a trial can tell."""
    is_known = ~np.asarray(pd.isna(rows["income_usd"]))
    return pd.DataFrame(
        {
            "purpose": rows["purpose"],
            "amount_to_income": rows["amount_usd"],
            "is_large": is_known * 1.0,
            "story": rows["story"].fillna(""),
        },
        index=rows.index,
    )


class TestIndirectWays:
    def test_answer_what_has_no_direct_path(self, bundle_of, raw_rows_of):
        predictor = Predictor(LOANS, bundle_of(LOANS, KNeighborsClassifier()))
        rows = raw_rows_of(LOANS, 30, seed=3)

        assert predictor.ways.contract is None
        assert predictor.ways.features is None
        assert predictor.ways.model == (
            "model (KNeighborsClassifier): no look-up is known for this estimator"
        )
        assert values(predictor.predict(rows)) == pytest.approx(
            by_frames(predictor, rows), **CLOSE
        )

    def test_compute_features_that_cannot_be_traced(self, bundle_of, raw_rows_of):
        problem = replace(LOANS, features=untraceable)
        predictor = Predictor(problem, bundle_of(problem))
        rows = raw_rows_of(problem, 30, seed=4)

        assert "no direct path is known for .str.title" in predictor.ways.features
        assert values(predictor.predict(rows)) == pytest.approx(
            by_frames(predictor, rows), **CLOSE
        )

    def test_are_taken_where_a_trial_finds_a_difference(self, bundle_of, raw_rows_of):
        problem = replace(LOANS, features=misleading)
        predictor = Predictor(problem, bundle_of(problem))
        rows = raw_rows_of(problem, 30, seed=5)

        assert "is_large is 1.0, by way of a frame 0.0" in predictor.ways.features
        assert values(predictor.predict(rows)) == pytest.approx(
            by_frames(predictor, rows), **CLOSE
        )

    def test_are_taken_where_the_model_differs(self, complaints, bundle, rows):
        model = bundle.pipeline.named_steps["model"]

        class Shifted(type(model)):
            def predict_proba(self, X):
                return super().predict_proba(X) * 0.9 + 0.05

        shifted = Shifted()
        shifted.__dict__ |= model.__dict__
        pipeline = Pipeline([*bundle.pipeline.steps[:-1], ("model", shifted)])
        predictor = Predictor(complaints, replace(bundle, pipeline=pipeline))

        assert predictor.ways.model is not None
        assert values(predictor.predict(rows)) == pytest.approx(
            by_frames(predictor, rows), **CLOSE
        )

    def test_say_when_the_model_has_no_answer(self, bundle_of, raw_rows_of):
        problem = replace(LOANS, features=lambda rows: described(rows, is_large=np.inf))
        predictor = Predictor(LOANS, bundle_of(LOANS))
        predictor.featuring = type(predictor.featuring)(problem, predictor.featuring.names)

        with pytest.raises(InferenceError, match=r"has no answer to 1 rows: .*infinity"):
            predictor.predict(raw_rows_of(LOANS, 1))
