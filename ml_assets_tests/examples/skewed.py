"""Problems whose feature code is honest at training and something else at serving: injected skew.

Each bug is one that people make. They depend on what a function cannot see in its source, so no
hash of the code tells them: on which rows come together, or on where it runs.
"""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
from loans import LOANS, features, with_config

from ml_assets.problem import Problem

WHERE = "LOANS_ARE_SERVED"
"""Set where requests are answered; a bug that reads it differs there from training."""


def refitted_scaler(loans: pd.DataFrame) -> pd.DataFrame:
    """A scaler that is fitted again on whatever rows come."""
    amount = loans["amount_usd"]
    scaled = (amount - amount.mean()) / (amount.std() if len(amount) > 1 else 1.0)
    return features(loans).assign(amount_scaled=scaled)


def reordered_dummies(loans: pd.DataFrame) -> pd.DataFrame:
    """Dummy columns named by their place, most frequent category first."""
    order = loans["purpose"].value_counts(sort=True).index
    dummies = {
        f"purpose_{place}": (loans["purpose"] == purpose).astype(float)
        for place, purpose in enumerate([*order, "car", "home", "study", "travel"][:4])
    }
    return features(loans).assign(**dummies)


def missing_category(loans: pd.DataFrame) -> pd.DataFrame:
    """Numbers of categories, counted in the rows that come."""
    codes = loans["purpose"].astype("category").cat.codes.astype(float)
    return features(loans).assign(purpose_code=codes)


def changed_unit(loans: pd.DataFrame) -> pd.DataFrame:
    """Thousands of dollars at training, dollars where it is served."""
    unit = 1.0 if os.environ.get(WHERE) else 1_000.0
    return features(loans).assign(amount=loans["amount_usd"] / unit)


def logarithm(loans: pd.DataFrame) -> pd.DataFrame:
    """No bug: a function that libraries compute a last digit apart, alone and in an array."""
    return features(loans).assign(log_amount=np.log1p(loans["amount_usd"]))


def problem_with(bug) -> Problem:
    """Loans with another feature function, and encoders for the features that it adds."""
    added = {
        refitted_scaler: ["amount_scaled"],
        reordered_dummies: [f"purpose_{place}" for place in range(4)],
        missing_category: ["purpose_code"],
        changed_unit: ["amount"],
        logarithm: ["log_amount"],
        features: [],
    }[bug]
    training = LOANS.config.training.model_dump(mode="json")
    logistic = {"logistic": training["estimators"]["logistic"]}
    encoders = training["encoders"] | {name: {"kind": "pass"} for name in added}
    problem = with_config(
        LOANS,
        training={"estimators": logistic, "encoders": encoders},
        promotion={"resamples": 100},
    )
    return replace(problem, features=bug)
