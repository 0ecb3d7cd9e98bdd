"""How often does the promotion gate let a challenger pass that is no better, and one that is?

A challenger that is no better learned from rows drawn with replacement from the very rows that the
champion's were drawn from; all that tells them apart is luck. One that is better reads features that
the champion lacks. Both are held to what a release asks of answers, on rows that neither saw.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ml_assets.evaluation import baseline_predictions
from ml_assets.problem import Config
from ml_assets.problems.complaints import complaints
from ml_assets.registry.gate import FrozenRows, judge

Array = npt.NDArray[np.float64]

NULLS = 200
GAINS = 50
MOST_NULLS_ACCEPTED = 0.05
LEAST_GAINS_ACCEPTED = 0.80

FEATURES = 20
INFORMATIVE = 8
HIDDEN = 1
"""The informative feature that the champion of a true gain does not read; worth 0.04 of ROC AUC."""

FEW_ROWS = 1_000
"""With fewer held out no gate tells such a gain from luck; the share is printed all the same."""

SIZES = ((1_500, 300), (6_000, 1_200), (25_000, 5_000), (100_000, 20_000))
"""Rows to learn from and rows held out, four to one as complaints has them."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Rows of one problem, to learn from and held out."""

    X: Array
    y: Array
    held_out: Array
    labels: Array


def measure() -> None:
    """Print the shares, by number of held-out rows, and whether they are what they must be."""
    config = complaints.config
    print(f"min_gain {config.promotion.min_gain:g}, confidence {config.promotion.confidence:g}")
    print("rows held out   nulls accepted   gains accepted   mean gain   seconds")
    for learned, held_out in SIZES:
        started = time.perf_counter()
        nulls, _ = shares(config, learned, held_out, NULLS, hidden=None)
        gains, gain = shares(config, learned, held_out, GAINS, hidden=HIDDEN)
        sees = gains >= LEAST_GAINS_ACCEPTED or held_out < FEW_ROWS
        holds = nulls <= MOST_NULLS_ACCEPTED and sees
        print(
            f"{held_out:>13,}   {nulls:>14.1%}   {gains:>14.1%}   {gain:>9.4f}   "
            f"{time.perf_counter() - started:>7.0f}   {'holds' if holds else 'DOES NOT HOLD'}",
            flush=True,
        )


def shares(
    config: Config, learned: int, held_out: int, times: int, *, hidden: int | None
) -> tuple[float, float]:
    """How many of so many challengers pass, and by how much they are better on average."""
    passed, gains = [], []
    with threadpool_limits(1):
        for seed in range(times):
            rng = np.random.default_rng([seed, learned])
            findings = judge(config, _contest(rng, _world(rng, learned, held_out), hidden))
            passed.append(all(finding.passed for finding in findings))
            against = next(one.difference for one in findings if "champion" in one.check)
            gains.append(against.estimate if against else 0.0)
    return float(np.mean(passed)), float(np.mean(gains))


def _world(rng: np.random.Generator, learned: int, held_out: int) -> World:
    weights = np.r_[np.linspace(0.8, 0.1, INFORMATIVE), np.zeros(FEATURES - INFORMATIVE)]
    X = rng.normal(size=(learned + held_out, FEATURES))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(0.8 - X @ weights))).astype(float)
    return World(X=X[:learned], y=y[:learned], held_out=X[learned:], labels=y[learned:])


def _contest(rng: np.random.Generator, world: World, hidden: int | None) -> FrozenRows:
    """Answers of a champion that does not read the hidden feature, and of a challenger that does."""
    champion = _answers(rng, world, [one for one in range(FEATURES) if one != hidden])
    challenger = _answers(rng, world, list(range(FEATURES)))
    return FrozenRows(
        y=world.labels,
        challenger=challenger,
        champion=champion,
        baseline=baseline_predictions("binary", world.y, len(world.labels)),
        slices={},
    )


def _answers(rng: np.random.Generator, world: World, features: list[int]) -> Array:
    """What a model answers that learned from rows drawn with replacement."""
    drawn = rng.integers(0, len(world.y), len(world.y))
    model = LogisticRegression().fit(world.X[drawn][:, features], world.y[drawn])
    return model.predict_proba(world.held_out[:, features])[:, 1]
