"""A fitted pipeline as direct look-ups: what scikit-learn answers, without a frame.

scikit-learn is made for tables: one row costs milliseconds, spent on building a frame and checking
it at every step. `compile_pipeline` reads the fitted numbers once and answers one row in
microseconds, equal to the pipeline's answer to 1e-9. What it does not know it refuses, by the name
of the step, and the pipeline itself goes on answering.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from ml_assets.inference.affine import affine_of
from ml_assets.inference.encoders import lookup_of, refusal
from ml_assets.inference.linear import Linear, linear_of
from ml_assets.inference.links import EXPONENTIAL, IDENTITY, LOGISTIC, Link
from ml_assets.inference.lookups import (
    CategoryTerm,
    HashedTerm,
    Lookup,
    NumberTerm,
    Row,
    StepTerm,
    Terms,
    Text,
    TextTerm,
    crc_of,
)
from ml_assets.inference.transposition import Columns
from ml_assets.inference.trees import forest
from ml_assets.training.wrappers import LocalModels, LogTarget

BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

BOOSTING_LINKS = {
    "log_loss": LOGISTIC,
    "squared_error": IDENTITY,
    "absolute_error": IDENTITY,
    "quantile": IDENTITY,
    "poisson": EXPONENTIAL,
    "gamma": EXPONENTIAL,
}


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What a pipeline answers: the probability of its second class, or a value.

    An answer is NaN where the look-ups have none, such as for a missing value that no step fills;
    the pipeline itself then says what is wrong.

    Attributes:
        columns: The features that are read.
        one: One row to its answer.
        many: n rows, column by column, to n answers.
    """

    columns: tuple[str, ...]
    one: Callable[[Row], float]
    many: Callable[[Columns], np.ndarray]


def compile_pipeline(pipeline: Pipeline) -> Compiled:
    """Turn a fitted pipeline into look-ups.

    Args:
        pipeline: A `ColumnTransformer`, perhaps linear steps, and an estimator of one
            probability or one value.

    Raises:
        NotCompilable: If a step of it is not known; the message names it.
    """
    (name, encode), *between = pipeline.steps
    if not between or not isinstance(encode, ColumnTransformer):
        raise refusal(name, encode, "the first step has to be a ColumnTransformer")
    last, estimator = between.pop()
    lookups = _lookups(name, encode)
    columns = tuple(map(str, encode.feature_names_in_))
    steps = [(place, step) for place, step in between if step != "passthrough"]
    return _estimated(last, estimator, steps, lookups, columns)


def _estimated(
    last: str,
    estimator: Any,
    steps: Sequence[tuple[str, Any]],
    lookups: Sequence[Lookup],
    columns: tuple[str, ...],
) -> Compiled:
    """Compile an estimator, and what is around it, over the look-ups of the encoders."""
    if isinstance(estimator, LogTarget):
        return _through(EXPONENTIAL, _estimated(last, estimator.inner, steps, lookups, columns))
    if isinstance(estimator, LocalModels):
        if steps:
            raise refusal(*steps[0], "no look-up is known for a step before local models")
        return _local(last, estimator, lookups, columns)
    if isinstance(estimator, BOOSTING):
        if steps:
            raise refusal(
                *steps[0], "no look-up is known for a step between encoders and trees"
            )
        return _trees(last, estimator, lookups, columns)
    try:
        linear = linear_of(estimator)
    except ValueError as error:
        raise refusal(last, estimator, str(error)) from None
    if linear is None:
        raise refusal(last, estimator, "no look-up is known for this estimator")
    try:
        return _scores(_folded(steps, linear), lookups, columns)
    except ValueError as error:
        raise refusal(last, estimator, str(error)) from None


def _through(link: Link, inner: Compiled) -> Compiled:
    """What an estimator answers, through a link."""
    one, many = inner.one, inner.many
    return Compiled(
        columns=inner.columns,
        one=lambda row: link.one(one(row)),
        many=lambda columns: link.many(many(columns)),
    )


def _local(
    last: str, estimator: LocalModels, lookups: Sequence[Lookup], columns: tuple[str, ...]
) -> Compiled:
    """The model of all rows, and those of the groups; the first look-up tells the groups apart."""
    number, rest = lookups[0], lookups[1:]
    whole = _estimated(last, estimator.whole_, [], rest, columns)
    own = {
        float(each): _estimated(last, model, [], rest, columns)
        for each, model in zip(estimator.numbers_, estimator.own_, strict=True)
    }

    def one(row: Row) -> float:
        (group,) = number.values(row)
        return own.get(group, whole).one(row)

    def many(columns: Columns) -> np.ndarray:
        values = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        groups = np.array([number.values(row)[0] for row in values], dtype=np.float64)
        found = np.full(len(values), math.nan)
        for group in np.unique(groups):
            mine = np.flatnonzero(groups == group)
            part = {
                name: [column[int(row)] for row in mine] for name, column in columns.items()
            }
            found[mine] = own.get(float(group), whole).many(part)
        return found

    return Compiled(columns=columns, one=one, many=many)


def _lookups(place: str, encode: ColumnTransformer) -> list[Lookup]:
    """Turn every encoder into look-ups, in the order of its features."""
    if encode.transformer_weights:
        raise refusal(place, encode, "it has transformer_weights")
    return [
        lookup_of(f"{place}.{name}", encoder, _names(f"{place}.{name}", encode, columns))
        for name, encoder, columns in encode.transformers_
        if encoder != "drop" and len(columns)
    ]


