"""Laws of the compiled path: whatever it answers is what scikit-learn answers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from threadpoolctl import threadpool_limits

from ml_assets.errors import NotCompilable
from ml_assets.inference.compiled import compile_pipeline
from ml_assets.training.encoders import DEFAULTS, GROUP, Clipped, HashedCategory, Topics
from ml_assets.training.estimators import SGDValues
from ml_assets.training.text import FastTfidf, HashedText
from ml_assets.training.wrappers import LocalModels, LogTarget

CLOSE = 1e-9
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

WORDS = [
    *("fee", "fees", "bank", "a", "I", "the", "loan", "x_1", "42", "FEE", "Bank's"),
    *("İstanbul", "straße", "STRASSE", "ǅ", "ﬁne", "é", "e\u0301", "ñandú", "ΣΊΣΥΦΟΣ", "٣٤"),
    *("🙂", "👩‍👩‍👧", "zero\u200bwidth", "\u00a0", "名前", "a\u0308b", "\x00", "\x1c", "\x85"),
]
CATEGORIES = ["loan", "card", "Card", "straße", "İ", "", "rare"]
NUMBERS = [0.0, 1.0, -3.5, 2.25, 1e6, 1e-9]


def texts():
    plain = st.lists(st.sampled_from([word for word in WORDS if word.isascii()]), max_size=9)
    return st.one_of(
        st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
        plain.map(lambda words: ", ".join(words * 9)),
        st.text(max_size=30),
        st.none(),
    )


def rows():
    category = st.one_of(st.none(), st.sampled_from(CATEGORIES), st.text(max_size=3))
    number = st.one_of(
        st.none(), st.sampled_from(NUMBERS), st.floats(-1e9, 1e9, allow_subnormal=False)
    )
    return st.lists(
        st.fixed_dictionaries(
            {
                "kind": category,
                "state": category,
                "amount": number,
                "age": number,
                "said": texts(),
            }
        ),
        min_size=1,
        max_size=4,
    )


def frame_of(rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    kinds = {"kind": "str", "state": "str", "amount": float, "age": float, "said": "str"}
    return pd.DataFrame({name: pd.Series(columns[name], dtype=kinds[name]) for name in columns})


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(0)
    rows = [
        {
            "kind": rng.choice([*CATEGORIES, None]),
            "state": rng.choice(CATEGORIES[:4]),
            "amount": rng.choice([*NUMBERS, None]),
            "age": float(rng.normal(40, 9)),
            "said": " ".join(rng.choice(WORDS, size=rng.integers(0, 9))),
        }
        for _ in range(80)
    ]
    rows[0] |= {"kind": "once", "said": "fee loan straße"}
    return frame_of(rows), rng.permutation(np.arange(len(rows)) % 2)


def imputers():
    return st.sampled_from(
        [
            SimpleImputer(strategy="median"),
            SimpleImputer(strategy="mean", add_indicator=True),
            SimpleImputer(strategy="constant", fill_value=-1.0, add_indicator=True),
        ]
    )


TREE_CATEGORIES = {
    "handle_unknown": "use_encoded_value",
    "unknown_value": np.nan,
    "encoded_missing_value": np.nan,
    "max_categories": 4,
}

SCALERS = [
    StandardScaler(),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False),
    MinMaxScaler(),
    MaxAbsScaler(),
    RobustScaler(),
    "passthrough",
    FunctionTransformer(),
]


@st.composite
def number_encoders(draw):
    steps = [draw(imputers()), *draw(st.lists(st.sampled_from(SCALERS), max_size=2))]
    before = [*SCALERS[:6], Clipped(share=0.1), "passthrough", "passthrough"]
    return make_pipeline(draw(st.sampled_from(before)), *steps)


def category_encoders():
    return st.sampled_from(
        [
            OneHotEncoder(handle_unknown="ignore"),
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10),
            OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
            OneHotEncoder(handle_unknown="warn", drop="if_binary", sparse_output=False),
            OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
            ),
            TargetEncoder(random_state=0),
            HashedCategory(columns=16),
            make_pipeline(
                SimpleImputer(strategy="constant", fill_value="unknown"),
                OneHotEncoder(handle_unknown="ignore"),
            ),
            make_pipeline(
                OneHotEncoder(handle_unknown="ignore"), StandardScaler(with_mean=False)
            ),
            make_pipeline(
                OneHotEncoder(handle_unknown="ignore"), TruncatedSVD(2, random_state=0)
            ),
        ]
    )


@st.composite
def text_encoders(draw):
    options = {
        "ngram_range": draw(st.sampled_from([(1, 1), (1, 2), (2, 3)])),
        "lowercase": draw(st.booleans()),
        "strip_accents": draw(st.sampled_from([None, "unicode", "ascii"])),
        "token_pattern": draw(st.sampled_from([r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"[a-zé]+"])),
        "analyzer": draw(st.sampled_from(["word", "word", "word", "char", "char_wb"])),
        "stop_words": draw(st.sampled_from([None, ["the", "fee"]])),
        "binary": draw(st.booleans()),
    }
    if options["analyzer"] != "word":
        options |= {"stop_words": None, "token_pattern": r"(?u)\b\w\w+\b"}
    norm = draw(st.sampled_from(["l2", "l1", None]))
    match draw(st.sampled_from(["tfidf", "tfidf", "count", "hashed", "hashed tfidf"])):
        case "tfidf":
            sublinear, idf = draw(st.booleans()), draw(st.booleans())
            encoder = TfidfVectorizer(**options, norm=norm, sublinear_tf=sublinear, use_idf=idf)
        case "count":
            encoder = CountVectorizer(**options)
        case "hashed":
            signed = draw(st.booleans())
            encoder = HashingVectorizer(
                **options, norm=norm, n_features=64, alternate_sign=signed
            )
        case _:
            hasher = HashingVectorizer(**options, norm=None, n_features=64)
            encoder = make_pipeline(hasher, TfidfTransformer(norm=norm))
    if draw(st.booleans()):
        return encoder
    return make_pipeline(encoder, TruncatedSVD(3, random_state=0), StandardScaler())


@st.composite
def own_text_encoders(draw):
    pairs = draw(st.sampled_from([(1, 1), (1, 2)]))
    if draw(st.booleans()):
        encoder = FastTfidf(ngram_range=pairs, sublinear_tf=draw(st.booleans()), min_df=2)
    else:
        encoder = HashedText(columns=64, ngram_range=pairs)
    return make_pipeline(encoder, Topics(components=3)) if draw(st.booleans()) else encoder


@st.composite
def encoders(draw):
    parts = [
        ("numbers", draw(number_encoders()), ["amount", "age"]),
        ("age", draw(st.sampled_from(["passthrough", "drop"])), ["age"]),
        ("kind", draw(category_encoders()), ["kind"]),
        ("both", draw(category_encoders()), ["kind", "state"]),
        ("said", draw(text_encoders()), "said"),
        ("own", draw(own_text_encoders()), "said"),
    ]
    chosen = draw(st.lists(st.sampled_from(parts), unique_by=lambda part: part[0], min_size=1))
    assume(any(encoder != "drop" for _, encoder, _ in chosen))
    return ColumnTransformer(chosen, sparse_threshold=draw(st.sampled_from([0.0, 0.3, 1.0])))


def classifiers():
    return st.sampled_from(
        [
            LogisticRegression(max_iter=50),
            LogisticRegression(solver="liblinear", class_weight="balanced"),
            SGDClassifier(loss="log_loss", max_iter=5, tol=None, average=True, random_state=0),
            SGDClassifier(loss="modified_huber", max_iter=5, tol=None, random_state=0),
            MultinomialNB(alpha=0.3),
            ComplementNB(norm=True),
            BernoulliNB(),
        ]
    )


def regressors():
    return st.sampled_from(
        [
            Ridge(alpha=2.0),
            LinearRegression(),
            ElasticNet(alpha=0.1, max_iter=50),
            PoissonRegressor(max_iter=20),
            SGDRegressor(max_iter=5, tol=None, random_state=0, eta0=1e-4),
            SGDValues(random_state=0, eta0=1e-4),
        ]
    )


def boosted():
    return st.sampled_from(
        [
            HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3),
            HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3),
            HistGradientBoostingRegressor(loss="poisson", max_iter=5, max_leaf_nodes=None),
            HistGradientBoostingRegressor(loss="absolute_error", max_iter=3),
            HistGradientBoostingRegressor(loss="quantile", quantile=0.8, max_iter=3),
        ]
    )


BETWEEN = [
    [],
    [MaxAbsScaler()],
    [StandardScaler(with_mean=False)],
    [TruncatedSVD(2, random_state=0)],
]


def fitted(steps, training):
    frame, labels = training
    pipeline = make_pipeline(*steps)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a few steps never converge
        if isinstance(steps[-1], SGDValues):
            matrix = pipeline[:-1].fit_transform(frame, labels)
            steps[-1].partial_fit(matrix, labels * 3.0 + 7.0)
            return pipeline
        return pipeline.fit(frame, labels)


def answers(pipeline, rows):
    """What scikit-learn says of each row; NaN where it refuses the row."""
    probability = hasattr(pipeline, "predict_proba")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            frame = frame_of(rows)
            return (
                pipeline.predict_proba(frame)[:, 1] if probability else pipeline.predict(frame)
            )
        except ValueError:
            if len(rows) == 1:
                return np.array([np.nan])
    return np.concatenate([answers(pipeline, [row]) for row in rows])


def assert_same(pipeline, rows):
    compiled = compile_pipeline(pipeline)

    one = np.array([compiled.one(row) for row in rows])
    many = compiled.many({name: [row[name] for row in rows] for name in rows[0]})

    expected = answers(pipeline, rows)
    assert one == pytest.approx(expected, abs=CLOSE, rel=CLOSE, nan_ok=True)
    assert many == pytest.approx(expected, abs=CLOSE, rel=CLOSE, nan_ok=True)


class TestLinearModels:
    @EXAMPLES
    @given(encoders(), st.sampled_from(BETWEEN), classifiers() | regressors(), rows())
    def test_answers_what_the_pipeline_answers(
        self, training, encode, between, estimator, rows
    ):
        try:
            pipeline = fitted([encode, *between, estimator], training)
            compile_pipeline(pipeline)
        except ValueError:
            assume(False)
        except NotCompilable:
            assume(
                not isinstance(estimator, BernoulliNB)
            )  # the only one that refuses some encoders
            raise

        assert_same(pipeline, rows)


class TestTrees:
    @EXAMPLES
    @given(encoders(), boosted(), rows())
    def test_answers_what_the_pipeline_answers(self, training, encode, estimator, rows):
        encode.set_params(sparse_threshold=0.0)
        pipeline = fitted([encode, estimator], training)

        assert_same(pipeline, rows)

    @EXAMPLES
    @given(st.data(), rows())
    def test_answers_what_the_pipeline_answers_when_trees_split_on_categories(
        self, training, data, rows
    ):
        encode = ColumnTransformer(
            [
                ("kind", OrdinalEncoder(**TREE_CATEGORIES), ["kind"]),
                ("age", "passthrough", ["age", "amount"]),
                ("state", OrdinalEncoder(**TREE_CATEGORIES), ["state"]),
                ("said", make_pipeline(FastTfidf(), Topics(components=2)), "said"),
            ]
        )
        estimator = HistGradientBoostingClassifier(
            categorical_features=data.draw(st.sampled_from([[0], [0, 3], [3]])),
            max_iter=5,
            min_samples_leaf=2,
        )
        pipeline = fitted([encode, estimator], training)

        assert_same(pipeline, rows)


class TestAround:
    """What training puts around an estimator: a logarithm, and models of groups."""

    @EXAMPLES
    @given(st.data(), st.booleans(), rows())
    def test_answers_what_the_pipeline_answers(self, training, data, is_local, rows):
        frame, labels = training
        inner = data.draw(st.sampled_from([Ridge(), LinearRegression(), *VALUES_BOOSTED]))
        number = OrdinalEncoder(**DEFAULTS["ordinal"])
        coded = OrdinalEncoder(**TREE_CATEGORIES)
        filled = make_pipeline(SimpleImputer(), StandardScaler())
        is_tree = isinstance(inner, HistGradientBoostingRegressor)
        encode = ColumnTransformer(
            [
                *([(GROUP, number, ["kind"])] if is_local else []),
                (
                    "kind",
                    coded if is_tree else OneHotEncoder(handle_unknown="ignore"),
                    ["kind"],
                ),
                ("numbers", "passthrough" if is_tree else filled, ["amount", "age"]),
            ],
            sparse_threshold=0.0 if is_tree else 1.0,
        )
        model = LocalModels(clone(inner), min_rows=8) if is_local else clone(inner)
        pipeline = fitted([encode, LogTarget(model)], (frame, labels + 2.0))

        assert_same(pipeline, rows)

    def test_names_the_estimator_inside_that_has_no_direct_path(self, training):
        frame, labels = training
        encode = ColumnTransformer([("age", StandardScaler(), ["age"])])
        inner = KNeighborsRegressor()
        pipeline = make_pipeline(encode, inner).fit(frame, labels + 1.0)
        wrapped = LogTarget(pipeline.steps[-1][1])

        with pytest.raises(NotCompilable, match="KNeighborsRegressor"):
            compile_pipeline(make_pipeline(encode, wrapped))


VALUES_BOOSTED = [
    HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=3),
    HistGradientBoostingRegressor(loss="absolute_error", max_iter=3, min_samples_leaf=3),
    HistGradientBoostingRegressor(loss="gamma", max_iter=3, min_samples_leaf=3),
]


class TestOddValues:
    @pytest.fixture(scope="class")
    @staticmethod
    def pipeline(training):
        encode = ColumnTransformer(
            [
                ("numbers", StandardScaler(), ["amount", "age"]),
                ("kind", OneHotEncoder(handle_unknown="error"), ["kind"]),
                ("said", TfidfVectorizer(), "said"),
            ]
        )
        frame, labels = training
        return fitted([encode, LogisticRegression()], (frame.fillna({"amount": 0.0}), labels))

    @pytest.fixture
    def row(self):
        return {"kind": "loan", "state": None, "amount": 1.0, "age": 30.0, "said": "the fee"}

    def test_answers_a_usual_row(self, pipeline, row):
        assert_same(pipeline, [row])

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": None},
            {"age": np.inf},
            {"kind": "never seen"},
            {"said": None},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_has_no_answer_where_the_pipeline_refuses_the_row(self, pipeline, row, change):
        compiled = compile_pipeline(pipeline)
        rows = [row, row | change]

        one = compiled.one(row | change)
        many = compiled.many({name: [each[name] for each in rows] for name in row})

        with pytest.raises(
            ValueError, match=r"NaN|infinity|unknown categories|invalid document"
        ):
            pipeline.predict_proba(frame_of(rows))
        assert np.isnan(one)
        assert list(np.isnan(many)) == [False, True]

    def test_answers_no_rows(self, pipeline, row):
        none = {name: [] for name in row}

        assert len(compile_pipeline(pipeline).many(none)) == 0


class Custom(LogisticRegression):
    """Inherits how to fit, and predicts in its own way."""


class TestRefusals:
    @pytest.mark.parametrize(
        ("encoder", "reason"),
        [
            (QuantileTransformer(n_quantiles=5), "QuantileTransformer"),
            (SimpleImputer(missing_values=-1.0), "takes -1.0 for missing"),
            (
                make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p)),
                "FunctionTransformer",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_names_the_encoder_that_it_does_not_know(self, training, encoder, reason):
        encode = ColumnTransformer([("age", encoder, ["age"])])
        pipeline = fitted([encode, Ridge()], training)

        with pytest.raises(NotCompilable, match=rf"columntransformer\.age .*{reason}"):
            compile_pipeline(pipeline)

    @pytest.mark.parametrize(
        ("estimator", "reason"),
        [
            (KNeighborsClassifier(), "no look-up is known for this estimator"),
            (BernoulliNB(binarize=None), "present from None on"),
            (Custom(), "no look-up is known for this estimator"),
            (SGDClassifier(loss="hinge"), "'hinge' gives no probability"),
        ],
        ids=["neighbors", "bernoulli", "custom", "hinge"],
    )
    def test_names_the_estimator_that_it_does_not_know(self, training, estimator, reason):
        encode = ColumnTransformer([("age", "passthrough", ["age"])])
        pipeline = fitted([encode, estimator], training)

        with pytest.raises(NotCompilable, match=f"{type(estimator).__name__}.*{reason}"):
            compile_pipeline(pipeline)

    def test_refuses_more_than_two_classes(self, training):
        frame, labels = training
        encode = ColumnTransformer([("age", "passthrough", ["age"])])
        pipeline = fitted([encode, LogisticRegression()], (frame, np.arange(len(labels)) % 3))

        with pytest.raises(NotCompilable, match="tells 3 classes apart"):
            compile_pipeline(pipeline)

    def test_refuses_text_computed_in_single_precision(self, training):
        encode = ColumnTransformer([("said", TfidfVectorizer(dtype=np.float32), "said")])
        pipeline = fitted([encode, LogisticRegression()], training)

        with pytest.raises(
            NotCompilable, match=r"said \(TfidfVectorizer\): it computes in float32"
        ):
            compile_pipeline(pipeline)

    def test_refuses_steps_between_encoders_and_trees(self, training):
        encode = ColumnTransformer([("numbers", "passthrough", ["amount", "age"])])
        steps = [encode, SimpleImputer(), PCA(2), HistGradientBoostingRegressor(max_iter=2)]

        with pytest.raises(NotCompilable, match="between encoders and trees"):
            compile_pipeline(fitted(steps, training))
