"""The typed model of a problem's `config.yaml`; a key that it does not know is refused.

Everything that a person may want to change without touching code is here, and nothing else.
Shares and rates lie in [0, 1]. Durations are days, as their names say.
"""

import datetime as dt
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml_assets.errors import ProblemError
from ml_assets.problem.duplicates import Duplicates

Share = Annotated[float, Field(ge=0, le=1)]
Grain = Literal["daily", "weekly", "monthly"]
Weight = Annotated[float, Field(gt=0, le=1)]
Trigger = Literal[
    "feedback",
    "drift",
    "schedule",
    "manual",
    "code",
    "performance",
    "bug fix",
    "legislation",
    "bias",
    "new KPI",
    "new feature",
]
"""Why a model is trained again."""
Encoding = Literal["one_hot", "ordinal", "hash", "scale", "pass", "tfidf", "text_hash"]


class Strict(BaseModel):
    """A section of the file: frozen, and without room for keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read and check a YAML file.

        Raises:
            ProblemError: Every key that is unknown, missing or wrong, with its place in the file
                and the nearest known name.
        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            message = f"{path} is not YAML: {error}"
            raise ProblemError(message) from None
        return cls.from_values(values, where=str(path))

    @classmethod
    def from_values(cls, values: object, *, where: str) -> Self:
        """Check the values of a YAML file that came from `where`."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [_explain(cls, found) for found in error.errors()]
            raise ProblemError(f"{where} cannot be used:\n  " + "\n  ".join(lines)) from None


