"""How well do the features predict a protected attribute? Whatever does could stand for it.

For every value of the attribute that enough rows have, a logistic regression over all features is
fitted and answers rows that it was not fitted on; the area under the ROC curve says how well, with
an interval corrected for the number of values. 0.5 is chance. Then each feature on its own, by the
share of the value among rows that are alike in it, again only over other rows. Text is taken by its
words, numbers by their bins, so that any dependence counts and not only a straight one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from ml_assets.evaluation import interval
from ml_assets.evaluation.comparison import MIN_ROWS
from ml_assets.evaluation.divisions import binned
from ml_assets.evaluation.slices import group

Array = npt.NDArray[np.float64]
Folds = npt.NDArray[np.intp]

FOLDS = 3
MOST_VALUES = 8
"""Of an attribute, the most frequent ones, that are searched for."""

BINS = 10
"""That numbers are cut into."""

PRIOR_ROWS = 2.0
"""That a category seen seldom is taken to have had besides, with the share of all rows."""

MOST_WORDS = 5_000
CHANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How well something predicts one value of a protected attribute.

    Attributes:
        name: A feature, or a column that is withheld.
        value: The value of the attribute that it predicts best.
        auc: Area under the ROC curve on rows that were not learned from.
        low: Lower end of its interval.
        high: Upper end.
        is_feature: Whether a model may read it.
    """

    name: str
    value: str
    auc: float
    low: float
    high: float
    is_feature: bool = True


@dataclass(frozen=True, kw_only=True)
class ProxySearch:
    """What the features say about one protected attribute.

    Attributes:
        attribute: Its column.
        rows: That were searched.
        together: All features together; None where no value can be judged.
        features: Each on its own, strongest first.
        withheld: Columns that no feature may read, each on its own.
        not_judged: Values with too few rows.
        limit: That the area should stay below.
    """

    attribute: str
    rows: int
    together: Strength | None
    features: tuple[Strength, ...]
    withheld: tuple[Strength, ...]
    not_judged: tuple[str, ...]
    limit: float

    @property
    def strongest(self) -> Strength | None:
        """All features together, or one of them where that predicts better."""
        known = [one for one in (self.together, *self.features[:1]) if one is not None]
        return max(known, key=lambda one: one.auc, default=None)

    @property
    def is_flagged(self) -> bool:
        """Whether something is beyond the limit, and by more than chance."""
        found = self.strongest
        return found is not None and found.auc > self.limit and found.low > CHANCE

    @property
    def sentence(self) -> str:
        """The same for people."""
        found = self.strongest
        if found is None:
            return f"{self.attribute}: not judged, no two values have enough rows"
        alone = [one for one in self.features if one.low > CHANCE][:3]
        named = ", ".join(f"{one.name} {one.auc:.2f}" for one in alone) or "none beyond chance"
        return (
            f"{self.attribute} {found.value}: the features predict it with an area of {found.auc:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}] (0.5 is chance, limit {self.limit:g}); "
            f"alone: {named}"
        )


