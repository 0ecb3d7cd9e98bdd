"""Every error that the platform raises on purpose. A message says what, how much, and what to do.

MLAssetsError
├── ProblemError           a problem's declaration cannot be used
│   └── LeakageError       a feature reads what is not known at the moment of prediction
├── SourceError            a source file cannot be read
├── ContractError          the data broke its promise
├── InsufficientData       too few rows to say anything
├── StorageError           a store cannot do what was asked
│   ├── TableNotFound
│   ├── WriteConflict
│   ├── StoreOverloaded    more waits to be written than the store keeps up with
│   └── ArtifactError      a bundle is missing or is not what its name says
├── TrainingError          a model cannot be trained as declared
│   ├── ProtectedFeature   a protected attribute, or what stands for one, is among the features
│   └── Pruned             a trial is not worth going on with
├── ExperimentError        an experiment cannot be declared or run as asked
├── RegistryError          the registry cannot do what was asked
│   ├── VersionNotFound
│   ├── NotPromotable
│   └── NotExportable      a fitted step has no equal in the format that was asked for
├── InferenceError         a prediction cannot be made as asked
│   ├── NotCompilable      a fitted step, or a feature, has no direct path
│   └── InvalidRows        rows do not hold the part of the contract that is known by then
├── FeedbackError          feedback cannot be taken as it was sent
└── RequestRefused         a request to the prediction service cannot be taken
"""

from collections.abc import Sequence
from typing import NamedTuple

SHOWN = 3
"""Broken rules that a message names."""


class MLAssetsError(Exception):
    """Whatever the platform refuses; its message is meant for the person who asked."""


class ProblemError(MLAssetsError):
    """A problem's declaration cannot be used."""


class LeakageError(ProblemError):
    """A feature reads what is not known at the moment of prediction."""


class SourceError(MLAssetsError):
    """A source file cannot be read; the message names the file and, where it can, the line."""


class ContractError(MLAssetsError):
    """The data broke its promise, so the partition was not written."""


class InsufficientData(MLAssetsError):  # noqa: N818 - the field's word for it
    """Too few rows to say anything."""

    def __init__(self, what: str, *, rows: int, needed: int, unit: str = "rows") -> None:
        super().__init__(f"{what} needs at least {needed:,} {unit}, got {rows:,}.")


class StorageError(MLAssetsError):
    """A store cannot do what was asked."""


class TableNotFound(StorageError):  # noqa: N818 - named after what happened
    """No such table, or no such partition in it."""


class WriteConflict(StorageError):  # noqa: N818 - named after what happened
    """Somebody else wrote the same partition at the same time."""


class StoreOverloaded(StorageError):  # noqa: N818 - named after what happened
    """More waits to be written than the store keeps up with; trying again later helps."""


class ArtifactError(StorageError):
    """A bundle is missing, or is not what its name says."""


class TrainingError(MLAssetsError):
    """A model cannot be trained as declared."""


class ProtectedFeature(TrainingError):  # noqa: N818 - named after what happened
    """A protected attribute, or what stands for one, is among the features."""


class Pruned(TrainingError):  # noqa: N818 - named after what happened
    """A trial is not worth going on with; the message says since when, and against what."""


class ExperimentError(MLAssetsError):
    """An experiment cannot be declared or run as asked."""


class RegistryError(MLAssetsError):
    """The registry cannot do what was asked."""


class VersionNotFound(RegistryError):  # noqa: N818 - named after what happened
    """No such model version."""


class NotPromotable(RegistryError):  # noqa: N818 - named after what happened
    """The challenger stays a challenger; the message says by how much it missed."""


class NotExportable(RegistryError):  # noqa: N818 - named after what happened
    """A fitted step has no equal in the format that was asked for; the message names it."""


class InferenceError(MLAssetsError):
    """A prediction cannot be made as asked."""


class NotCompilable(InferenceError):  # noqa: N818 - named after what happened
    """A fitted step, or a feature, has no direct path; the message names it and says why."""


class BrokenField(NamedTuple):
    """One value of one row that breaks a rule."""

    row: int
    """Which row, from 0."""
    field: str
    rule: str
    value: str


class InvalidRows(InferenceError):  # noqa: N818 - named after what happened
    """Rows do not hold the part of the contract that is known at the moment of prediction.

    Attributes:
        broken: Every rule that a row broke, in the order of the rows.
    """

    def __init__(self, broken: Sequence[BrokenField], *, rows: int) -> None:
        bad = len({each.row for each in broken})
        shown = "; ".join(
            f"row {each.row}: {each.rule}, got {each.value}" for each in broken[:SHOWN]
        )
        more = f" (and {len(broken) - SHOWN:,} more)" if len(broken) > SHOWN else ""
        super().__init__(
            f"{bad:,} of {rows:,} rows cannot be predicted. {shown}{more}. Correct them and ask again."
        )
        self.broken = tuple(broken)


class FeedbackError(MLAssetsError):
    """Feedback cannot be taken as it was sent; the message names the field."""


class RequestRefused(MLAssetsError):  # noqa: N818 - named after what happened
    """A request to the prediction service cannot be taken.

    Attributes:
        status: Of the HTTP answer.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