def _names(place: str, encode: ColumnTransformer, columns: Any) -> list[str]:
    """Return the names of an encoder's columns."""
    if isinstance(columns, str):
        return [columns]
    if all(isinstance(column, str) for column in columns):
        return list(columns)
    raise refusal(place, encode, f"its columns are given as {columns!r}, not by name")


def _folded(steps: Sequence[tuple[str, Any]], linear: Linear) -> Linear:
    """Fold the steps between the encoders and a linear model into the model."""
    weights, intercept = linear.weights, linear.intercept
    for place, step in reversed(steps):
        affine = affine_of(step, len(weights))
        if affine is None:
            raise refusal(
                place, step, "no look-up is known for a step between encoders and model"
            )
        if linear.of_presence:
            raise refusal(place, step, "features are told present or absent after it")
        weights, added = affine.fold(weights)
        intercept += added
    return linear._replace(weights=weights, intercept=intercept)


def _scores(linear: Linear, lookups: Sequence[Lookup], columns: tuple[str, ...]) -> Compiled:
    """Fold a linear model into the look-ups of its encoders."""
    ends = np.cumsum([lookup.width for lookup in lookups])[:-1]
    parts = np.split(linear.weights, ends)
    terms = [
        _weighed(lookup, part, linear) for lookup, part in zip(lookups, parts, strict=True)
    ]
    score = Score(
        constant=linear.intercept + sum(part.constant for part in terms),
        numbers=tuple(term for part in terms for term in part.numbers),
        categories=tuple(term for part in terms for term in part.categories),
        hashed=tuple(term for part in terms for term in part.hashed),
        texts=tuple(term for part in terms for term in part.texts),
        link=linear.link,
    )
    return Compiled(columns=columns, one=score.one, many=score.many)


def _weighed(lookup: Lookup, weights: np.ndarray, linear: Linear) -> Terms:
    return lookup.weigh_presence(weights) if linear.of_presence else lookup.weigh(weights)


@dataclass(frozen=True, kw_only=True)
class Score:
    """The sum of every term's share, through a link."""

    constant: float
    numbers: tuple[NumberTerm | StepTerm, ...]
    categories: tuple[CategoryTerm, ...]
    hashed: tuple[HashedTerm, ...]
    texts: tuple[TextTerm, ...]
    link: Link

    def one(self, row: Row) -> float:
        """Answer one row."""
        total = self.constant
        for column, shares, unknown in self.categories:
            total += shares.get(row[column], unknown)
        for number in self.numbers:
            total += number.share(row[number.column])
        for column, weights in self.hashed:
            if row[column] is not None:
                total += weights[crc_of(row[column]) % len(weights)]
        for column, score, instead in self.texts:
            text = row[column] if row[column] is not None else instead
            total += math.nan if text is None else score.one(text)
        # Neither NaN nor infinite: scikit-learn refuses both, so the pipeline has to say so.
        return self.link.one(total) if total - total == 0.0 else math.nan

    def many(self, columns: Columns) -> np.ndarray:
        """Answer n rows."""
        rows = len(next(iter(columns.values())))
        total = np.full(rows, self.constant)
        for column, shares, unknown in self.categories:
            found = map(shares.get, columns[column], repeat(unknown))
            total += np.fromiter(found, dtype=float, count=rows)
        for number in self.numbers:
            total += number.shares(np.array(columns[number.column], dtype=float))
        for column, weights in self.hashed:
            places = (None if v is None else crc_of(v) % len(weights) for v in columns[column])
            total += [0.0 if place is None else weights[place] for place in places]
        for column, score, instead in self.texts:
            texts = [instead if text is None else text for text in columns[column]]
            total += _over_texts(score.many, texts)
        return self.link.many(np.where(np.isfinite(total), total, np.nan))


def _over_texts(
    score: Callable[[Sequence[str]], np.ndarray], texts: Sequence[Any]
) -> np.ndarray:
    """Score texts; NaN where there is none."""
    if None not in texts:
        return score(texts)
    shares = np.full(len(texts), np.nan)
    shares[[text is not None for text in texts]] = score([t for t in texts if t is not None])
    return shares


def _trees(
    place: str, estimator: Any, lookups: Sequence[Lookup], columns: tuple[str, ...]
) -> Compiled:
    """Walk the trees of a boosted model over the values of its encoders."""
    link = BOOSTING_LINKS.get(estimator.loss)
    if link is None or estimator.n_trees_per_iteration_ != 1:
        raise refusal(place, estimator, "it gives more than one answer per row")
    total = forest(estimator)
    answers = _answers_of(estimator)
    texts = [part.column for part in lookups if isinstance(part, Text) and part.missing is None]

    def one(row: Row) -> float:
        if any(row[column] is None for column in texts):
            return math.nan
        return link.one(total([value for lookup in lookups for value in lookup.values(row)]))

    def many(columns: Columns) -> np.ndarray:
        rows = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        whole = [all(row[column] is not None for column in texts) for row in rows]
        found = np.full(len(rows), math.nan)
        if any(whole):
            kept = compress(rows, whole)
            found[whole] = answers(
                np.array(
                    [[v for lookup in lookups for v in lookup.values(row)] for row in kept]
                )
            )
        return found

    return Compiled(columns=columns, one=one, many=many)


def _answers_of(estimator: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The estimator's own way from features to answers, for many rows."""
    if isinstance(estimator, HistGradientBoostingClassifier):
        return lambda features: estimator.predict_proba(features)[:, 1]
    return estimator.predict
