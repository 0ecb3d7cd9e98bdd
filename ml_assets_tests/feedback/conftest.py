from dataclasses import replace
from itertools import count

import pandas as pd
import pytest

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
from ml_assets.problem import Config, problem_named
from ml_assets.storage import Home


@pytest.fixture
def problem():
    return problem_named("complaints")


@pytest.fixture
def problem_with(problem):
    """The complaints with other values: problem_with(feedback={...}, label={...})."""

    def changed(**sections):
        values = problem.config.model_dump()
        for name, section in sections.items():
            values[name] |= section
        return replace(problem, config=Config.from_values(values, where="the test"))

    return changed


@pytest.fixture(params=["sqlite", "postgres"])
def any_home(request, tmp_path):
    """A home on each of the two databases."""
    environment = {}
    if request.param == "postgres":
        environment["ML_ASSETS_STORE_URL"] = request.getfixturevalue("postgres_url")
    home = Home.open(tmp_path, environment=environment)
    yield home
    home.store.close()


@pytest.fixture
def answered(problem, rng):
    """Plausible answers that nobody has logged yet: answered(rows, at=...)."""
    entities = count(1)

    def answers(rows, *, at, **changes):
        sampled = problem.sample(rows, rng)
        sampled[problem.entity_id] = [str(next(entities)) for _ in range(rows)]
        kept = logged_columns(problem)
        return [
            LoggedPrediction(
                id=prediction_id,
                problem=problem.name,
                model_version="20260901T000000Z-3f9ac",
                at=at,
                input=input_text(row, kept),
                features_hash=features_hash([1.0]),
                prediction=0.25,
                decision=False,
                exposed=True,
            )._replace(**changes)
            for prediction_id, row in zip(
                prediction_ids(at, rows), as_sent(sampled), strict=True
            )
        ]

    return answers


@pytest.fixture
def log(answered, home, now):
    """Logs plausible answers and returns their ids: log(rows, at=...)."""

    def logged(rows, *, at=now, home=home, **changes):
        answers = answered(rows, at=at, **changes)
        log_predictions(home.store, answers)
        return [answer.id for answer in answers]

    return logged


@pytest.fixture
def say(problem, home, now):
    """Sends feedback: say(prediction_id, label=1)."""

    def said(prediction_id, *, now=now, home=home, **sent):
        sent = {"prediction_id": prediction_id, **sent}
        event = feedback_event(problem, sent, source="test", now=now)
        return record_feedback(home, [event])

    return said


def as_sent(rows):
    """Rows of a frame as a client sends them: JSON has no NaN."""
    return [
        {name: value for name, value in row.items() if not pd.isna(value)}
        for row in rows.to_dict("records")
    ]