class Source(Strict):
    """Where rows come from, and how their text is read."""

    origin: str = Field(description="Who publishes the data, and where.")
    terms: str = Field(description="Under which terms it was collected and may be used.")
    aliases: dict[str, list[str]] = Field(
        default={}, description="Contract column to the other names that sources give it."
    )
    optional: list[str] = Field(
        default=[], description="Contract columns that a source may lack altogether."
    )
    undated: dt.date | None = Field(
        default=None,
        description="Event time of all rows of a source that says none; without it such a source is "
        "refused.",
    )
    missing: list[str] = Field(
        default=["", "N/A", "NaN", "None", "null"], description="Texts that mean no value."
    )
    true: list[str] = Field(default=["Yes", "true", "1"], description="Texts that mean yes.")
    false: list[str] = Field(default=["No", "false", "0"], description="Texts that mean no.")
    decimal: Literal[".", ","] = Field(default=".", description="Stands before decimals.")
    thousands: Literal["", ",", ".", "'", " "] = Field(
        default="", description="Stands between groups of three digits."
    )
    around_numbers: list[str] = Field(
        default=[],
        description="Signs and units that stand at numbers and say nothing, such as $ or m2.",
    )
    date_formats: list[str] = Field(
        default=["%Y-%m-%d"],
        description="strptime formats tried in turn, beside ISO 8601 times.",
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.decimal == self.thousands:
            msg = f"decimal and thousands cannot both be {self.decimal!r}"
            raise ValueError(msg)
        return self


class Partitions(Strict):
    """How the problem's tables are cut: by event time, and perhaps by location."""

    grain: Grain = "monthly"
    start: dt.date = Field(description="The first partition begins here.")
    by: str | None = Field(
        default=None,
        description="Contract column of the location, where tables are cut by location, too.",
    )


class Label(Strict):
    """What a label is worth, and when it can be trusted."""

    positive: str = Field(description="In words: what a label of 1 says.")
    delay_days: int = Field(ge=0, description="From the event until the label can be trusted.")


class KPI(Strict):
    """The metric that chooses the winner."""

    metric: str
    formula: str = Field(description="In words, for people who read the model card.")
    direction: Literal["higher", "lower"] = "higher"
    floor: float = Field(description="A model on the wrong side of it is never promoted.")
    owner: str


class StatisticLimit(Strict):
    """What happens when one statistic of a partition leaves its reference."""

    limit: float = Field(ge=0)
    action: Literal["refuse", "warn"] = "warn"
    significance: Share | None = Field(
        default=None, description="Instead of gate.significance, for this statistic."
    )


class Gate(Strict):
    """When a partition is refused, beside what its contract says."""

    max_quarantine_rate: Share = 0.05
    min_rows: int = Field(default=1, ge=1, description="Fewer rows than this is no partition.")
    reference_partitions: int = Field(
        default=12, ge=1, description="How many earlier partitions make the reference."
    )
    min_reference_rows: int = Field(
        default=100, ge=1, description="With fewer, statistics have nothing to be held against."
    )
    significance: Share = Field(
        default=0.001, description="A difference that chance explains this often is no alert."
    )
    # 21 positives of 30 are told from an even reference of 100 rows; at 0.05 they are not.
    class_balance: StatisticLimit = StatisticLimit(
        limit=0.10, action="refuse", significance=0.06
    )
    new_categories: StatisticLimit = StatisticLimit(limit=0.05, action="refuse")
    distribution: StatisticLimit = StatisticLimit(limit=0.25, action="warn")
    missing_rate: StatisticLimit = StatisticLimit(limit=0.20, action="warn")
    out_of_range: StatisticLimit = StatisticLimit(limit=0.05, action="warn")
    category_count: StatisticLimit = StatisticLimit(limit=0.50, action="warn")
    freshness_days: int | None = Field(
        default=None, description="An event older than this when it arrives is a warning."
    )
    accept_imbalance: bool = Field(
        default=False,
        description="Let an unusual class balance in; training.imbalance must then remedy it.",
    )


class Slices(Strict):
    """The groups of rows that are measured on their own."""

    columns: list[str] = []
    pairs: list[tuple[str, str]] = Field(
        default=[], description="Columns that the analysis looks at two at a time."
    )
    bins: int = Field(
        default=5, ge=2, le=100, description="That the analysis cuts numbers and times into."
    )
    min_rows: int = Field(default=100, ge=1)
    tolerance: Share = Field(
        default=0.05, description="How far the KPI of a slice may fall at a promotion."
    )


class Threshold(Strict):
    """What wrong decisions cost; the threshold that costs least on validation rows decides."""

    cost_false_positive: float = Field(
        gt=0, description="Of deciding yes where the label is no."
    )
    cost_false_negative: float = Field(
        gt=0, description="Of deciding no where the label is yes, in the same unit."
    )


class Proxies(Strict):
    """How well the features may predict a protected attribute."""

    limit: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Area under the ROC curve, cross-validated; 0.5 is chance, 1 certainty.",
    )
    action: Literal["refuse", "warn"] = "refuse"
    max_rows: int = Field(default=5_000, ge=100, description="Rows that are searched, at most.")


class GroupLimits(Strict):
    """The largest difference between two groups that a model may have, in [0, 1]."""

    demographic_parity: Share | None = Field(
        default=None, description="In the share of rows decided positive."
    )
    equalized_odds: Share | None = Field(
        default=None, description="In true or false positive rate, whichever differs more."
    )
    calibration: Share | None = Field(
        default=None, description="In mean prediction minus share of positive labels."
    )
    mean_error: Share | None = Field(
        default=None,
        description="Of a regression: in mean error, as a share of the mean label.",
    )
    absolute_error: Share | None = Field(
        default=None, description="Of a regression: in mean distance, likewise."
    )


class Fairness(Strict):
    """What keeps protected attributes out of models, and their groups alike."""

    not_protected: dict[str, str] = Field(
        default={},
        description="Column or feature whose name only sounds protected, to what it is.",
    )
    min_rows: int = Field(default=50, ge=2, description="A group with fewer is not judged.")
    unjudged: Literal["refuse", "warn"] = Field(
        default="refuse",
        description="When limits are declared, and fewer than two groups can be judged.",
    )
    proxies: Proxies = Proxies()
    groups: dict[str, GroupLimits] = Field(
        default={}, description="Protected column to what keeps a model from promotion."
    )


