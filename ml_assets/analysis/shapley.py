"""Shares of the score of boosted trees, by the extra `shap`; exact for the trees as they are.

A share is a feature's Shapley value: what it adds on average over all orders in which features
become known. For linear models `evaluation.importance` reads the shares off without a library.
"""

import warnings
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.registry import Bundle

Array = npt.NDArray[np.float64]

CLOSE = 1e-6


def is_installed() -> bool:
    """Whether the extra is."""
    return find_spec("shap") is not None


def shares_of_trees(bundle: Bundle, rows: pd.DataFrame) -> dict[str, Array] | None:
    """What each feature adds to the score of each row, against the mean score.

    Args:
        bundle: Of a pipeline of encoders and trees.
        rows: n rows with the model's features.

    Returns:
        Feature to n shares; None where the library does not know the trees, or its shares do not
        add up to the scores.

    Source:
        Lundberg et al. (2020), From local explanations to global understanding with explainable AI
        for trees, Nature Machine Intelligence 2.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own plots, which nobody draws here
        import shap

        encode, model = bundle.pipeline.named_steps["encode"], bundle.pipeline.steps[-1][1]
        encoded = encode.transform(rows[list(bundle.manifest.signature.features)])
        try:
            explainer = shap.TreeExplainer(model)
        except (TypeError, ValueError):  # of which the library derives its own
            return None
        values = np.asarray(explainer.shap_values(encoded, check_additivity=False))
    scores = (
        model.decision_function(encoded)
        if hasattr(model, "classes_")
        else model.predict(encoded)
    )
    together = values.sum(axis=1) + np.ravel(explainer.expected_value)[0]
    if not np.allclose(together, scores, rtol=CLOSE, atol=CLOSE):
        return None
    return {
        name: values[:, encode.output_indices_[name]].sum(axis=1)
        for name, *_ in encode.transformers_
        if name in bundle.manifest.signature.features
    }
