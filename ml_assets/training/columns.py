"""scikit-learn's encoding of columns, with the same outcome for less work.

They are used while a model is fitted. What is kept of them are scikit-learn's own classes, which
every library knows that reads or exports a pipeline.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder


class OneHotOfDistinct(OneHotEncoder):  # type: ignore[misc]
    """One-hot encoding that looks once at each distinct value of a column, not at every row."""

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn the categories; of a frequent one only as many rows are looked at as decide."""
        if not _is_one_column(X) or not self._counts_up_to_a_number():
            return super().fit(X, y)
        codes, first = _distinct(X)
        rows = np.minimum(np.bincount(codes), self.min_frequency or 1)
        return super().fit(X.iloc[np.repeat(first, rows)], y)

    def transform(self, X: pd.DataFrame) -> sp.csr_matrix | np.ndarray:
        """Encode the distinct values, and give every row its value's."""
        if not _is_one_column(X):
            return super().transform(X)
        codes, first = _distinct(X)
        return super().transform(X.iloc[first])[codes]

    def _counts_up_to_a_number(self) -> bool:
        """Whether rows beyond some number of the same value make no difference."""
        fewest = self.min_frequency
        is_number = fewest is None or (isinstance(fewest, int) and fewest > 0)
        return is_number and self.max_categories is None


class Columns(ColumnTransformer):  # type: ignore[misc]
    """Encoders side by side, whose outcomes are joined without a detour."""

    def _hstack(self, Xs: list[Any], *, n_samples: int) -> sp.csr_matrix | np.ndarray:
        """Join the blocks; scikit-learn leaves it to its heirs how. All CSR is SciPy's short way."""
        blocks = [sp.csr_matrix(X) for X in Xs] if self.sparse_output_ else Xs
        return super()._hstack(blocks, n_samples=n_samples)


def plain(encoder: ColumnTransformer) -> ColumnTransformer:
    """The same fitted encoder, of scikit-learn's own classes."""
    own = _as(encoder, ColumnTransformer)
    own.transformers = [(name, _plain(each), on) for name, each, on in encoder.transformers]
    own.transformers_ = [(name, _plain(each), on) for name, each, on in encoder.transformers_]
    return own


def _plain(encoder: object) -> object:
    return _as(encoder, OneHotEncoder) if isinstance(encoder, OneHotOfDistinct) else encoder


def _as(estimator: BaseEstimator, kind: type[BaseEstimator]) -> Any:
    """An object of a class of which the class of `estimator` is an heir, with all it has learned."""
    made: Any = object.__new__(kind)
    vars(made).update(vars(estimator))
    return made


def _is_one_column(X: object) -> bool:
    return isinstance(X, pd.DataFrame) and X.shape[1] == 1 and len(X) > 0


def _distinct(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's value, and the place of the first row with it."""
    codes, values = pd.factorize(X.iloc[:, 0], use_na_sentinel=False)
    first = np.empty(len(values), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes, first
