"""The semantic version of a model: computed from two manifests by a rule, and explained.

The number says what a reader of the predictions must expect against the version registered
before it, `major.minor.patch`:

| part | rises when |
|---|---|
| major | what goes in or comes out changed: the features or their types, the target, its meaning or its classes, the kind; or the training rows at least doubled and the KPI gained a tenth |
| minor | the design changed: algorithm, hyperparameters, code of contract, features, hooks or training; or the training rows grew by a quarter; or the KPI moved by a twentieth |
| patch | none of these: the same design, fitted again on other rows, or in another environment |

The first version is 1.0.0. Gains and moves of the KPI are shares of its earlier value, both
measured on the validation split of their own training set. A number is given once and never
reused; which versions answered when is in the release log.
"""

from typing import Literal, NamedTuple

from ml_assets.evaluation import metric_named
from ml_assets.registry.manifest import Manifest

FIRST = "1.0.0"
DOUBLED = 1.0
LEAP = 0.10
GROWN = 0.25
MOVED = 0.05


class Number(NamedTuple):
    """A semantic version, and why it is this one."""

    number: str
    level: Literal["first", "major", "minor", "patch"]
    reasons: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """Why it is this one, for the model card."""
        return f"{self.level}: {'; '.join(self.reasons)}"


def next_number(before: Manifest | None, last: str | None, after: Manifest) -> Number:
    """Number the model `after`, which follows `before`, numbered `last`."""
    if before is None or last is None:
        return Number(FIRST, "first", ("the problem's first model",))
    major, minor, patch = (int(part) for part in last.split("."))
    if reasons := _breaks(before, after):
        return Number(f"{major + 1}.0.0", "major", reasons)
    if reasons := _redesigns(before, after):
        return Number(f"{major}.{minor + 1}.0", "minor", reasons)
    return Number(f"{major}.{minor}.{patch + 1}", "patch", ("the same design, fitted again",))


def _breaks(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Why a reader of the predictions must look again."""
    ours, theirs = before.signature, after.signature
    reasons = _feature_changes(ours.features, theirs.features)
    reasons += [
        f"{name} was {getattr(ours, name)}, is {getattr(theirs, name)}"
        for name in ("target", "positive", "kind", "classes")
        if getattr(ours, name) != getattr(theirs, name)
    ]
    grown, gained = _growth(before, after), _kpi_gain(before, after)
    if grown >= DOUBLED and gained >= LEAP:
        reasons.append(f"training rows grew by {grown:.0%} and the KPI gained {gained:.0%}")
    return tuple(reasons)


def _redesigns(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """What about the design is new."""
    reasons = []
    if before.algorithm.estimator != after.algorithm.estimator:
        reasons.append(
            f"algorithm was {before.algorithm.estimator}, is {after.algorithm.estimator}"
        )
    elif before.algorithm.hyperparameters_hash != after.algorithm.hyperparameters_hash:
        reasons.append("hyperparameters changed")
    ours, theirs = before.code.model_dump(), after.code.model_dump()
    reasons += [f"code of {name} changed" for name in ours if ours[name] != theirs[name]]
    if (grown := _growth(before, after)) >= GROWN:
        reasons.append(f"training rows grew by {grown:.0%}")
    if abs(gained := _kpi_gain(before, after)) >= MOVED:
        reasons.append(f"the KPI moved by {gained:+.0%}")
    return tuple(reasons)


def _feature_changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    retyped = [name for name in before.keys() & after.keys() if before[name] != after[name]]
    named = {"new features": new, "features gone": gone, "features retyped": sorted(retyped)}
    return [f"{what}: {', '.join(names)}" for what, names in named.items() if names]


def _growth(before: Manifest, after: Manifest) -> float:
    """By which share the training rows grew."""
    ours, theirs = (manifest.data.rows.get("train", 0) for manifest in (before, after))
    return theirs / ours - 1 if ours else 0.0


def _kpi_gain(before: Manifest, after: Manifest) -> float:
    """By which share the KPI became better; 0 where the two cannot be compared."""
    kpi = after.algorithm.kpi
    ours, theirs = (one.metrics.get("validation", {}).get(kpi) for one in (before, after))
    if before.algorithm.kpi != kpi or not ours or theirs is None:
        return 0.0
    gain = (theirs - ours) / abs(ours)
    return gain if metric_named(kpi).higher_is_better else -gain
