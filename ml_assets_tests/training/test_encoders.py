import zlib

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from ml_assets.errors import TrainingError
from ml_assets.problem.config import Encoder
from ml_assets.registry.frozen import freeze, thaw
from ml_assets.training.encoders import (
    Clipped,
    HashedCategory,
    Topics,
    column_transformer,
    known_options,
)

KINDS = ["one_hot", "ordinal", "hash", "scale", "pass", "tfidf", "text_hash"]


@pytest.fixture
def rows(rng):
    n = 200
    return pd.DataFrame(
        {
            "product": pd.Series(rng.choice(["card", "loan", None], n), dtype="str"),
            "days": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "story": pd.Series(
                [" ".join(rng.choice(["late", "fee", "bank", "call"], 4)) for _ in range(n)],
                dtype="str",
            ),
        }
    )


def encoded(rows, family="sparse", **encoders):
    made = {
        name: Encoder(kind=kind, options=options) for name, (kind, options) in encoders.items()
    }
    transformer = column_transformer(made, family, seed=0)
    matrix = transformer.fit_transform(rows)
    return transformer, matrix.toarray() if sp.issparse(matrix) else matrix


class TestSparse:
    def test_one_hot_has_a_column_for_each_category_and_none_for_new_ones(self, rows):
        transformer, matrix = encoded(rows, product=("one_hot", {}))

        new = transformer.transform(pd.DataFrame({"product": ["boat"]}))

        assert matrix.shape == (200, 3)
        assert (matrix.sum(axis=1) == 1).all()
        assert new.sum() == 0

    def test_dummy_encoding_is_one_hot_without_the_first(self, rows):
        _, matrix = encoded(rows, product=("one_hot", {"drop": "first"}))

        assert matrix.shape == (200, 2)

    def test_ordinal_numbers_categories(self, rows):
        transformer, matrix = encoded(rows, product=("ordinal", {}))

        assert set(matrix.ravel()) == {0.0, 1.0, -1.0}
        assert transformer.transform(pd.DataFrame({"product": ["boat"]})).item() == -1.0

    def test_hash_puts_a_category_where_its_checksum_says(self, rows):
        _, matrix = encoded(rows, product=("hash", {"columns": 50}))

        cards = matrix[(rows["product"] == "card").to_numpy()]
        assert (cards.argmax(axis=1) == zlib.crc32(b"card") % 50).all()
        assert (matrix.sum(axis=1) == rows["product"].notna()).all()

    def test_scale_fills_gaps_by_the_median_and_says_where_they_were(self, rows):
        _, matrix = encoded(rows, days=("scale", {}))

        gaps = rows["days"].isna().to_numpy()
        median = rows["days"].median()
        expected = (median - rows["days"].fillna(median).mean()) / rows["days"].fillna(
            median
        ).std(ddof=0)
        assert matrix[gaps, 0] == pytest.approx(np.full(gaps.sum(), expected))
        assert matrix.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
        assert matrix[gaps, 1].min() > matrix[~gaps, 1].max()

    def test_scale_can_be_told_to_do_less(self, rows):
        _, matrix = encoded(rows, days=("scale", {"impute": "mean", "indicator": False}))

        assert matrix.shape == (200, 1)

    def test_scale_brings_outliers_to_a_quantile(self, rows):
        rows["days"] = np.r_[rows["days"][:199], 1e9]

        _, plain = encoded(rows, days=("scale", {}))
        _, clipped = encoded(rows, days=("scale", {"clip": 0.05}))

        assert plain[:, 0].max() > 10
        assert clipped[:, 0].max() < 5

    def test_pass_leaves_numbers_alone(self, rows):
        _, matrix = encoded(rows, days=("pass", {}))

        assert np.array_equal(matrix.ravel(), rows["days"], equal_nan=True)

    @pytest.mark.parametrize("kind", ["tfidf", "text_hash"])
    def test_text_can_be_condensed(self, rows, kind):
        _, matrix = encoded(rows, story=(kind, {"components": 2}))

        assert matrix.shape == (200, 2)


class TestDense:
    def test_has_categories_by_number_and_leaves_gaps(self, rows):
        _, matrix = encoded(rows, "dense", product=("one_hot", {}), days=("scale", {}))

        assert np.array_equal(np.isnan(matrix), rows[["product", "days"]].isna())
        assert set(matrix[~np.isnan(matrix[:, 0]), 0]) == {0.0, 1.0}

    def test_groups_what_a_tree_cannot_tell_apart(self):
        many = pd.DataFrame({"company": [f"company {n % 400}" for n in range(900)]})

        _, matrix = encoded(many, "dense", company=("one_hot", {}))

        assert np.nanmax(matrix) < 255


@pytest.mark.parametrize("family", ["sparse", "dense"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_encoder_comes_back_from_the_bundle_the_same(rows, kind, family):
    column = {"scale": "days", "pass": "days", "tfidf": "story", "text_hash": "story"}.get(
        kind, "product"
    )
    options = {"columns": 500} if kind == "text_hash" else {}
    transformer, matrix = encoded(rows, family, **{column: (kind, options)})

    again = thaw(freeze(transformer)).transform(rows)

    again = again.toarray() if sp.issparse(again) else again
    assert np.array_equal(again, matrix, equal_nan=True)


class TestOptions:
    def test_refuses_unknown_ones_with_the_nearest_known(self, rows):
        with pytest.raises(
            TrainingError,
            match=r"training.encoders.product: one_hot has no option 'min_freq.*did you mean 'min",
        ):
            encoded(rows, product=("one_hot", {"min_frequencies": 3}))

    def test_lists_the_known_ones(self, rows):
        with pytest.raises(
            TrainingError, match="scale has no option 'xyz'; known: clip, impute"
        ):
            encoded(rows, days=("scale", {"xyz": 3}))

    @pytest.mark.parametrize("kind", KINDS)
    def test_are_known_for_every_kind(self, kind):
        assert known_options(kind) == sorted(known_options(kind))


class TestOwnSteps:
    def test_clipped_survives_a_column_without_values(self):
        rows = pd.DataFrame({"a": [np.nan] * 5, "b": [1.0, 2.0, 3.0, 4.0, 500.0]})

        found = Clipped(share=0.25).fit(rows).transform(rows)

        assert np.isnan(found[:, 0]).all()
        assert found[:, 1].tolist() == [2.0, 2.0, 3.0, 4.0, 4.0]

    def test_topics_are_fewer_where_there_are_few_columns(self):
        matrix = sp.csr_matrix(np.eye(3))

        assert Topics(components=30).fit_transform(matrix).shape == (3, 2)

    def test_topics_of_one_column_are_that_column(self):
        matrix = sp.csr_matrix([[1.0], [0.0], [3.0]])

        topics = Topics().fit(matrix)

        assert topics.transform(matrix).ravel().tolist() == [1.0, 0.0, 3.0]
        assert topics.get_feature_names_out().tolist() == ["topic_0"]

    def test_hashed_categories_have_a_block_for_each_feature(self):
        rows = pd.DataFrame({"a": ["x", "y"], "b": ["x", None]})

        found = HashedCategory(columns=10).fit(rows).transform(rows)

        assert found.shape == (2, 20)
        assert found.sum() == 3
