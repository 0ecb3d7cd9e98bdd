import zlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from ml_assets.errors import TrainingError
from ml_assets.registry.frozen import freeze, thaw
from ml_assets.training.text import FastTfidf, HashedText, cut, words_of

TEXTS = st.lists(
    st.text(
        alphabet=st.sampled_from("abAB é\N{EN DASH}\u2019\u20ac\xa0\xb5 .,_1\n\U0001f600字")
    ),
    max_size=12,
)

COMPLAINTS = [
    "I was charged a late fee, and a late fee again.",
    "The bank charged me; the BANK never called.",
    "",
    "A",
    "late fee late fee late fee",
    "Çok geç \u2013 \u2018ücret\u2019 al\u0131nd\u0131",
    "call me",
]


def cut_one_by_one(texts):
    words = cut(texts)
    spoken = [words.vocabulary[int(number)].as_py() for number in words.numbers]
    bounds = words.starts.tolist()
    return [spoken[a:b] for a, b in pairwise(bounds)]


def reference(**options):
    """scikit-learn's own, told to use our rule for words."""
    return TfidfVectorizer(tokenizer=words_of, token_pattern=None, lowercase=False, **options)


class TestWords:
    def test_are_runs_of_letters_digits_and_underscores(self):
        assert words_of("XX/XX/2015: I've paid $1,200.00 to snake_case Ltd") == [
            *["xx", "xx", "2015", "ve", "paid", "200", "00", "to", "snake_case", "ltd"]
        ]

    def test_end_at_typographic_signs(self):
        assert words_of("don\u2019t \u2014 \u201cever\u201d\xa0again") == [
            "don",
            "ever",
            "again",
        ]

    def test_keep_letters_of_other_scripts(self):
        assert words_of("Straße 東京 café ε") == ["straße", "東京", "café", "ε"]

    @settings(deadline=None)
    @given(TEXTS)
    def test_are_the_same_one_by_one_and_by_column(self, texts):
        assert cut_one_by_one(texts) == [words_of(text) for text in texts]

    def test_are_the_same_beyond_one_chunk(self):
        texts = [f"row {number} of many" for number in range(5_001)]

        assert cut_one_by_one(texts) == [words_of(text) for text in texts]

    @pytest.mark.parametrize("kind", ["str", "object", "string[pyarrow]"])
    def test_are_read_from_every_kind_of_column(self, kind):
        column = pd.Series(["one two", None, "three"], dtype=kind)[::-1]

        assert cut_one_by_one(column) == [["three"], [], ["one", "two"]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ngram_range": (1, 2)},
        {"ngram_range": (1, 2), "min_df": 2},
        {"ngram_range": (1, 2), "min_df": 0.2, "sublinear_tf": True},
        {"max_df": 2},
        {"max_df": 0.15, "ngram_range": (1, 2)},
        {"sublinear_tf": True},
    ],
    ids=str,
)
class TestFastTfidf:
    def test_gives_the_weights_of_scikit_learn(self, options):
        ours, theirs = FastTfidf(**options), reference(**options)

        found, expected = ours.fit_transform(COMPLAINTS), theirs.fit_transform(COMPLAINTS)

        assert set(ours.terms()) == set(theirs.vocabulary_)
        order = [ours.terms()[term] for term in theirs.get_feature_names_out()]
        assert abs(found[:, order] - expected).max() < 1e-12

    def test_weighs_new_texts_as_scikit_learn_does(self, options):
        new = ["a late bank fee", "nothing known", "", "late fee charged late"]
        ours, theirs = (
            FastTfidf(**options).fit(COMPLAINTS),
            reference(**options).fit(COMPLAINTS),
        )

        order = [ours.terms()[term] for term in theirs.get_feature_names_out()]

        assert abs(ours.transform(new)[:, order] - theirs.transform(new)).max() < 1e-12

    def test_transforms_as_it_did_when_fitted(self, options):
        ours = FastTfidf(**options)

        fitted = ours.fit_transform(COMPLAINTS)

        assert (fitted != ours.transform(COMPLAINTS)).nnz == 0

    def test_comes_back_from_the_bundle_the_same(self, options):
        ours = FastTfidf(**options).fit(COMPLAINTS)

        again = thaw(freeze(ours))

        assert again.terms() == ours.terms()
        assert (again.transform(COMPLAINTS) != ours.transform(COMPLAINTS)).nnz == 0


class TestVocabulary:
    def test_keeps_the_most_frequent_terms(self):
        ours = FastTfidf(ngram_range=(1, 2), max_features=3).fit(COMPLAINTS)

        assert set(ours.terms()) == {"late", "fee", "late fee"}

    def test_does_not_depend_on_the_order_of_texts(self):
        one = FastTfidf(ngram_range=(1, 2), max_features=5).fit(COMPLAINTS)
        other = FastTfidf(ngram_range=(1, 2), max_features=5).fit(COMPLAINTS[::-1])

        assert one.terms() == other.terms()
        assert freeze(one) == freeze(other)

    def test_names_its_columns_in_order(self):
        ours = FastTfidf(ngram_range=(1, 2)).fit(COMPLAINTS)

        names = ours.get_feature_names_out()

        assert [ours.terms()[name] for name in names] == list(range(len(names)))

    def test_is_the_empty_word_when_no_other_is_frequent_enough(self):
        with pytest.warns(UserWarning, match="No word occurs in 50 or more of 7 texts"):
            ours = FastTfidf(min_df=50, ngram_range=(1, 2)).fit(COMPLAINTS)

        assert ours.terms() == {"": 0}
        assert (
            thaw(freeze(ours)).transform(["late fee", "", " "]).toarray().tolist() == [[0]] * 3
        )

    def test_knows_words_and_pairs_only(self):
        with pytest.raises(TrainingError, match=r"ngram_range is .* got \(1, 3\)"):
            FastTfidf(ngram_range=(1, 3)).fit(COMPLAINTS)

    @settings(deadline=None, max_examples=30)
    @given(TEXTS.filter(lambda texts: any(map(words_of, texts))), TEXTS)
    def test_gives_rows_of_length_one_or_nothing(self, texts, new):
        weights = FastTfidf(ngram_range=(1, 2)).fit(texts).transform(new)

        lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
        assert weights.shape[0] == len(new)
        assert np.all(np.isclose(lengths, 1) | (lengths == 0))


class TestHashedText:
    def test_has_one_column_for_each_word_and_pair(self):
        hashing = HashedText(columns=2**20, ngram_range=(1, 2)).fit(COMPLAINTS)

        weights = hashing.transform(["late fee", "late", "fee", ""])

        assert np.diff(weights.indptr).tolist() == [3, 1, 1, 0]
        assert set(weights[1].indices) | set(weights[2].indices) < set(weights[0].indices)

    def test_does_not_depend_on_what_it_was_fitted_with(self):
        one = HashedText().fit(["a b"]).transform(COMPLAINTS)

        assert (one != HashedText().fit(COMPLAINTS).transform(COMPLAINTS)).nnz == 0

    def test_puts_a_word_where_its_checksum_says(self):
        weights = HashedText(columns=1000).fit([]).transform(["late"])

        assert weights.indices.tolist() == [zlib.crc32(b"late") % 1000]


def test_an_empty_column_is_a_matrix_without_rows():
    ours = FastTfidf().fit(COMPLAINTS)

    assert ours.transform([]).shape == (0, len(ours.terms()))
    assert sp.issparse(HashedText().fit([]).transform([]))
