"""The values that a study may choose from: `tuning.space` as Optuna draws from it.

A value has a name such as `logistic.hyperparameters.C` or `logistic.encoders.story.min_df`, and
`estimator` says whose values a trial has. Nothing is fitted here.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ml_assets.errors import TrainingError
from ml_assets.problem import Problem
from ml_assets.problem.config import Encoder, Space, Span, Training
from ml_assets.training.encoders import default_options
from ml_assets.training.estimators import KINDS, default_arguments, kind_named
from ml_assets.training.outcome import ruled_out

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

ESTIMATOR = "estimator"

Values = Mapping[str, Any]
"""Name to value; as JSON has them."""


def require_known(training: Training, space: Mapping[str, Space]) -> None:
    """Refuse a space over what `training` does not have.

    Raises:
        TrainingError: With the nearest name that there is.
    """
    for name, of in space.items():
        _require_one("tuning.space", name, training.estimators)
        for feature in of.encoders:
            _require_one(f"tuning.space.{name}.encoders", feature, training.encoders)


def searched(problem: Problem) -> tuple[dict[str, Space], dict[str, str]]:
    """The space of estimators that may make the model, and why the others may not, by name."""
    training, space = problem.config.training, problem.config.tuning.space
    kinds = {
        name: kind_named(name, training.estimators[name], predicts=problem.config.kind)
        for name in space
    }
    reasons = {name: ruled_out(problem, kind) for name, kind in kinds.items()}
    left = {name: of for name, of in space.items() if reasons[name] is None}
    return left, {name: why for name, why in reasons.items() if why is not None}


def _require_one(place: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}."
        raise TrainingError(f"{place}: training has no {name!r}; {hint}")


def drawn(draw: "BaseTrial", space: Mapping[str, Space]) -> Values:
    """Let Optuna choose an estimator, and its values."""
    estimator = str(draw.suggest_categorical(ESTIMATOR, list(space)))
    values = {name: _drawn(draw, name, span) for name, span in spans(estimator, space)}
    return {ESTIMATOR: estimator, **values}


def as_optuna_has_them(values: Values, space: Mapping[str, Space]) -> dict[str, Any] | None:
    """The values of a trial as Optuna wants to be told of them; None where some are missing."""
    told = {ESTIMATOR: values[ESTIMATOR]}
    for name, span in spans(str(values[ESTIMATOR]), space):
        if name not in values:
            return None
        told[name] = json.dumps(values[name]) if span.choices else values[name]
    return told


def declared_values(training: Training, space: Mapping[str, Space]) -> list[Values]:
    """What `training` says, estimator by estimator: the first trials, to be beaten.

    A value outside the space is left out, and so stays what `training` says.
    """
    return [{ESTIMATOR: name, **dict(_declared(training, name, space))} for name in space]


def applied(training: Training, values: Values) -> Training:
    """The section `training` with one estimator, and the values of a trial.

    Raises:
        TrainingError: If the section no longer has what the values are for.
    """
    name = str(values[ESTIMATOR])
    if name not in training.estimators:
        raise TrainingError(
            f"The trial is of the estimator {name}, which training.estimators no longer has. "
            "Put it back, or run `ml-assets tune` again."
        )
    estimator, encoders = training.estimators[name], dict(training.encoders)
    hyperparameters = dict(estimator.hyperparameters)
    for place, value in values.items():
        match place.split(".", 2):
            case [_, "hyperparameters", parameter]:
                hyperparameters[parameter] = value
            case [_, "encoders", rest]:
                feature, option = rest.rsplit(".", 1)
                encoders[feature] = _with_option(encoders, feature, option, value)
    tuned = estimator.model_copy(update={"hyperparameters": hyperparameters})
    return training.model_copy(update={"estimators": {name: tuned}, "encoders": encoders})


def spans(estimator: str, space: Mapping[str, Space]) -> Iterator[tuple[str, Span]]:
    """Every value of an estimator that may be chosen, by name."""
    of = space[estimator]
    for parameter, span in of.hyperparameters.items():
        yield f"{estimator}.hyperparameters.{parameter}", span
    for feature, options in of.encoders.items():
        for option, span in options.items():
            yield f"{estimator}.encoders.{feature}.{option}", span


def _drawn(draw: "BaseTrial", name: str, span: Span) -> Any:
    if span.choices:
        # Optuna's choices are scalars; a list, such as a range of n-grams, is one as text.
        texts = [json.dumps(choice) for choice in span.choices]
        return json.loads(str(draw.suggest_categorical(name, texts)))
    low, high = span.low, span.high
    if isinstance(low, int) and isinstance(high, int):
        step = 1 if span.step is None else int(span.step)
        return draw.suggest_int(name, low, high, log=span.log, step=step)
    if low is None or high is None:
        raise TrainingError(f"tuning.space: {name} has neither a range nor choices.")
    return draw.suggest_float(name, low, high, log=span.log, step=span.step)


def _declared(
    training: Training, estimator: str, space: Mapping[str, Space]
) -> Iterator[tuple[str, Any]]:
    """Values that the model has without tuning, where the space has them."""
    of, own = space[estimator], training.estimators[estimator]
    kind = KINDS.get(own.kind)
    given = {
        **({} if kind is None else {**default_arguments(kind.estimator), **kind.defaults}),
        **own.hyperparameters,
    }
    for parameter, span in of.hyperparameters.items():
        if parameter in given and _is_inside(given[parameter], span):
            yield f"{estimator}.hyperparameters.{parameter}", given[parameter]
    for feature, options in of.encoders.items():
        encoder = training.encoders[feature]
        known = {**default_options(encoder.kind), **encoder.options}
        for option, span in options.items():
            if option in known and _is_inside(known[option], span):
                yield f"{estimator}.encoders.{feature}.{option}", known[option]


def _is_inside(value: Any, span: Span) -> bool:
    if span.choices:
        return value in span.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (
        is_number
        and span.low is not None
        and span.high is not None
        and (span.low <= value <= span.high)
    )


def _with_option(
    encoders: Mapping[str, Encoder], feature: str, option: str, value: Any
) -> Encoder:
    if feature not in encoders:
        raise TrainingError(
            f"The trial has an encoder of {feature}, which training.encoders no longer has. "
            "Put it back, or run `ml-assets tune` again."
        )
    encoder = encoders[feature]
    return encoder.model_copy(update={"options": {**encoder.options, option: value}})