def search_proxies(
    attribute: str,
    values: pd.Series,
    features: pd.DataFrame,
    *,
    limit: float,
    withheld: pd.DataFrame | None = None,
    min_rows: int = MIN_ROWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> ProxySearch:
    """Find out how well features predict a protected attribute.

    Args:
        attribute: Its name.
        values: Of it, n rows; numbers are cut into bins, missing is a value of its own.
        features: n rows in the same order; text and numbers.
        limit: Of the area under the ROC curve.
        withheld: Further columns that no model may read, to see what leaving them out was worth.
        min_rows: That a value needs, in the value and outside of it; at least 30.
        confidence: Of all intervals of one predictor together.
        seed: Of the folds.

    Returns:
        The strengths, found on rows that were not learned from.
    """
    labels, rows = group(binned(values.reset_index(drop=True)))
    least = max(min_rows, MIN_ROWS)
    enough = (rows.counts >= least) & (len(values) - rows.counts >= least)
    judged = [k for k in np.argsort(-rows.counts, kind="stable") if enough[k]][:MOST_VALUES]
    folds = np.random.default_rng(seed).permutation(len(values)) % FOLDS
    targets = {labels[place]: (rows.codes == place).astype(float) for place in judged}
    if len(targets) == 2 and rows.slices == 2:  # noqa: PLR2004 - each says the same as the other
        targets.popitem()
    columns = _columns(features)
    others = _columns(withheld)
    search = _Search(targets, folds, confidence)
    alone = [search.alone(column, is_feature=True) for column in columns]
    beside = [search.alone(column, is_feature=False) for column in others]
    return ProxySearch(
        attribute=attribute,
        rows=len(values),
        together=search.together(columns) if targets and columns else None,
        features=_ranked(alone),
        withheld=_ranked(beside),
        not_judged=tuple(labels[place] for place in np.flatnonzero(~enough)),
        limit=limit,
    )


def _ranked(found: Sequence[Strength | None]) -> tuple[Strength, ...]:
    return tuple(sorted((one for one in found if one is not None), key=lambda one: -one.auc))


@dataclass(frozen=True)
class _Search:
    """One attribute: which rows have each value, and which fold answers each row."""

    targets: Mapping[str, Array]
    folds: Folds
    confidence: float

    def together(self, columns: Sequence["_Column"]) -> Strength:
        """All features in one logistic regression."""
        matrix = sp.hstack([column.matrix for column in columns], format="csr")
        return self._strongest(
            "all features",
            {value: _by_regression(matrix, y, self.folds) for value, y in self.targets.items()},
            is_feature=True,
        )

    def alone(self, column: "_Column", *, is_feature: bool) -> Strength | None:
        """One column on its own."""
        if not self.targets:
            return None
        answers = {
            value: _by_regression(column.matrix, y, self.folds)
            if column.is_prose
            else _by_share(column.codes, y, self.folds)
            for value, y in self.targets.items()
        }
        return self._strongest(column.name, answers, is_feature=is_feature)

    def _strongest(
        self, name: str, answers: Mapping[str, Array], *, is_feature: bool
    ) -> Strength:
        confidence = 1 - (1 - self.confidence) / len(answers)
        found = [
            (value, interval("roc_auc", self.targets[value], answer, confidence=confidence))
            for value, answer in answers.items()
        ]
        value, best = max(found, key=lambda one: one[1].value)
        return Strength(
            name=name,
            value=value,
            auc=best.value,
            low=best.low,
            high=best.high,
            is_feature=is_feature,
        )


@dataclass(frozen=True)
class _Column:
    """One column, as a prediction can be made of it."""

    name: str
    rows: pd.Series

    @cached_property
    def is_prose(self) -> bool:
        """Whether it is text that is hardly ever the same twice, and has several words."""
        kinds = pd.api.types
        if kinds.is_numeric_dtype(self.rows) or kinds.is_datetime64_any_dtype(self.rows):
            return False
        known = self.rows.dropna()
        is_often_new = known.nunique() > len(known) / 2
        return bool(is_often_new and known.str.contains(" ").mean() > CHANCE)

    @cached_property
    def codes(self) -> npt.NDArray[np.intp]:
        """Number of the value, or of the bin, of each row; missing is one of them."""
        codes, _ = pd.factorize(binned(self.rows, bins=BINS), use_na_sentinel=False)
        return codes

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """A column for each value, bin or word."""
        if self.is_prose:
            return _words(self.rows)
        rows = np.arange(len(self.codes))
        return sp.csr_matrix((np.ones(len(self.codes)), (rows, self.codes)))


def _columns(frame: pd.DataFrame | None) -> list[_Column]:
    if frame is None:
        return []
    return [_Column(str(name), frame[name].reset_index(drop=True)) for name in frame]


def _words(texts: pd.Series) -> sp.csr_matrix:
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(min_df=3, max_features=MOST_WORDS, sublinear_tf=True)
    try:
        return words.fit_transform(texts.fillna(""))
    except ValueError:  # no word comes three times, so there is nothing to learn from them
        return sp.csr_matrix((len(texts), 0))


def _by_regression(matrix: Any, y: Array, folds: Folds) -> Array:
    """Log-odds by a model that was fitted on the other folds."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    answers = np.zeros(len(y))
    if not matrix.shape[1]:
        return answers
    with threadpool_limits(1):
        for fold in range(FOLDS):
            inside = folds == fold
            if np.ptp(y[~inside]) == 0:
                continue
            model = LogisticRegression(C=1.0, solver="liblinear", max_iter=200)
            model.fit(matrix[~inside], y[~inside])
            answers[inside] = model.decision_function(matrix[inside])
    return answers


def _by_share(codes: npt.NDArray[np.intp], y: Array, folds: Folds) -> Array:
    """Share of positive rows among those of other folds that are alike."""
    size = int(codes.max()) + 1
    rows = np.bincount(codes * FOLDS + folds, minlength=size * FOLDS).reshape(size, FOLDS)
    hits = np.bincount(codes * FOLDS + folds, weights=y, minlength=size * FOLDS)
    hits = hits.reshape(size, FOLDS)
    other_rows = rows.sum(axis=1, keepdims=True) - rows
    other_hits = hits.sum(axis=1, keepdims=True) - hits
    prior = other_hits.sum(axis=0) / np.maximum(other_rows.sum(axis=0), 1)
    # Against the prior of its folds, so that what was left out does not show in the answer.
    shares = (other_hits + PRIOR_ROWS * prior) / (other_rows + PRIOR_ROWS) - prior
    return np.asarray(shares[codes, folds])
