"""Estimators around another one, as `training` in `config.yaml` asks for.

`LogTarget` fits on the logarithm of the label and answers in its unit. `LocalModels` has one model
of all rows and, for each group that has enough of them, one of its own. They go around the
estimators of `estimators`, and are stored and loaded with them.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.base import BaseEstimator, RegressorMixin, clone

from ml_assets.errors import TrainingError

Matrix = Any
Values = npt.NDArray[np.float64]


class LogTarget(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that learns the logarithm of the label; its answers are always positive.

    They are middles rather than means: half of the labels lie above, where errors of the logarithm
    are symmetric.

    Attributes:
        is_fitted_: What scikit-learn looks for; the fitted estimator is `inner` itself.
    """

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    def fit(self, X: Matrix, y: Values, sample_weight: Values | None = None) -> Self:
        """Learn from all rows at once."""
        self.inner.fit(X, _logarithms(y), sample_weight=sample_weight)
        self.is_fitted_ = True
        return self

    def partial_fit(self, X: Matrix, y: Values, sample_weight: Values | None = None) -> Self:
        """Learn from some rows."""
        self.inner.partial_fit(X, _logarithms(y), sample_weight=sample_weight)
        self.is_fitted_ = True
        return self

    def predict(self, X: Matrix) -> Values:
        """Values in the label's unit."""
        return np.exp(self.inner.predict(X))


class LocalModels(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """One model of all rows, and one of its own for each group with enough rows.

    The first column of the matrix is the number of a row's group; the models read the others. A
    group that is small, or was never seen, has the answers of the model of all rows.

    Attributes:
        whole_: The model of all rows.
        own_: The models of groups, in the order of `numbers_`.
        numbers_: Which groups have their own.
        rows_: And from how many rows each.
    """

    def __init__(self, inner: Any = None, *, min_rows: int = 500) -> None:
        self.inner = inner
        self.min_rows = min_rows

    def fit(self, X: Matrix, y: Values, sample_weight: Values | None = None) -> Self:
        """Learn from all rows at once."""
        groups, features = divided(X)
        numbers, rows = np.unique(groups[groups >= 0], return_counts=True)
        is_large = rows >= self.min_rows
        self.numbers_, self.rows_ = numbers[is_large], rows[is_large]
        self.whole_ = clone(self.inner).fit(features, y, sample_weight=sample_weight)
        self.own_ = []
        for number in self.numbers_:
            mine = np.flatnonzero(groups == number)
            weight = None if sample_weight is None else sample_weight[mine]
            self.own_.append(clone(self.inner).fit(features[mine], y[mine], weight))
        return self

    def predict(self, X: Matrix) -> Values:
        """The answer of a row's group, or that of the model of all rows."""
        groups, features = divided(X)
        found = np.asarray(self.whole_.predict(features), dtype=np.float64)
        for number, model in zip(self.numbers_, self.own_, strict=True):
            if len(mine := np.flatnonzero(groups == number)):
                found[mine] = model.predict(features[mine])
        return found


def innermost(model: Any) -> Any:
    """The estimator itself, without what is around it."""
    while isinstance(model, LogTarget | LocalModels):
        model = model.inner
    return model


def local_rows(pipeline: Any) -> dict[str, int] | None:
    """Groups that have a model of their own, with its rows; None where none was asked for."""
    model = pipeline.named_steps["model"]
    model = model.inner if isinstance(model, LogTarget) else model
    if not isinstance(model, LocalModels):
        return None
    names = group_names(pipeline.named_steps["encode"])
    return {
        names[int(number)]: int(rows)
        for number, rows in zip(model.numbers_, model.rows_, strict=True)
    }


def group_names(encode: Any) -> list[str]:
    """Names of the groups that the first encoder numbers, in their order."""
    _, encoder, _ = encode.transformers_[0]
    return [name for name in encoder.categories_[0] if isinstance(name, str)]


def divided(X: Matrix) -> tuple[Values, Matrix]:
    """The numbers of the groups, and the columns that models read."""
    if sp.issparse(X):
        return X[:, [0]].toarray()[:, 0], X[:, 1:]
    return X[:, 0], X[:, 1:]


def _logarithms(y: Values) -> Values:
    if below := int(np.count_nonzero(~(y > 0))):
        raise TrainingError(
            f"training.target.transform is log, and {below:,} of {len(y):,} labels are not above "
            f"0; the lowest is {np.min(y):g}. Let the contract refuse them, or use none."
        )
    return np.log(y)
