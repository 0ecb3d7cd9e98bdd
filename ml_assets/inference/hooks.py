"""Hooks: what a problem does to a request before its contract, and to an answer before the client.

A request hook lets a client say what the contract does not: another unit under another name, a text
that is filtered first. A response hook adds what is shown beside the prediction: clipped, rounded,
formatted. Both are pure functions of one row, declared on the `Problem`, and versioned with the
model. A row that the contract takes already goes through a request hook unchanged, because
training never sees the hook; that is asked of sampled rows whenever a model is loaded.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from ml_assets.errors import InferenceError, ProblemError
from ml_assets.inference.agreement import sampled_rows
from ml_assets.inference.columns import Row
from ml_assets.inference.values import is_missing
from ml_assets.problem import Problem
from ml_assets.problem.declaration import RequestHook, ResponseHook
from ml_assets.training.intervals import PredictionInterval

TRIAL_ROWS = 100

WITHOUT_INTERVAL = 2
"""Arguments of a response hook that sees the prediction and its row only."""

FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a function of one row raises when the row is not as it expects."""


class Predicted(Protocol):
    """What a response hook may see of an answer."""

    @property
    def value(self) -> float:
        """The prediction."""

    @property
    def interval(self) -> PredictionInterval | None:
        """Around it, where the model gives one."""


def takes_interval(hook: ResponseHook | None) -> bool:
    """Whether a response hook has a third argument, and so wants the interval."""
    if hook is None:
        return False
    taken = [
        parameter
        for parameter in inspect.signature(hook).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(taken) > WITHOUT_INTERVAL


class Hooks:
    """The hooks of one problem, of which it has at least one."""

    def __init__(self, problem: Problem) -> None:
        self._name = problem.name
        self._request: RequestHook = problem.request_hook or _as_it_is
        self._response: ResponseHook | None = problem.response_hook
        self._shows_intervals = takes_interval(self._response)
        self._require_contract_rows_unchanged(sampled_rows(problem, TRIAL_ROWS))

    def asked(self, sent: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Turn rows as clients send them into rows as the contract has them.

        Raises:
            InferenceError: If the hook fails on a row; the message names it.
        """
        return [self._asked(place, row) for place, row in enumerate(sent)]

    def shown(
        self,
        predictions: Sequence[Predicted],
        sent: Sequence[Mapping[str, Any]],
        held: Sequence[Row],
    ) -> list[Mapping[str, Any]] | None:
        """Say what clients get beside each prediction; None without a response hook.

        Args:
            predictions: n of them.
            sent: n rows as clients sent them.
            held: The same in the types of the contract, which win where both have a column.

        Raises:
            InferenceError: If the hook fails on a row; the message names it.
        """
        if (show := self._response) is None:
            return None
        return [
            self._shown(place, show, predicted, {**row, **typed})
            for place, (predicted, row, typed) in enumerate(
                zip(predictions, sent, held, strict=True)
            )
        ]

    def _asked(self, place: int, row: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return dict(self._request(dict(row)))
        except FAILURES as error:
            raise self._failed("request", place, error) from error

    def _shown(
        self, place: int, show: ResponseHook, predicted: Predicted, row: Row
    ) -> Mapping[str, Any]:
        more = (predicted.interval,) if self._shows_intervals else ()
        try:
            shown = dict(show(predicted.value, row, *more))
            orjson.dumps(shown)
        except FAILURES as error:
            raise self._failed("response", place, error) from error
        return shown

    def _failed(self, hook: str, place: int, error: Exception) -> InferenceError:
        why = f"{type(error).__name__}: {error}"
        return InferenceError(
            f"Row {place} cannot be answered: the {hook} hook of {self._name} failed on it, {why}. "
            "Correct the row; if it is right, the hook has to be."
        )

    def _require_contract_rows_unchanged(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row, asked in zip(rows, self.asked(rows), strict=True):
            for name in {**row, **asked}:
                before, after = row.get(name), asked.get(name)
                if before != after and not (is_missing(before) and is_missing(after)):
                    raise ProblemError(
                        f"The request hook of {self._name} changes rows that its contract takes: "
                        f"{name} {before!r} becomes {after!r}. Training never sees the hook, so "
                        "such rows would be answered as others. Change them in the features, or "
                        "let clients say it under a name that the contract does not have."
                    )


def _as_it_is(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row
