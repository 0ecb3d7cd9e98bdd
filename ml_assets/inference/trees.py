"""Gradient-boosted trees, walked for one row.

A tree of `HistGradientBoosting*` is an array of nodes; here each inner node is a tuple and each
leaf a float, so that a walk is a few comparisons. Missing values go where the tree sends them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Split(NamedTuple):
    """An inner node: left when the feature is at most the threshold, right when it is more."""

    feature: int
    threshold: float
    low: "Node"
    high: "Node"
    missing: "Node"


Node = Split | float


def forest(trees: Sequence[Any], baseline: float) -> Callable[[Sequence[float]], float]:
    """Return the sum of `trees` (scikit-learn's predictors) on top of `baseline`, for one row.

    Raises:
        ValueError: If a tree splits on a category by its bitset.
    """
    roots = tuple(_root(tree.nodes) for tree in trees)

    def total(values: Sequence[float]) -> float:
        score = baseline
        for root in roots:
            node = root
            while node.__class__ is Split:
                feature, threshold, low, high, missing = node
                value = values[feature]
                if value <= threshold:
                    node = low
                elif value > threshold:
                    node = high
                else:
                    node = missing
            score += node  # type: ignore[operator]
        return score

    return total


def _root(nodes: np.ndarray) -> Node:
    """Turn a tree's array into tuples; children come after their parent, so from the end."""
    built: list[Node] = [0.0] * len(nodes)
    for index in reversed(range(len(nodes))):
        built[index] = _node(nodes[index], built)
    return built[0]


def _node(record: np.void, built: Sequence[Node]) -> Node:
    """Turn one record into a node above the ones that are built already."""
    if record["is_leaf"]:
        return float(record["value"])
    if record["is_categorical"]:
        raise ValueError("a tree splits on categories by their bitset")
    low, high = built[record["left"]], built[record["right"]]
    return Split(
        feature=int(record["feature_idx"]),
        threshold=float(record["num_threshold"]),
        low=low,
        high=high,
        missing=low if record["missing_go_to_left"] else high,
    )
