"""Gradient-boosted trees of scikit-learn, walked for one row.

A tree of `HistGradientBoosting*` is an array of nodes; here each inner node is a tuple and each
leaf a float, so that a walk is a few comparisons. Missing values go where the tree sends them.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

BITS = 32
"""Of one word of the bitset in which scikit-learn keeps categories."""

Features = Sequence[float]


class Split(NamedTuple):
    """An inner node: left when the feature is at most the threshold, right when it is more."""

    feature: int
    threshold: float
    low: "Node"
    high: "Node"
    missing: "Node"


class Choice(NamedTuple):
    """An inner node: left when the feature is one of some categories, right when another."""

    feature: int
    chosen: frozenset[float]
    low: "Node"
    high: "Node"
    missing: "Node"


Node = Split | Choice | float


def forest(estimator: Any) -> Callable[[Features], float]:
    """Return the raw score of one row under a fitted estimator of one score per row."""
    baseline = float(np.ravel(estimator._baseline_prediction)[0])  # noqa: SLF001 - no public way
    roots = tuple(_root(trees[0]) for trees in estimator._predictors)  # noqa: SLF001
    prepare = _preparation(estimator)

    def total(values: Features) -> float:
        if prepare is not None:
            values = prepare(values)
        return baseline + sum(map(_walk, roots, repeat(values)))

    return total


def _walk(node: Node, values: Features) -> float:
    """Go from the root of a tree to a leaf."""
    while not isinstance(node, float):
        value = values[node[0]]
        if value != value:  # noqa: PLR0124 - NaN
            node = node[4]
        elif isinstance(node, Split):
            node = node[2] if value <= node[1] else node[3]
        else:
            node = node[2] if value in node[1] else node[3]
    return node


def _preparation(estimator: Any) -> Callable[[Features], list[float]] | None:
    """What the estimator does before its trees: categories to the front, and numbered anew."""
    preprocessor = estimator._preprocessor  # noqa: SLF001 - no public way
    if preprocessor is None:
        return None
    categorical = np.flatnonzero(estimator.is_categorical_).tolist()
    numerical = np.flatnonzero(~estimator.is_categorical_).tolist()
    encoder = preprocessor.named_transformers_["encoder"]
    codes = [_codes(categories) for categories in encoder.categories_]

    def prepare(values: Features) -> list[float]:
        coded = [
            code.get(values[place], np.nan)
            for code, place in zip(codes, categorical, strict=True)
        ]
        return coded + [values[place] for place in numerical]

    return prepare


def _codes(categories: np.ndarray) -> Mapping[float, float]:
    """Category to its number; one that is missing or was never seen has none."""
    known = [float(value) for value in categories.tolist() if value == value]  # noqa: PLR0124
    return {value: float(code) for code, value in enumerate(known)}


def _root(tree: Any) -> Node:
    """Turn a tree's array into tuples; children come after their parent, so from the end."""
    built: list[Node] = [0.0] * len(tree.nodes)
    for index in reversed(range(len(tree.nodes))):
        built[index] = _node(tree, tree.nodes[index], built)
    return built[0]


def _node(tree: Any, record: np.void, built: Sequence[Node]) -> Node:
    """Turn one record into a node above the ones that are built already."""
    if record["is_leaf"]:
        return float(record["value"])
    feature = int(record["feature_idx"])
    low, high = built[record["left"]], built[record["right"]]
    missing = low if record["missing_go_to_left"] else high
    if record["is_categorical"]:
        chosen = _members(tree.raw_left_cat_bitsets[record["bitset_idx"]])
        return Choice(feature, chosen, low, high, missing)
    return Split(feature, float(record["num_threshold"]), low, high, missing)


def _members(bitset: np.ndarray) -> frozenset[float]:
    """The numbers whose bits are set."""
    words = bitset.tolist()
    return frozenset(
        float(n) for n in range(BITS * len(words)) if words[n // BITS] >> (n % BITS) & 1
    )
