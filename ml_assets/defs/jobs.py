"""The jobs of a problem: which assets are made together."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from ml_assets.defs.specs import WHOLE, chain_of, key_of
from ml_assets.problem import Declared


def refresh_job(declared: Declared) -> str:
    """Name of the job that takes a range of partitions through the whole chain."""
    return f"{declared.name}_refresh"


def retrain_job(declared: Declared) -> str:
    """Name of the job that goes from the features to the champion."""
    return f"{declared.name}_retrain"


def feedback_job(declared: Declared) -> str:
    """Name of the job that takes a feedback batch to the champion, if the policy says so."""
    return f"{declared.name}_feedback"


def predict_job(declared: Declared) -> str:
    """Name of the job that lets the champion answer a range of partitions."""
    return f"{declared.name}_predict"


def tune_job(declared: Declared) -> str:
    """Name of the job that searches for hyperparameters."""
    return f"{declared.name}_tune"


def jobs(declared: Declared) -> list[UnresolvedAssetJobDefinition]:
    """All of them."""

    def job(name: str, nouns: tuple[str, ...], text: str) -> UnresolvedAssetJobDefinition:
        keys = [key_of(declared, noun) for noun in nouns]
        selection = dg.AssetSelection.assets(*keys)
        return dg.define_asset_job(name, selection=selection, description=text)

    return [
        job(
            refresh_job(declared),
            chain_of(declared),
            "From the sources to the champion and its analysis, for the partitions asked for.",
        ),
        job(
            retrain_job(declared),
            WHOLE,
            "From the features and the feedback that there are to the champion and its analysis.",
        ),
        job(
            feedback_job(declared),
            ("feedback", *WHOLE),
            "A sealed batch, and a retraining where the policy says that it is time.",
        ),
        job(
            predict_job(declared),
            ("predictions",),
            "Answers of the champion to the partitions asked for.",
        ),
    ]