class Split(Strict):
    """Which rows are held out; the split is a function of the row, so it cannot leak."""

    by: Literal["time", "entity"] = "time"
    test_share: Share = 0.2
    validation_share: Share = Field(
        default=0.2,
        description="Of the rows that are not held out: where the winner is chosen.",
    )
    max_label_difference: Share = Field(
        default=0.15, description="Between the label shares of train and test."
    )


class Encoder(Strict):
    """How one feature becomes numbers, inside the model's pipeline."""

    kind: Encoding
    options: dict[str, Any] = {}


class Local(Strict):
    """Groups of rows that get a model of their own; the others have the one of all rows."""

    by: str = Field(description="A feature of text, such as a location.")
    min_rows: int = Field(
        default=500, ge=2, description="To fit on, below which a group has none of its own."
    )


class Estimator(Strict):
    """One algorithm that competes; `hyperparameters` go to its constructor as they are."""

    kind: str = Field(description="A name that training.estimators knows, e.g. logistic.")
    hyperparameters: dict[str, Any] = {}
    local: Local | None = Field(
        default=None, description="Beside the model of all rows, one for each large group."
    )


class Target(Strict):
    """On which scale a regression is fitted; answers are in the label's unit either way."""

    transform: Literal["none", "log"] = "none"


class Interval(Strict):
    """The interval that a regression gives with each value."""

    coverage: float = Field(
        default=0.9, gt=0, lt=1, description="Share of labels that fall inside."
    )
    by: str | None = Field(
        default=None,
        description="A feature of text: each of its values has an interval of its own width.",
    )
    min_rows: int = Field(
        default=100, ge=1, description="To calibrate on; a smaller group has the common width."
    )
    share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Of the validation rows: no model sees them, intervals are calibrated on them.",
    )


class Training(Strict):
    """How models are fitted."""

    estimators: dict[str, Estimator]
    encoders: dict[str, Encoder] = Field(description="Feature to how it becomes numbers.")
    seed: int = 0
    window_partitions: int | None = Field(
        default=None,
        ge=1,
        description="Train on the newest so many partitions; all by default.",
    )
    min_rows: int = Field(
        default=200, ge=2, description="Labelled rows, below which none is fitted."
    )
    min_rows_per_class: int = Field(default=20, ge=1)
    imbalance: Literal["none", "class_weight", "undersample"] = "none"
    memory_limit_mb: int = Field(
        default=4096, ge=64, description="A training set larger than this is fitted in batches."
    )
    batch_rows: int = Field(default=50_000, ge=100)
    checkpoint_every: int = Field(
        default=1, ge=1, description="Epochs between two checkpoints."
    )
    hyperparameters: str = Field(
        default="declared",
        description="declared: those above. tuned: the best trial's. STUDY#3: those of a trial.",
    )
    target: Target = Target()
    interval: Interval | None = Field(
        default=None, description="Of a regression; without it answers are values alone."
    )


