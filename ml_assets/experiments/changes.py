"""What a person changes, as data: `training.estimators.logistic.hyperparameters.C=0.1`.

A change is laid over the problem's configuration and checked like the file itself, so that an
unknown key is refused with the nearest name that there is.
"""

import difflib
import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from ml_assets.errors import ExperimentError
from ml_assets.experiments.arms import OWN_FEATURES, Arm
from ml_assets.problem import Config, Problem
from ml_assets.problem.config import Training
from ml_assets.training.encoders import column_transformer
from ml_assets.training.estimators import kind_named, unfitted
from ml_assets.training.outcome import ruled_out

SETTABLE = (
    "training.estimators",
    "training.encoders",
    "training.seed",
    "training.window_partitions",
)
"""Other values are of the training set, or of how models are measured, which stays."""


class Changes(NamedTuple):
    """What is asked for; what is None stays."""

    set: tuple[str, ...] = ()
    """`place=value`; values are YAML."""
    window: int | None = None
    training_set: str | None = None
    features: str | None = None
    """`module:function`."""
    algorithm: str | None = None
    """An estimator of `config.yaml`."""

    @property
    def texts(self) -> tuple[str, ...]:
        """As a person wrote them."""
        named = {
            "window": self.window,
            "training_set": self.training_set,
            "features": self.features,
            "algorithm": self.algorithm,
        }
        given = [f"{name}={value}" for name, value in named.items() if value is not None]
        return (*self.set, *given)


def changed(problem: Problem, control: Arm, changes: Changes) -> Arm:
    """The variant of a control.

    Raises:
        ExperimentError: If a change names what is not there, or what is no part of an experiment.
        ProblemError: If a value is none that `config.yaml` may have.
        TrainingError: If an estimator or encoder does not know what it is told.
    """
    training = _overridden(problem, control.training(problem.config.training), control, changes)
    name = changes.algorithm or control.estimator
    if name not in training.estimators:
        raise ExperimentError(_unknown(f"--algorithm {name}", name, list(training.estimators)))
    window = changes.window or training.window_partitions
    if changes.features is not None:
        feature_function(changes.features)
    variant = Arm(
        training_set=changes.training_set or control.training_set,
        window=window,
        features=changes.features or control.features,
        encoders=training.encoders,
        estimator=name,
        kind=training.estimators[name].kind,
        hyperparameters=training.estimators[name].hyperparameters,
        local=training.estimators[name].local,
        seed=training.seed,
    )
    require_fittable(problem, variant)
    return variant


def require_fittable(problem: Problem, arm: Arm) -> None:
    """Refuse a side whose estimator or encoders do not know what they are told."""
    estimator = arm.training(problem.config.training).estimators[arm.estimator]
    kind = kind_named(arm.estimator, estimator, predicts=problem.config.kind)
    if why := ruled_out(problem, kind):
        raise ExperimentError(f"{arm.estimator} {why}.")
    unfitted(arm.estimator, estimator, kind, seed=arm.seed)
    column_transformer(arm.encoders, kind.family, seed=arm.seed)


def feature_function(name: str) -> "Callable[..., Any]":
    """The function that `module:function` names.

    Raises:
        ExperimentError: If there is none.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise ExperimentError(f"--features {name}: {error}. Write module:function.") from None
    if not callable(found):
        raise ExperimentError(
            f"--features {name}: {module} has no function {function!r}. Write module:function."
        )
    return found


def features_of(problem: Problem, arm: Arm) -> "Callable[..., Any]":
    """The feature function of a side."""
    own = arm.features == OWN_FEATURES
    return problem.features if own else feature_function(arm.features)


def _overridden(
    problem: Problem, training: Training, control: Arm, changes: Changes
) -> Training:
    """The section `training` with every `place=value` laid over it."""
    values = problem.config.model_dump(mode="json")
    declared = values["training"]["estimators"]
    values["training"] = training.model_dump(mode="json")
    # The other estimators stay known: one of them may be tried.
    own = values["training"]["estimators"]
    values["training"]["estimators"] = {**declared, control.estimator: own[control.estimator]}
    for change in changes.set:
        _lay_over(values, change)
    return Config.from_values(values, where="The configuration with --set").training


def _lay_over(values: dict[str, Any], change: str) -> None:
    place, is_given, text = change.partition("=")
    place = place.strip()
    if not is_given:
        raise ExperimentError(f"--set {change} has no value. Write place=value.")
    if not place.startswith(SETTABLE):
        raise ExperimentError(
            f"--set {place}: an experiment may change {', '.join(SETTABLE)}. Other values make "
            "another training set: build it, and compare it by --training-set ID."
        )
    *parents, last = place.split(".")
    section = values
    for name in parents:
        if not isinstance(section.get(name), dict):
            raise ExperimentError(_unknown(f"--set {place}", name, list(section)))
        section = section[name]
    section[last] = _value(text)


def _value(text: str) -> Any:
    """A value as JSON or YAML has it; YAML alone takes 1e-6 for a text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ExperimentError(f"--set: {text} is no value: {error}") from None


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}."
    return f"{what}: there is no {name!r}; {hint}"
