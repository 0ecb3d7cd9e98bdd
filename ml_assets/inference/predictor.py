"""From raw rows to predictions: the one path of the service, of batches and of embedded use.

A row is held to the known part of the contract (`inputs`), becomes features (`featuring`) and is
answered by the model (`compiled`), between the `hooks` of the problem where it has any. Each of the
three has a direct way for single rows and the way that training took, through frames, Pandera and
scikit-learn, which says what is right: the direct ways are compared with it on sampled rows whenever
a predictor is made, and left where they differ.
Logging, limits and who may ask are for whoever answers requests.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.errors import InferenceError, NotCompilable
from ml_assets.inference.agreement import (
    differing_answer,
    differing_feature,
    differing_input,
    trial_rows,
)
from ml_assets.inference.answers import Answer, Answers, Prediction
from ml_assets.inference.compiled import Compiled, compile_pipeline
from ml_assets.inference.featuring import Features, Featuring, features_of, frame_of
from ml_assets.inference.hooks import Hooks
from ml_assets.inference.inputs import Inputs
from ml_assets.inference.transposition import Columns, one_row, rows_of
from ml_assets.problem import Problem
from ml_assets.registry import Bundle

TRIAL_ROWS = 100
"""Rows on which the direct ways are compared with the others."""

Rows: TypeAlias = "Sequence[Mapping[str, Any]] | pd.DataFrame | pa.Table"


class Ways(NamedTuple):
    """Why a part of the path is not the direct one; None where it is."""

    contract: str | None
    features: str | None
    model: str | None

    @property
    def are_direct(self) -> bool:
        """Whether the whole path is direct."""
        return not any(self)


class Predictor:
    """A model that answers raw rows.

    Attributes:
        problem: Whose model it is.
        bundle: The model.
        version: Its name, where it has one.
        threshold: Probability from which on a decision is positive.
        inputs: What a row must be.
        featuring: What the model reads of a row.
    """

    def __init__(self, problem: Problem, bundle: Bundle, *, version: str = "") -> None:
        self.problem = problem
        self.bundle = bundle
        self.version = version
        self.threshold = bundle.threshold
        self.inputs = Inputs(problem)
        self.featuring = Featuring(problem, bundle.manifest.signature.features)
        self._is_binary = bundle.manifest.signature.kind == "binary"
        self._intervals = bundle.manifest.intervals
        self._hooks = Hooks(problem) if problem.hooks else None
        self._compiled: Compiled | None = None
        self._not_compiled: str | None = None
        try:
            self._compiled = _compiled(bundle)
        except NotCompilable as error:
            self._not_compiled = str(error)
        self._leave_ways_that_differ(trial_rows(problem, TRIAL_ROWS))

    @property
    def ways(self) -> Ways:
        """Which parts of the path are direct, and why others are not."""
        return Ways(self.inputs.not_direct, self.featuring.not_direct, self._not_compiled)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer raw rows.

        Args:
            rows: n mappings from column to value as a source or JSON has them, or a frame or
                Arrow table of them; columns of the contract that are not known yet are ignored,
                and of a frame or table those that the contract does not have. A request hook
                gets them all, and says what the contract is asked of.

        Returns:
            n predictions.

        Raises:
            InvalidRows: If a row breaks a rule; all broken rules are named.
            InferenceError: If the model has no answer to a row.
        """
        return [answer.prediction for answer in self.answers(self._as_mappings(rows))]

    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Answer one raw row; see `predict`."""
        (found,) = self.answers([row])
        return found

    def answers(self, rows: Sequence[Mapping[str, Any]]) -> Answers:
        """Answer raw rows; see `predict`."""
        if self._hooks is None:
            return self._answered(rows)
        answers = self._answered(self._hooks.asked(rows))
        shown = self._hooks.shown(answers.predictions, rows, rows_of(answers.held))
        return replace(answers, is_hooked=True, shown=shown)

    def _answered(self, asked: Sequence[Mapping[str, Any]]) -> Answers:
        """Answer rows as the contract has them: one directly, more of them column by column."""
        if len(asked) == 1:
            row = self.inputs.require(asked[0])
            read = self.featuring.one(row)
            held, features = one_row(row), one_row(read)
            values = [self._value(read)]
        else:
            held = self.inputs.hold_together(asked)
            features = self.featuring.many(held)
            values = self._values(features).tolist()
        predictions = self._predictions(values, features)
        return Answers(predictions=predictions, held=held, features=features, asked=asked)

    def values(self, features: pd.DataFrame) -> np.ndarray:
        """Answer rows whose features are computed already, as the lake has them; n floats."""
        return self._values(features_of(features, self.featuring.names))

    def _value(self, features: Features) -> float:
        value = self._compiled.one(features) if self._compiled else math.nan
        return value if not math.isnan(value) else self._by_pipeline([features]).item()

    def _values(self, features: Columns) -> np.ndarray:
        if self._compiled is None:
            return self._by_pipeline(rows_of(features))
        values = self._compiled.many(features)
        if len(open_rows := np.flatnonzero(np.isnan(values))):
            rows = rows_of(
                {
                    name: [column[place] for place in open_rows.tolist()]
                    for name, column in features.items()
                }
            )
            values[open_rows] = self._by_pipeline(rows)
        return values

    def _by_pipeline(self, features: Sequence[Features]) -> np.ndarray:
        """Answer by scikit-learn, whose answer is the right one by definition."""
        if not features:
            return np.empty(0)
        try:
            return self.bundle.predict(frame_of(features, self.featuring.names))
        except ValueError as error:
            raise InferenceError(
                f"The model {self.version} has no answer to {len(features):,} rows: {error}"
            ) from error

    def _leave_ways_that_differ(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare the direct ways with the others, and take them no more where they differ."""
        by_table = self.inputs.by_table(rows)
        if difference := differing_input(self.inputs, rows, by_table):
            self.inputs.disable(difference)
        held = [each.row for each in by_table if not each.broken]
        if difference := differing_feature(self.featuring, held):
            self.featuring.disable(difference)
        if self._compiled is None:
            return
        features = self.featuring.by_frame(held)
        difference = differing_answer(self._compiled, features, self._by_pipeline(features))
        if difference:
            self._compiled, self._not_compiled = None, difference

    def _predictions(self, values: Sequence[float], features: Columns) -> list[Prediction]:
        if self._is_binary:
            return [Prediction(value, value >= self.threshold) for value in values]
        if (intervals := self._intervals) is None:
            return [Prediction(value, None) for value in values]
        groups = features[intervals.by] if intervals.by else [None] * len(values)
        return [
            Prediction(value, None, intervals.around(value, group))
            for value, group in zip(values, groups, strict=True)
        ]

    def _as_mappings(self, rows: Rows) -> Sequence[Mapping[str, Any]]:
        if isinstance(rows, pd.DataFrame):
            rows = pa.Table.from_pandas(rows, preserve_index=False)
        if isinstance(rows, pa.Table) and self.problem.request_hook:
            return rows.to_pylist()
        if isinstance(rows, pa.Table):
            names = [name for name in rows.column_names if name in self.inputs.columns]
            return rows.select(names).to_pylist()
        return rows


def _compiled(bundle: Bundle) -> Compiled:
    """Compile the pipeline of a bundle.

    Raises:
        NotCompilable: Also where its second class is not the positive one.
    """
    classes = bundle.manifest.signature.classes
    if classes and classes != [0.0, 1.0]:
        raise NotCompilable(f"its classes are {classes}, and only [0.0, 1.0] have a path")
    return compile_pipeline(bundle.pipeline)
