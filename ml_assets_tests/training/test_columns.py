"""Columns encoded quickly are what scikit-learn makes of them, in its own classes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.training.columns import Columns, OneHotOfDistinct, plain

RARE = ["rare", "rarer"]
OPTIONS = [
    {"handle_unknown": "ignore"},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 40},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 0.05},
    {"handle_unknown": "infrequent_if_exist", "max_categories": 3},
    {"handle_unknown": "ignore", "drop": "first", "sparse_output": False},
]


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    words = np.append(rng.choice(["a", "b", "c d", None], 1_000), [*RARE, "a"])
    return pd.DataFrame(
        {
            "word": pd.Series(words, dtype="str"),
            "thing": pd.Series(words, dtype=object),
            "truth": rng.choice([True, False], len(words)),
            "number": rng.choice([1.0, 2.0, np.nan], len(words)),
        }
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("column", ["word", "thing", "truth", "number"])
def test_distinct_values_give_the_matrix_of_all_rows(columns, column, options):
    slow, quick = OneHotEncoder(**options), OneHotOfDistinct(**options)
    rows = columns[[column]]

    expected, found = slow.fit_transform(rows), quick.fit_transform(rows)

    assert np.array_equal(dense(expected), dense(found))
    assert repr(vars(quick)) == repr(vars(slow))


def test_values_that_were_not_seen_are_treated_alike(columns):
    options = {"handle_unknown": "infrequent_if_exist", "min_frequency": 40}
    new = pd.DataFrame({"word": pd.Series(["never", "b", None, "rare"], dtype="str")})

    encoders = [
        kind(**options).fit(columns[["word"]]) for kind in (OneHotEncoder, OneHotOfDistinct)
    ]

    expected, found = (encoder.transform(new).toarray() for encoder in encoders)
    assert np.array_equal(expected, found)


@pytest.mark.parametrize("fewest", [-1, 0, "many"])
def test_refuses_what_scikit_learn_refuses(columns, fewest):
    with pytest.raises(ValueError, match="min_frequency"):
        OneHotOfDistinct(min_frequency=fewest).fit(columns[["word"]])


def test_two_columns_at_once_are_left_to_scikit_learn(columns):
    both = columns[["word", "truth"]].dropna()

    found = OneHotOfDistinct().fit_transform(both)

    assert (found != OneHotEncoder().fit_transform(both)).nnz == 0


@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
def test_what_is_kept_are_classes_of_scikit_learn_that_answer_the_same(
    columns, sparse_threshold
):
    rows = columns.assign(number=columns["number"].fillna(0))
    quick = Columns(
        [
            ("word", OneHotOfDistinct(), ["word"]),
            ("number", Pipeline([("scale", StandardScaler())]), ["number"]),
        ],
        sparse_threshold=sparse_threshold,
    )
    expected = quick.fit_transform(rows)

    kept = plain(quick)

    assert type(kept) is ColumnTransformer
    assert type(kept.named_transformers_["word"]) is OneHotEncoder
    found = kept.transform(rows)
    assert np.array_equal(dense(expected), dense(found))
    assert kept.get_feature_names_out().tolist() == quick.get_feature_names_out().tolist()


def dense(matrix):
    return matrix.toarray() if sp.issparse(matrix) else matrix
