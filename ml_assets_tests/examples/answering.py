"""Answers to complaints and what came of them, as a service would have logged them."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml_assets.feedback import (
    LoggedPrediction,
    features_hash,
    feedback_event,
    input_text,
    log_predictions,
    logged_columns,
    prediction_ids,
    record_feedback,
)
from ml_assets.problem import Problem
from ml_assets.storage import Home

FIRST_ID = 90_000_000


def log_answers(
    problem: Problem,
    home: Home,
    rows: int,
    *,
    at: dt.datetime,
    seed: int = 0,
    version: str = "20260901T000000Z-3f9ac",
    **changed: object,
) -> dict[str, bool]:
    """Log answers to drawn rows; returns the label that each will turn out to have, by id."""
    sampled = problem.sample(
        rows, np.random.default_rng([7, seed]), first_id=FIRST_ID + 10_000 * seed
    )
    kept = logged_columns(problem)
    sent = [
        {name: value for name, value in row.items() if not pd.isna(value)}
        for row in sampled.to_dict("records")
    ]
    ids = prediction_ids(at, rows)
    answers = [
        LoggedPrediction(
            id=id_,
            problem=problem.name,
            model_version=version,
            at=at,
            input=input_text({**row, **changed}, kept),
            features_hash=features_hash([1.0]),
            prediction=0.25,
            decision=False,
            exposed=True,
        )
        for id_, row in zip(ids, sent, strict=True)
    ]
    log_predictions(home.store, answers)
    return dict(zip(ids, (sampled[problem.target] == "Yes").tolist(), strict=True))


def say(
    problem: Problem,
    home: Home,
    labels: dict[str, bool] | Sequence[tuple[str, bool]],
    *,
    at: dt.datetime,
) -> None:
    """Send labels, in their order."""
    pairs = labels.items() if isinstance(labels, dict) else labels
    events = [
        feedback_event(
            problem,
            {"prediction_id": id_, "label": label, "at": at.isoformat()},
            source="test",
            now=at,
        )
        for id_, label in pairs
    ]
    record_feedback(home, events).require_all()
