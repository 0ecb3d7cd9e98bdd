"""What does a model depend on? By shuffling one feature at a time, and for linear models exactly.

How a model answers is given as a function of columns, so that the quickest way there is can be
taken; which one that is, and which rows are asked, is for the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_assets.evaluation.comparison import compare
from ml_assets.evaluation.weaknesses import number

Array = npt.NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]
Answering = Callable[[Columns], Array]
"""n rows, column by column, to n predictions."""

REPEATS = 5
RESAMPLES = 200
CLOSE = 1e-9
STRONGEST = 5
"""Values of a feature that are named with their contributions."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much worse the model answers when a feature says nothing.

    Attributes:
        feature: Its name.
        loss: Of the metric, turned so that positive means the feature helps; mean over the repeats.
        low: Lower end of the interval, over the rows.
        high: Upper end.
        spread: Standard deviation of the loss over the repeats.
    """

    feature: str
    loss: float | None
    low: float | None
    high: float | None
    spread: float | None


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What a feature adds to the score of a linear model, exactly.

    Attributes:
        feature: Its name.
        mean_size: Mean distance of its share of the score from its mean share; log-odds for
            probabilities, the label's unit for values.
        lowest: Of the shares, against the mean.
        highest: Likewise.
        values: The most frequent values of a feature with few, and their mean shares.
    """

    feature: str
    mean_size: float
    lowest: float
    highest: float
    values: tuple[tuple[str, float], ...]


def permutation_importance(
    metric: str,
    y: npt.ArrayLike,
    columns: Columns,
    answer: Answering,
    *,
    repeats: int = REPEATS,
    threshold: float = 0.5,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Shuffle one feature after the other, and measure how much worse the model answers.

    Args:
        metric: Name, as in `METRICS`.
        y: Labels of rows that the model did not learn from; n rows.
        columns: Features to their n values.
        answer: The model.
        repeats: Shuffles of each feature.
        threshold: Probability from which on the decision is positive.
        confidence: Of each interval.
        seed: Of the shuffles.

    Returns:
        The features, most important first.

    Source:
        Breiman (2001), Random forests, for the shuffling; the interval is the mean over the
        repeats of the paired interval of `comparison`.
    """
    rng = np.random.default_rng(seed)
    whole = answer(columns)
    shuffles = [rng.permutation(len(whole)) for _ in range(repeats)]
    found = []
    for name in columns:
        gains = []
        for order in shuffles:
            values = columns[name]
            shuffled = answer({**columns, name: [values[place] for place in order]})
            difference = compare(
                metric,
                y,
                whole,
                shuffled,
                resamples=RESAMPLES,
                confidence=confidence,
                seed=seed,
                threshold=threshold,
            )
            gains.append(difference.gain)
        loss, low, high = np.mean(gains, axis=0)
        spread = float(np.std([gain[0] for gain in gains]))
        found.append(
            Importance(
                feature=name,
                loss=number(loss),
                low=number(low),
                high=number(high),
                spread=number(spread),
            )
        )
    return tuple(
        sorted(found, key=lambda one: -(one.loss if one.loss is not None else -np.inf))
    )


def contributions(columns: Columns, score: Answering) -> tuple[Contribution, ...] | None:
    """Split the scores of a linear model into the shares of its features.

    Replacing a feature by its value in the first row changes an additive score by the difference of
    two shares, whatever the other features are; so every share is read off exactly. That the shares
    add up to the scores is checked, and where they do not, the score is not additive.

    Args:
        columns: Features to their n values.
        score: Before the link: log-odds, or values.

    Returns:
        The features, largest first; None where the score is no sum over features.
    """
    whole = score(columns)
    rows = len(whole)
    shares = {
        name: whole - score({**columns, name: [values[0]] * rows})
        for name, values in columns.items()
    }
    together = whole[0] + np.sum(list(shares.values()), axis=0)
    size = max(float(np.abs(whole).max()), 1.0)
    if not np.allclose(together, whole, rtol=0, atol=CLOSE * size):
        return None
    return described(columns, shares)


def described(columns: Columns, shares: Mapping[str, Array]) -> tuple[Contribution, ...]:
    """Shares of the score by feature, each row's, as contributions; largest first."""
    found = [_contribution(name, columns[name], share) for name, share in shares.items()]
    return tuple(sorted(found, key=lambda one: -one.mean_size))


def _contribution(name: str, values: Sequence[Any], share: Array) -> Contribution:
    centred = share - share.mean()
    return Contribution(
        feature=name,
        mean_size=float(np.abs(centred).mean()),
        lowest=float(centred.min()),
        highest=float(centred.max()),
        values=_by_value(values, centred),
    )


def _by_value(values: Sequence[Any], share: Array) -> tuple[tuple[str, float], ...]:
    """Mean share of the most frequent values of a feature that has few."""
    import pandas as pd

    frame = pd.DataFrame({"value": pd.Series(values, dtype=object), "share": share})
    grouped = frame.dropna().groupby("value", sort=False)["share"].agg(["size", "mean"])
    if not 0 < len(grouped) <= max(len(share) // 10, 1):
        return ()
    frequent = grouped.nlargest(STRONGEST, "size")
    return tuple((str(value), float(mean)) for value, mean in frequent["mean"].items())