class Span(Strict):
    """The values that tuning may choose from: a range of numbers, or a list of choices.

    Whole numbers at both ends give whole numbers.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="Draw the logarithm evenly.")
    step: int | float | None = None
    choices: list[Any] = []

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Self:
        is_range = self.low is not None and self.high is not None
        if is_range == bool(self.choices):
            msg = "give either low and high, or choices"
            raise ValueError(msg)
        if self.low is not None and self.high is not None and self.low >= self.high:
            msg = f"low must be below high, got {self.low:g} and {self.high:g}"
            raise ValueError(msg)
        if self.log and (self.step is not None or (self.low is not None and self.low <= 0)):
            msg = "log needs a low above 0 and no step"
            raise ValueError(msg)
        return self


class Space(Strict):
    """What tuning may change about one estimator; the rest stays as `training` says."""

    hyperparameters: dict[str, Span] = {}
    encoders: dict[str, dict[str, Span]] = Field(
        default={}, description="Feature to option to values."
    )


class Tuning(Strict):
    """How hyperparameters are searched for; see `ml-assets tune`."""

    space: dict[str, Space] = Field(
        default={}, description="Estimators of training.estimators; with several, they compete."
    )
    trials: int = Field(default=40, ge=1, description="How many a study has in the end.")
    processes: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Trials at the same time; a trial knows those that many before it.",
    )
    timeout_minutes: float | None = Field(
        default=None, gt=0, description="No trial begins later than this."
    )
    folds: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Validation folds; with 1, the validation rows of the split.",
    )
    pruner: Literal["median", "none"] = Field(
        default="median",
        description="Gives up a trial that is poorer after a fold or epoch than half of the others.",
    )
    seed: int = 0


class Baseline(Strict):
    """The trivial model that every model must beat."""

    by: str | None = Field(
        default=None,
        description="A feature: one constant for each of its values, instead of one for all.",
    )
    min_rows: int = Field(
        default=30, ge=1, description="Of a value, below which it has the constant of all."
    )


Need = Literal[
    "answers", "fitness", "floor", "baseline", "champion", "slices", "fairness", "skew"
]
"""Something that a release can ask to be shown."""


class Promotion(Strict):
    """What a challenger must show before it answers."""

    needs: list[Need] = Field(
        default=list(get_args(Need)),
        description="What blocks a release unless it was looked at and passed.",
    )
    confidence: Share = 0.95
    resamples: int = Field(default=1000, ge=100)
    min_gain: float = Field(
        default=0.003,
        ge=0,
        description="What luck in training explains is no gain: points of the KPI, or where it has no "
        "bound a share of the champion's own.",
    )
    approval: Literal["auto", "needs_approval", "manual"] = "auto"


class Schedule(Strict):
    """When a retraining is considered even though nothing new was seen."""

    weekly: str | None = Field(
        default="0 6 * * 1", description="Cron; Monday 06:00 by default."
    )
    monthly: str | None = Field(default="0 6 1 * *", description="Cron; first of the month.")


class ImplicitEvent(Strict):
    """What something that a person did says about the label, without being asked."""

    label: float
    weight: Weight = Field(description="What it counts in training; a given label counts 1.")
    window_days: float = Field(
        gt=0, description="From the prediction; what happens later says nothing about it."
    )


class Negatives(Strict):
    """Predictions that somebody saw and did nothing about: some of them become labels of 0."""

    share: Share = Field(description="How many of them; drawn by the prediction's id.")
    weight: Weight
    window_days: float = Field(gt=0, description="Without any event until then.")
    seed: int = 0


class Rating(Strict):
    """How a rating of an answer becomes a label."""

    agrees_from: float = Field(description="From here up, the decision was right.")
    disagrees_to: float = Field(description="From here down, it was wrong.")
    weight: Weight


class Feedback(Strict):
    """What is logged of a request, and what becomes a label of it."""

    personal: list[str] = Field(
        default=[],
        description="Contract columns left out of the prediction log, beside the sensitive ones.",
    )
    implicit: dict[str, ImplicitEvent] = {}
    negatives: Negatives | None = None
    rating: Rating | None = None
    min_batch_labels: int = Field(
        default=1,
        ge=0,
        description="A batch is not sealed before it has so many; 0 seals by time alone.",
    )
    most_batches: int = Field(
        default=2_000,
        ge=2,
        description="With more, the older half is joined into one; Dagster bears 36,000.",
    )

    @property
    def longest_window_days(self) -> float:
        """How long after a prediction an implicit label may still come, or fail to."""
        windows = [event.window_days for event in self.implicit.values()]
        return max([*windows, self.negatives.window_days if self.negatives else 0.0])


class Retraining(Strict):
    """When a model is trained again, and how."""

    mode: Literal["stateless", "stateful"] = Field(
        default="stateless",
        description="From scratch on the window, or the last model with the new rows only.",
    )
    triggers: list[Trigger] = Field(
        default=["feedback", "schedule", "code"],
        description="What may start it by itself; a person always may.",
    )
    min_new_labels: int = Field(
        default=100, ge=1, description="Labels by feedback that make it worth while."
    )
    min_days_between: float = Field(default=0, ge=0, description="For what starts by itself.")


class Config(Strict):
    """A problem's `config.yaml`."""

    objective: str = Field(description="The business goal, in one sentence.")
    owner: str
    kind: Literal["binary", "regression"] = "binary"
    moments: list[str] = Field(
        min_length=1,
        description="When facts become known, in order; columns say which is theirs.",
    )
    moment_of_prediction: str
    source: Source
    partitions: Partitions
    label: Label
    kpi: KPI
    metrics: list[str] = Field(min_length=1, description="What is measured, beside the KPI.")
    protected: list[str] = Field(default=[], description="Kept for the audit, never a feature.")
    proxies: list[str] = Field(
        default=[], description="Stand for a protected fact; not features."
    )
    interpretability: Literal["optional", "required"] = Field(
        default="optional",
        description="Required: only estimators whose answers are a sum over features compete.",
    )
    threshold: Threshold | None = Field(
        default=None, description="Without it, decisions are made at 0.5."
    )
    fairness: Fairness = Fairness()
    gate: Gate = Gate()
    duplicates: Duplicates | None = Field(
        default=None,
        description="Which rows are about one thing; by default none is looked for.",
    )
    slices: Slices = Slices()
    split: Split = Split()
    training: Training
    tuning: Tuning = Tuning()
    baseline: Baseline = Baseline()
    promotion: Promotion = Promotion()
    schedule: Schedule = Schedule()
    feedback: Feedback = Feedback()
    retraining: Retraining = Retraining()

    @model_validator(mode="after")
    def _weak_labels_fit_the_kind(self) -> "Config":
        if self.kind == "regression" and (self.feedback.negatives or self.feedback.rating):
            msg = "feedback.negatives and feedback.rating need kind: binary"
            raise ValueError(msg)
        for name, event in self.feedback.implicit.items():
            if self.kind == "binary" and event.label not in (0, 1):
                msg = f"feedback.implicit.{name}: a binary label is 0 or 1, got {event.label:g}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _values_are_of_a_regression(self) -> "Config":
        training = self.training
        local = [name for name, each in training.estimators.items() if each.local]
        asked = {
            "training.target.transform": training.target.transform != "none",
            "training.interval": training.interval is not None,
            **{f"training.estimators.{name}.local": True for name in local},
        }
        if self.kind == "binary" and any(asked.values()):
            named = ", ".join(key for key, is_asked in asked.items() if is_asked)
            msg = f"{named}: only for kind: regression"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _limits_fit_the_kind(self) -> "Config":
        if self.kind == "regression" and self.threshold is not None:
            msg = "threshold needs kind: binary"
            raise ValueError(msg)
        of_values = {"mean_error", "absolute_error"}
        for attribute, limits in self.fairness.groups.items():
            declared = limits.model_dump(exclude_none=True)
            if odd := [
                one for one in declared if (one in of_values) == (self.kind == "binary")
            ]:
                msg = f"fairness.groups.{attribute}: {', '.join(odd)} is not for {self.kind} problems"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _moment_is_known(self) -> "Config":
        if self.moment_of_prediction not in self.moments:
            msg = (
                f"moment_of_prediction {self.moment_of_prediction!r} is none of {self.moments}"
            )
            raise ValueError(msg)
        return self


def _explain(model: type[BaseModel], found: Any) -> str:
    """Say where a value is wrong and, for an unknown key, which name was probably meant."""
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] != "extra_forbidden":
        return f"{place or 'the file'}: {found['msg']}"
    *parents, unknown = found["loc"]
    known = list(_section(model, parents).model_fields)
    near = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}."
    return f"{place}: unknown key; {hint}"


def _section(model: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    """Return the model of the section at `path`; names in a free mapping lead to its values."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
