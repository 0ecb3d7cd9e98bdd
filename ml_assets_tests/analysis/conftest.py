from dataclasses import replace

import numpy as np
import pytest
from hiring import draw_people, features, people
from loans import NOW, REPAYMENTS, draw, learned_from, with_config

from ml_assets.registry import ensure_model
from ml_assets.storage import Home

PEOPLE = people(
    of=features,
    protected=["gender"],
    proxies=["first_name", "zip_code", "district"],
    slices={
        "columns": ["purpose", "amount_usd"],
        "pairs": [["purpose", "gender"]],
        "min_rows": 30,
    },
    threshold={"cost_false_positive": 1, "cost_false_negative": 5},
    promotion={"resamples": 100},
)
VALUES = with_config(
    replace(REPAYMENTS),
    training={"estimators": {"ridge": {"kind": "ridge"}}},
    promotion={"resamples": 100},
)


class Fitted:
    """A problem with a model, and where it is."""

    def __init__(self, problem, home, rows):
        self.problem, self.home = problem, home
        learned_from(problem, home, rows)
        self.version = ensure_model(problem, home, now=NOW, run_id="run")


@pytest.fixture(scope="session")
def people_model(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("people"), environment={})
    return Fitted(PEOPLE, home, draw_people(2_000, np.random.default_rng(0)))


@pytest.fixture(scope="session")
def values_model(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("values"), environment={})
    return Fitted(VALUES, home, draw(1_500, np.random.default_rng(0)))
