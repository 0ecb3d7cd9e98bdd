"""Features to numbers, as `training.encoders` in `config.yaml` says, inside the model's pipeline.

Two families of estimators want different numbers. Linear ones get one sparse matrix with a column
for every category and word. Trees get one dense column a feature: categories by number (scikit-learn's
own way to treat these as categories cannot be stored without pickle), text as a few topics, gaps
left open, since trees split on all of these by themselves.
"""

import difflib
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from ml_assets.errors import TrainingError
from ml_assets.problem.config import Encoder
from ml_assets.training.columns import Columns, OneHotOfDistinct
from ml_assets.training.text import FastTfidf, HashedText

Family = Literal["sparse", "dense"]

TREE_CATEGORIES = 255
"""Values that a tree of scikit-learn can tell apart; rarer categories share one number."""

TEXT_TOPICS = 30
"""Columns that a text becomes for trees."""

GROUP = "(group)"
"""Name of the encoder that numbers groups with a model of their own; no feature is called so."""

CATEGORICAL = ("one_hot", "ordinal", "hash")
TEXT = ("tfidf", "text_hash")


class HashedCategory(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A category becomes a 1 in the column that its hash says; for very many categories.

    The column is the CRC-32 of the category modulo `columns`; a missing category has none.
    """

    def __init__(self, *, columns: int = 1024) -> None:
        self.columns = columns

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002
        """Learn nothing but the number of columns."""
        self.columns_ = int(self.columns) * X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> sp.csr_matrix:
        """One matrix with a block of columns for each feature."""
        return sp.hstack([self._block(X[name]) for name in X], format="csr")

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Name the columns by their number."""
        return np.array([f"hash_{column}" for column in range(self.columns_)], dtype=object)

    def _block(self, feature: pd.Series) -> sp.csr_matrix:
        codes, distinct = pd.factorize(feature)
        columns = [zlib.crc32(str(each).encode()) % self.columns for each in distinct]
        known = codes >= 0
        starts = np.concatenate([[0], np.cumsum(known)])
        places = np.array(columns, dtype=np.int32)[codes[known]]
        return sp.csr_matrix(
            (np.ones(len(places)), places, starts), shape=(len(feature), self.columns)
        )


class Clipped(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers beyond the quantiles `share` and 1 - `share` of the fitted rows are brought there."""

    def __init__(self, *, share: float = 0.01) -> None:
        self.share = share

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002
        """Learn the two quantiles of each column; of one without values there are none."""
        numbers = np.asarray(X, dtype=np.float64)
        empty = np.isnan(numbers).all(axis=0)
        filled = np.where(empty, 0.0, numbers)
        limits = np.nanquantile(filled, [self.share, 1 - self.share], axis=0)
        self.low_, self.high_ = np.where(empty, [[-np.inf], [np.inf]], limits)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Bring outliers to the limits; gaps stay."""
        return np.clip(np.asarray(X, dtype=np.float64), self.low_, self.high_)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Columns keep their names."""
        return np.asarray(input_features, dtype=object)


class Topics(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A sparse matrix as a few dense columns (truncated SVD), fewer when it has fewer itself.

    A single column stays as it is.
    """

    def __init__(self, *, components: int = TEXT_TOPICS, seed: int = 0) -> None:
        self.components = components
        self.seed = seed

    def fit(self, X: sp.csr_matrix, y: object = None) -> Self:
        """Learn the columns."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: sp.csr_matrix, y: object = None) -> np.ndarray:  # noqa: ARG002
        """Learn the columns, and give those of the same rows."""
        components = min(self.components, X.shape[1] - 1)
        self.svd_ = TruncatedSVD(components, random_state=self.seed) if components else None
        return X.toarray() if self.svd_ is None else self.svd_.fit_transform(X)

    def transform(self, X: sp.csr_matrix) -> np.ndarray:
        """Give the columns of rows."""
        return X.toarray() if self.svd_ is None else self.svd_.transform(X)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Name the columns by their number."""
        topics = 1 if self.svd_ is None else self.svd_.n_components
        return np.array([f"topic_{number}" for number in range(topics)], dtype=object)


def column_transformer(
    encoders: Mapping[str, Encoder], family: Family, *, seed: int, by: str | None = None
) -> ColumnTransformer:
    """Make the unfitted first step of a pipeline.

    Args:
        encoders: Feature to how it becomes numbers.
        family: Which kind of estimator comes after.
        seed: For what draws at random.
        by: The feature whose number comes first, for an estimator with a model for each of its
            values; -1 where it is missing or unknown.

    Raises:
        TrainingError: If an encoder has options that it does not know.
    """
    make = _sparse if family == "sparse" else _dense
    steps = [
        (name, make(name, encoder, seed), name if encoder.kind in TEXT else [name])
        for name, encoder in encoders.items()
    ]
    if by is not None:
        steps.insert(0, (GROUP, OrdinalEncoder(**DEFAULTS["ordinal"]), [by]))
    threshold = 1.0 if family == "sparse" else 0.0
    return Columns(steps, sparse_threshold=threshold, verbose_feature_names_out=True)


def known_options(kind: str) -> list[str]:
    """Options that an encoder may have in `config.yaml`."""
    if kind == "scale":
        return ["clip", "impute", "indicator"]
    if kind == "pass":
        return []
    extra = ["components"] if kind in TEXT else []
    return sorted([*ENCODERS[kind]().get_params(), *extra])


ENCODERS: dict[str, Callable[..., BaseEstimator]] = {
    "one_hot": OneHotOfDistinct,
    "ordinal": OrdinalEncoder,
    "hash": HashedCategory,
    "tfidf": FastTfidf,
    "text_hash": HashedText,
}

DEFAULTS: dict[str, dict[str, object]] = {
    "one_hot": {"handle_unknown": "ignore"},
    "ordinal": {
        "handle_unknown": "use_encoded_value",
        "unknown_value": -1,
        "encoded_missing_value": -1,
    },
}
"""What an option is when `config.yaml` is silent: a category of tomorrow is no error."""


def default_options(kind: str) -> dict[str, object]:
    """What the options of an encoder are when `config.yaml` is silent."""
    own = ENCODERS[kind]().get_params() if kind in ENCODERS else {}
    return {**own, **DEFAULTS.get(kind, {})}


def _sparse(name: str, encoder: Encoder, seed: int) -> object:
    options = _checked(name, encoder)
    if encoder.kind == "pass":
        return "passthrough"
    if encoder.kind == "scale":
        return Pipeline(
            [*_clip(options), ("impute", _imputer(options)), ("scale", StandardScaler())]
        )
    if encoder.kind in TEXT:
        return _text(encoder.kind, options, seed=seed)
    return ENCODERS[encoder.kind](**{**DEFAULTS.get(encoder.kind, {}), **options})


def _dense(name: str, encoder: Encoder, seed: int) -> object:
    options = _checked(name, encoder)
    if encoder.kind in CATEGORICAL:
        return OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=TREE_CATEGORIES,
        )
    if encoder.kind in TEXT:
        return _text(encoder.kind, {"components": TEXT_TOPICS, **options}, seed=seed)
    clip = _clip(options)
    return Pipeline(clip) if clip else "passthrough"


def _text(kind: str, options: Mapping[str, Any], *, seed: int) -> object:
    """Text to numbers; with the option `components`, condensed to so many columns."""
    own = {key: value for key, value in options.items() if key != "components"}
    text = ENCODERS[kind](**own)
    if options.get("components") is None:
        return text
    return Pipeline(
        [("text", text), ("topics", Topics(components=options["components"], seed=seed))]
    )


def _clip(options: Mapping[str, Any]) -> list[tuple[str, BaseEstimator]]:
    share = options.get("clip")
    return [("clip", Clipped(share=share))] if share else []


def _imputer(options: Mapping[str, object]) -> SimpleImputer:
    return SimpleImputer(
        strategy=options.get("impute", "median"),
        add_indicator=options.get("indicator", True),
        keep_empty_features=True,
    )


def _checked(name: str, encoder: Encoder) -> dict[str, object]:
    """The encoder's options, when it knows them all."""
    known = known_options(encoder.kind)
    for option in encoder.options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"known: {', '.join(known) or 'none'}."
            )
            raise TrainingError(
                f"training.encoders.{name}: {encoder.kind} has no option {option!r}; {hint}"
            )
    return dict(encoder.options)
