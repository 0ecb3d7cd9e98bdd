"""What would the model say if this row were another? Fields are changed, and both are answered.

The row goes the way of every request: held to the contract, made into features, answered by the
model. Nothing is logged, since nobody acts on it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_assets.errors import FeedbackError, InferenceError
from ml_assets.feedback.log import predictions_by_id
from ml_assets.inference import Predictor
from ml_assets.problem import Problem
from ml_assets.storage import Home


class Change(NamedTuple):
    """One field, before and after."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """Two answers of one model.

    Attributes:
        version: The model's.
        before: Probability, or value, of the row as it is.
        after: Of the changed row.
        difference: After minus before.
        decision_before: What the threshold makes of it; None of a regression.
        decision_after: Likewise.
        changes: Fields that were given another value.
        features: Features that are another one therefore, before and after.
    """

    version: str
    before: float
    after: float
    difference: float
    decision_before: bool | None
    decision_after: bool | None
    changes: tuple[Change, ...]
    features: tuple[Change, ...]

    @property
    def turns(self) -> bool:
        """Whether the decision is another one."""
        return self.decision_before is not self.decision_after


def what_if(predictor: Predictor, row: Mapping[str, Any], changes: Mapping[str, Any]) -> WhatIf:
    """Change fields of a row, and compare the answers.

    Args:
        predictor: The model.
        row: As a client would send it.
        changes: Field to its new value; None takes the value away.

    Raises:
        InvalidRows: If the row, or the changed one, breaks the contract.
    """
    before, after = predictor.answer(row), predictor.answer({**row, **changes})
    one, other = before.prediction, after.prediction
    return WhatIf(
        version=predictor.version,
        before=one.value,
        after=other.value,
        difference=other.value - one.value,
        decision_before=one.decision,
        decision_after=other.decision,
        changes=_changed(row, {**row, **changes}, changes),
        features=_changed(before.features, after.features, after.features),
    )


def _changed(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, Any]
) -> tuple[Change, ...]:
    found = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(one for one in found if one.before != one.after)


def row_of_prediction(
    problem: Problem, home: Home, prediction_id: str
) -> tuple[dict[str, Any], str]:
    """The row that a prediction was asked about, and the version that answered.

    Raises:
        FeedbackError: If the log has no such prediction.
    """
    found = predictions_by_id(problem, home, [prediction_id]).get(prediction_id)
    if found is None:
        raise FeedbackError(
            f"The prediction log of {problem.name} has no {prediction_id}. Ids come with every "
            "answer of the service."
        )
    return json.loads(found.input), found.model_version


def read_changes(problem: Problem, changes: Sequence[str]) -> dict[str, Any]:
    """Fields and values written as `field=value`; an empty value, or null, takes it away.

    Raises:
        InferenceError: If one is not written so, or names what a request cannot say.
    """
    found: dict[str, Any] = {}
    for text in changes:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise InferenceError(f"{text!r} is no change. Write it as field=value.")
        if problem.request_hook is None and name not in problem.known_columns:
            raise InferenceError(
                f"{name} cannot be changed: the model reads nothing of it. Fields are "
                f"{', '.join(problem.known_columns)}."
            )
        found[name] = None if value in ("", "null") else value
    return found
