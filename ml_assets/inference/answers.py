"""What a model answers: of many rows column by column, and row by row for whoever asks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_assets.inference.featuring import Features
from ml_assets.inference.transposition import Columns, rows_of
from ml_assets.training.intervals import PredictionInterval


class Prediction(NamedTuple):
    """What the model answers for one row."""

    value: float
    """The probability of a positive label, or the value of a regression."""
    decision: bool | None
    """What the threshold makes of a probability; None for a regression."""
    interval: PredictionInterval | None = None
    """Around a value; None where the model gives none."""


class Answer(NamedTuple):
    """A prediction, and what the model read of the row."""

    prediction: Prediction
    features: Features
    asked: Mapping[str, Any] | None = None
    """The row as the request hook left it; None without one, when it is as it was sent."""
    shown: Mapping[str, Any] | None = None
    """What the response hook adds for the client."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers to n rows; iterating gives them one by one.

    Attributes:
        predictions: n of them.
        held: The rows in the types of the contract.
        features: What the model read of them.
        asked: n rows that the contract was asked of: as they were sent, or as a hook left them.
        is_hooked: Whether a hook had them.
        shown: What the response hook adds to each; None without one.
    """

    predictions: Sequence[Prediction]
    held: Columns
    features: Columns
    asked: Sequence[Mapping[str, Any]]
    is_hooked: bool = False
    shown: Sequence[Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[Answer]:
        rows = len(self.predictions)
        return map(
            Answer,
            self.predictions,
            rows_of(self.features),
            self.asked if self.is_hooked else [None] * rows,
            [None] * rows if self.shown is None else self.shown,
        )
