"""Reads fitted encoders of scikit-learn and turns each into look-ups.

Numbers are followed by arithmetic, step by step. Categories are found by asking: an encoder that
tells finitely many values apart is asked about each of them, about a missing one and about one
that nobody has seen, so every option that it has is right by construction. Text is taken apart.
"""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import (
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from ml_assets.errors import NotCompilable
from ml_assets.inference.affine import Affine, affine_of, is_identity, scaling_of
from ml_assets.inference.bags import (
    HashedBag,
    TextBag,
    VocabularyBag,
    Weighting,
    crc_place,
    murmur_place,
)
from ml_assets.inference.lookups import (
    Categories,
    Category,
    HashedCategories,
    Lookup,
    Numbers,
    NumberTerm,
    Text,
)
from ml_assets.inference.tokens import (
    VECTORIZERS,
    analyzer_of,
    own_analyzer,
    own_splitting,
    splitting_of,
)
from ml_assets.training.encoders import Clipped, HashedCategory
from ml_assets.training.text import FastTfidf, HashedText

FINITE = (OneHotEncoder, OrdinalEncoder, TargetEncoder)
"""Encoders that tell a column's values apart by a finite list of categories."""

_MISSING = {FastTfidf: "", HashedText: ""}
"""What a missing text is taken for, by encoders that have an answer to it."""

NEVER_SEEN = "\N{REPLACEMENT CHARACTER} never seen"


def lookup_of(place: str, encoder: Any, columns: Sequence[str]) -> Lookup:
    """Turn one fitted encoder into look-ups.

    Args:
        place: Where the encoder is in the pipeline, for the message.
        encoder: One transformer, a `Pipeline` of them, or "passthrough".
        columns: The features that it reads.

    Raises:
        NotCompilable: If a step of it is not known, or is set up in a way that is not.
    """
    steps = _steps(encoder)
    if any(isinstance(step, FINITE) for step in steps):
        return _categories(place, steps, columns)
    if steps and isinstance(steps[0], (*VECTORIZERS, FastTfidf, HashedText)):
        return _text(place, steps, columns)
    if len(steps) == 1 and isinstance(steps[0], HashedCategory):
        return HashedCategories(tuple(columns), steps[0].columns)
    return _numbers(place, steps, columns)


def _steps(encoder: Any) -> list[Any]:
    """Every step of an encoder in order, pipelines within pipelines laid out."""
    if isinstance(encoder, Pipeline):
        return [step for _, inner in encoder.steps for step in _steps(inner)]
    return [] if is_identity(encoder) else [encoder]


def refusal(place: str, step: Any, reason: str) -> NotCompilable:
    """Say which step has no direct path, and why."""
    return NotCompilable(f"{place} ({type(step).__name__}): {reason}")


def _numbers(place: str, steps: Sequence[Any], columns: Sequence[str]) -> Numbers:
    """Follow what becomes of each number, and of a missing one."""
    terms = tuple(map(NumberTerm, columns))
    for step in steps:
        if isinstance(step, Clipped) and step is steps[0]:
            limits = zip(terms, step.low_.tolist(), step.high_.tolist(), strict=True)
            terms = tuple(term._replace(low=low, high=high) for term, low, high in limits)
            continue
        if isinstance(step, SimpleImputer):
            terms = _imputed(place, step, terms)
            continue
        scaling = scaling_of(step, len(terms))
        if scaling is None:
            raise refusal(place, step, "no look-up is known for this step")
        terms = tuple(map(_scaled, terms, *(part.tolist() for part in scaling)))
    return Numbers(terms)


def _scaled(term: NumberTerm, center: float, slope: float, offset: float) -> NumberTerm:
    """Put (value - center) * slope + offset after `term`."""
    missing = (term.missing - center) * slope + offset
    if (term.center, term.slope, term.offset) == (0.0, 1.0, 0.0):
        return term._replace(center=center, slope=slope, offset=offset, missing=missing)
    return term._replace(
        slope=term.slope * slope,
        offset=(term.offset - center) * slope + offset,
        missing=missing,
    )


def _imputed(
    place: str, imputer: SimpleImputer, terms: tuple[NumberTerm, ...]
) -> tuple[NumberTerm, ...]:
    """Put an imputer, and its indicators of missing values, after `terms`."""
    fills = list(imputer.statistics_)
    if not all(isinstance(fill, float | int) and fill == fill for fill in fills):  # noqa: PLR0124
        raise refusal(place, imputer, f"it fills numbers with {fills}")
    if imputer.missing_values == imputer.missing_values:
        raise refusal(place, imputer, f"it takes {imputer.missing_values!r} for missing")
    filled = tuple(
        term._replace(missing=float(fill)) if np.isnan(term.missing) else term
        for term, fill in zip(terms, fills, strict=True)
    )
    if imputer.indicator_ is None:
        return filled
    return filled + tuple(_indicator(terms[index]) for index in imputer.indicator_.features_)


def _indicator(term: NumberTerm) -> NumberTerm:
    """1 where `term` has no value, 0 where it has one."""
    return NumberTerm(term.column, slope=0.0, missing=float(np.isnan(term.missing)))


def _categories(place: str, steps: Sequence[Any], columns: Sequence[str]) -> Categories:
    """Ask the encoder about every value that it tells apart, column by column."""
    index = next(i for i, step in enumerate(steps) if isinstance(step, FINITE))
    for step in steps[:index]:
        if not isinstance(step, SimpleImputer):
            raise refusal(place, step, "no look-up is known for this step before categories")
    for step in steps[index + 1 :]:
        if affine_of(step, 1) is None:
            raise refusal(place, step, "no look-up is known for this step after categories")
    domains = {
        column: _domain(place, steps[index], steps[index].categories_[j])
        for j, column in enumerate(columns)
    }
    base_row = {column: values.iloc[[0]] for column, values in domains.items()}
    base = _encoded(steps, pd.DataFrame(base_row)).toarray()[0]
    if len(columns) == 1:
        base = np.zeros_like(base)
    found = [_category(steps, domains, column, base) for column in columns]
    return Categories(base, tuple(found))


def _domain(place: str, encoder: Any, categories: np.ndarray) -> pd.Series:
    """Every value that an encoder knows of a column, then a missing one, then one never seen."""
    known = [value for value in categories.tolist() if value is not None and value == value]  # noqa: PLR0124
    if None in categories.tolist():
        raise refusal(place, encoder, "it learned None as a category; frames have NaN")
    if all(isinstance(value, str) for value in known):
        return pd.Series([*known, None, NEVER_SEEN], dtype="str")
    if all(type(value) in (int, float) for value in known):
        return pd.Series([*known, None, max(known) + 1.0], dtype="float64")
    raise refusal(place, encoder, "its categories are neither all text nor all numbers")


def _category(
    steps: Sequence[Any], domains: dict[str, pd.Series], column: str, base: np.ndarray
) -> Category:
    """What each value of one column changes in the output, next to `base`."""
    values = domains[column]
    frame = pd.DataFrame(
        {
            name: values
            if name == column
            else pd.Series([domain.iloc[0]] * len(values), dtype=domain.dtype)
            for name, domain in domains.items()
        }
    )
    bases = sp.csr_array(np.ones((len(values), 1))) @ sp.csr_array(base[np.newaxis])
    known = values.iloc[:-2].tolist()
    return Category(
        column,
        {value: place for place, value in enumerate([*known, None])},
        sp.csr_array(_encoded_or_refused(steps, frame) - bases),
    )


def _encoded_or_refused(steps: Sequence[Any], frame: pd.DataFrame) -> sp.csr_array:
    """Encode `frame`; where the encoder refuses a missing or unseen value, its row is NaN."""
    try:
        return _encoded(steps, frame)
    except ValueError:
        known = _encoded(steps, frame.iloc[:-2])
    rows = [known]
    for last in (frame.iloc[[-2]], frame.iloc[[-1]]):
        try:
            rows.append(_encoded(steps, last))
        except ValueError:
            rows.append(sp.csr_array(np.full((1, known.shape[1]), np.nan)))
    return sp.csr_array(sp.vstack(rows))


def _encoded(steps: Sequence[Any], frame: pd.DataFrame) -> sp.csr_array:
    """Send `frame` through `steps`."""
    encoded: Any = frame
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some encoders warn about a value they never saw
        for step in steps:
            encoded = step.transform(encoded)
    return sp.csr_array(encoded)


def _text(place: str, steps: Sequence[Any], columns: Sequence[str]) -> Text:
    """Take a vectorizer apart, and fold what follows it."""
    vectorizer, *rest = steps
    if len(columns) != 1:
        raise refusal(place, vectorizer, f"it reads {len(columns)} columns; one is needed")
    tfidf = rest.pop(0) if rest and isinstance(rest[0], TfidfTransformer) else None
    bag = _own_bag(vectorizer) or _bag(place, vectorizer, tfidf)
    width, folded = bag.width, list[Affine]()
    for step in rest:
        affine = affine_of(step, width)
        if affine is None:
            raise refusal(place, step, "no look-up is known for this step after text")
        folded.append(affine)
        width = len(affine.shift)
    return Text(columns[0], bag, tuple(folded), missing=_MISSING.get(type(vectorizer)))


def _own_bag(vectorizer: Any) -> TextBag | None:
    """Take one of the platform's own text encoders apart."""
    weighting = Weighting(sublinear=False, binary=False, norm="l2")
    match vectorizer:
        case FastTfidf():
            return VocabularyBag(
                own_analyzer(vectorizer.ngram_range),
                vectorizer.terms(),
                splitting=own_splitting(vectorizer.ngram_range),
                weighting=weighting._replace(sublinear=vectorizer.sublinear_tf),
                idf=vectorizer.idf_,
            )
        case HashedText():
            return HashedBag(
                own_analyzer(vectorizer.ngram_range),
                width=vectorizer.columns_,
                place=partial(crc_place, width=vectorizer.columns_),
                weighting=weighting,
                idf=None,
            )
    return None


def _bag(place: str, vectorizer: Any, tfidf: TfidfTransformer | None) -> TextBag:
    """Take a vectorizer, and the weighing of its counts, apart."""
    if np.dtype(vectorizer.dtype) not in (np.float64, np.int64):
        raise refusal(place, vectorizer, f"it computes in {np.dtype(vectorizer.dtype)}")
    weigher = vectorizer if isinstance(vectorizer, TfidfVectorizer) else tfidf
    if tfidf is not None and (weigher is vectorizer or getattr(vectorizer, "norm", None)):
        raise refusal(place, tfidf, "the text before it is weighed already")
    logs = weigher is not None and weigher.sublinear_tf
    if logs and isinstance(vectorizer, HashingVectorizer):
        raise refusal(place, tfidf, "no look-up is known for logarithms of hashed counts")
    weighting = Weighting(
        sublinear=logs,
        binary=vectorizer.binary,
        norm=weigher.norm if weigher is not None else getattr(vectorizer, "norm", None),
    )
    idf = weigher.idf_ if weigher is not None and weigher.use_idf else None
    analyze = analyzer_of(vectorizer)
    if isinstance(vectorizer, HashingVectorizer):
        return HashedBag(
            analyze,
            width=vectorizer.n_features,
            place=partial(
                murmur_place, width=vectorizer.n_features, signed=vectorizer.alternate_sign
            ),
            signed=vectorizer.alternate_sign,
            weighting=weighting,
            idf=idf,
        )
    return VocabularyBag(
        analyze,
        vectorizer.vocabulary_,
        splitting=splitting_of(vectorizer),
        weighting=weighting,
        idf=idf,
    )
