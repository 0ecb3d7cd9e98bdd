"""The two sides of an experiment: everything that makes a model, written down, by axis.

The control is what there is, the variant what is tried. Each has one estimator, so that a change
of its hyperparameters is seen whoever would have won a competition.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from ml_assets.errors import ExperimentError
from ml_assets.problem.config import Encoder, Estimator, Local, Training

Axis = Literal["data", "features", "algorithm", "hyperparameters"]
AXES: tuple[Axis, ...] = get_args(Axis)

OWN_FEATURES = "the problem's own"


class Arm(BaseModel):
    """One side of an experiment.

    Attributes:
        training_set: Id of the training set that it learns from.
        window: Only the newest so many partitions of it; all where None.
        features: `module:function`, or the problem's own.
        encoders: Feature to how it becomes numbers.
        estimator: Its name in `config.yaml`.
        kind: What that is.
        local: Models of its own for large groups, where it has any.
        hyperparameters: As declared; the rest is what the estimator has by itself.
        seed: Of everything random.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    training_set: str
    window: int | None
    features: str
    encoders: dict[str, Encoder]
    estimator: str
    kind: str
    hyperparameters: dict[str, Any]
    local: Local | None = None
    seed: int

    def on(self, axis: Axis) -> object:
        """What it has on one axis; equal values are the same."""
        match axis:
            case "data":
                return self.training_set, self.window
            case "features":
                return self.features, self.encoders, list(self.encoders)
            case "algorithm":
                return self.kind, self.local
            case "hyperparameters":
                return self.hyperparameters, self.seed

    def training(self, of: Training) -> Training:
        """The section `training` that this side is fitted by."""
        estimator = Estimator(
            kind=self.kind, hyperparameters=self.hyperparameters, local=self.local
        )
        changed = {
            "estimators": {self.estimator: estimator},
            "encoders": self.encoders,
            "seed": self.seed,
            "window_partitions": self.window,
        }
        return of.model_copy(update=changed)


def axes_named(text: str) -> tuple[Axis, ...]:
    """The axes that a person names, such as `data,features`.

    Raises:
        ExperimentError: If there is no such axis.
    """
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in AXES]:
        raise ExperimentError(
            f"There is no axis {', '.join(unknown)}; there are: {', '.join(AXES)}."
        )
    return tuple(axis for axis in AXES if axis in wanted)


def changed_axes(
    control: Arm, variant: Arm, *, declared: Mapping[str, Any]
) -> tuple[Axis, ...]:
    """The axes on which two sides differ.

    Args:
        control: One side.
        variant: The other side.
        declared: Hyperparameters that the variant's estimator has without any change; an
            algorithm brings its own, which is no second change.
    """
    differing = [axis for axis in AXES if control.on(axis) != variant.on(axis)]
    brings_its_own = (
        "algorithm" in differing
        and variant.hyperparameters == declared
        and variant.seed == control.seed
    )
    return tuple(a for a in differing if not (a == "hyperparameters" and brings_its_own))


def differences(control: Arm, variant: Arm) -> tuple[str, ...]:
    """What differs, as `place: before, now after`."""
    sides = [dict(_flat("", each.model_dump())) for each in (control, variant)]
    places = sorted({*sides[0], *sides[1]})
    return tuple(
        f"{place}: {_shown(sides[0], place)}, now {_shown(sides[1], place)}"
        for place in places
        if _shown(sides[0], place) != _shown(sides[1], place)
    )


def flat(arm: Arm) -> dict[str, str]:
    """Every value of a side as text, by its place."""
    return {place: str(value) for place, value in _flat("", arm.model_dump())}


def _flat(place: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        return [
            found
            for name, inner in value.items()
            for found in _flat(f"{place}.{name}".removeprefix("."), inner)
        ]
    return [(place, value)]


def _shown(side: Mapping[str, object], place: str) -> str:
    return str(side[place]) if place in side else "nothing"
