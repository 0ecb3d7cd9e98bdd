"""The result of analysing a model: typed, frozen, and the same as JSON and back.

Only what it holds; how it is computed is in `analyse`. A number that is undefined is None.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from ml_assets.analysis.example import Example
from ml_assets.evaluation.closeness import Closeness
from ml_assets.evaluation.curves import Curves
from ml_assets.evaluation.fairness import AttributeFairness
from ml_assets.evaluation.importance import Contribution, Importance
from ml_assets.evaluation.thresholds import Confusion, ThresholdChoice
from ml_assets.evaluation.weaknesses import SliceScan
from ml_assets.governance import Protection


@dataclass(frozen=True, kw_only=True)
class MeasuredMetric:
    """One metric of a version, beside what it should be compared with.

    Attributes:
        name: As in `config.yaml`.
        formula: In words.
        higher_is_better: Its direction.
        value: On the test rows.
        low: Lower end of its interval.
        high: Upper end.
        train: On rows that it learned from; far from `value`, it learned them by heart.
        baseline: Of the trivial model, on the test rows.
        champion: Of the champion of the time, on those of the test rows that it had not learned from.
    """

    name: str
    formula: str
    higher_is_better: bool
    value: float | None
    low: float | None
    high: float | None
    train: float | None
    baseline: float | None
    champion: float | None


@dataclass(frozen=True, kw_only=True)
class JudgedKPI:
    """The metric that chooses the winner, as the business declared it."""

    metric: str
    formula: str
    direction: Literal["higher", "lower"]
    floor: float
    owner: str
    value: float | None
    keeps_floor: bool


@dataclass(frozen=True, kw_only=True)
class ModelImportance:
    """What the model depends on.

    Attributes:
        metric: Whose loss is measured.
        rows: Test rows that were asked about.
        features: By shuffling, most important first.
        contributions: Exact shares of the score: of a linear model, and of trees with the extra
            `shap`; None of others.
        why_not_exact: The reason, where there are none.
        path: `direct` by the compiled model, or `pipeline`.
    """

    metric: str
    rows: int
    features: tuple[Importance, ...]
    contributions: tuple[Contribution, ...] | None
    why_not_exact: str | None
    path: Literal["direct", "pipeline"]


class LearningPoint(NamedTuple):
    """The same estimator, fitted on so many rows."""

    rows: int
    train: float | None
    """The KPI on the rows that it learned from."""
    validation: float | None
    """The KPI on the validation rows."""


class LimitBroken(NamedTuple):
    """A difference between groups that is beyond its limit."""

    attribute: str
    difference: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A model version, measured whole.

    Attributes:
        problem: Name of the problem.
        objective: Its business goal.
        version: What was analysed.
        beside: The champion of the time, that its metrics stand beside; None where nobody was.
        number: The version's semantic number.
        estimator: That won the training.
        kind: Of the problem.
        at: When.
        rows: Test rows.
        train_rows: Rows that the model learned from.
        confidence: Of every interval that does not say otherwise.
        kpi: The metric that chooses, with its floor.
        metrics: The KPI first.
        threshold: From which on a decision is positive; None of a regression.
        threshold_choice: How it was chosen on the validation rows, where mistakes have a cost.
        confusion: Decisions on the test rows at the threshold; None of a regression.
        curves: ROC, precision-recall and calibration; None of a regression.
        closeness: Values against labels, by the label's size; None of probabilities.
        slices: Worst first, with how the number of slices was accounted for.
        fairness: One for each protected attribute that the test rows have.
        limits_broken: Differences between groups beyond the limits of `config.yaml`.
        protection: What the gate before training found; None where it was never asked.
        importance: What the model depends on.
        learning_curve: Of the winner's estimator, by rows; empty where it would take long.
        example: What would have turned one answer; None where nothing that was tried did.
        code: Hash of what was analysed and how.
        unchanged: Read from the store.
    """

    problem: str
    objective: str
    version: str
    beside: str | None
    number: str
    estimator: str
    kind: Literal["binary", "regression"]
    at: dt.datetime
    rows: int
    train_rows: int
    confidence: float
    kpi: JudgedKPI
    metrics: tuple[MeasuredMetric, ...]
    threshold: float | None
    threshold_choice: ThresholdChoice | None
    confusion: Confusion | None
    curves: Curves | None
    closeness: Closeness | None
    slices: SliceScan
    fairness: tuple[AttributeFairness, ...]
    limits_broken: tuple[LimitBroken, ...]
    protection: Protection | None
    importance: ModelImportance
    learning_curve: tuple[LearningPoint, ...]
    example: Example | None
    code: str
    unchanged: bool = False

    def to_json(self) -> dict[str, Any]:
        """The whole as JSON has it."""
        return _adapter().dump_python(self, mode="json")

    @classmethod
    def from_json(cls, values: object) -> "Analysis":
        """The analysis that `to_json` gave."""
        return _adapter().validate_python(values)


@cache
def _adapter() -> TypeAdapter[Analysis]:
    return TypeAdapter(Analysis)
