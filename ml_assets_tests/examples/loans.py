"""A small problem for tests: will an applicant repay? And another: how much will they repay?"""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.typing import Series

from ml_assets.features import build_training_set, materialize_partitions
from ml_assets.problem import Config, Problem
from ml_assets.storage import Commit

PURPOSES = np.array(["car", "home", "study", "travel"])
WORDS = np.array([f"word{number}" for number in range(200)])
UTC_TIME = pd.DatetimeTZDtype("us", "UTC")
NOW = dt.datetime(2021, 7, 1, tzinfo=dt.UTC)


def draw(rows, rng, *, start="2020-01-01", months=12, words=5):
    """Applications over some months, in the types of the contract; the story tells who repays."""
    days = pd.date_range(start, periods=30 * months, freq="D", tz="UTC", unit="us")
    applied_at = np.sort(rng.integers(len(days), size=rows))
    purpose = rng.integers(len(PURPOSES), size=rows)
    told = rng.integers(len(WORDS), size=(rows, words))
    income = rng.lognormal(10, 0.5, rows)
    amount = rng.lognormal(8, 0.7, rows)
    odds = (told < 40).sum(axis=1) - words / 5 + 0.5 * (purpose == 1) - amount / income
    repaid = rng.random(rows) < 1 / (1 + np.exp(-2 * odds))
    return pd.DataFrame(
        {
            "loan_id": [f"loan-{start}-{number:07d}" for number in range(rows)],
            "applied_at": days[applied_at],
            "amount_usd": amount,
            "income_usd": np.where(rng.random(rows) < 0.05, np.nan, income),
            "purpose": PURPOSES[purpose],
            "story": [" ".join(each) for each in WORDS[told]],
            "district": "north",
            "gender": np.where(rng.random(rows) < 0.5, "f", "m"),
            "reminders": np.where(repaid, 0.0, 3.0),
            "repaid": pd.array(repaid, dtype="boolean"),
            "repaid_usd": amount * np.where(repaid, 1.0, 0.3),
        }
    )


class Loan(pandera.DataFrameModel):
    """One row per application."""

    loan_id: Series[str] = pandera.Field(metadata={"role": "id", "known_at": "applied"})
    applied_at: Series[UTC_TIME] = pandera.Field(
        metadata={"role": "time", "known_at": "applied"}
    )
    amount_usd: Series[float] = pandera.Field(metadata={"role": "input", "known_at": "applied"})
    income_usd: Series[float] = pandera.Field(
        nullable=True, metadata={"role": "input", "known_at": "applied"}
    )
    purpose: Series[str] = pandera.Field(metadata={"role": "input", "known_at": "applied"})
    story: Series[str] = pandera.Field(
        nullable=True, metadata={"role": "input", "known_at": "applied"}
    )
    district: Series[str] = pandera.Field(metadata={"role": "input", "known_at": "applied"})
    gender: Series[str] = pandera.Field(metadata={"role": "sensitive", "known_at": "applied"})
    reminders: Series[float] = pandera.Field(metadata={"role": "input", "known_at": "due"})
    repaid: Series[pd.BooleanDtype] = pandera.Field(
        nullable=True, metadata={"role": "target", "known_at": "due"}
    )
    repaid_usd: Series[float] = pandera.Field(
        nullable=True, metadata={"role": "ignored", "known_at": "due"}
    )


class Repayment(Loan):
    """The same rows; what we predict is the amount."""

    repaid: Series[pd.BooleanDtype] = pandera.Field(
        nullable=True, metadata={"role": "ignored", "known_at": "due"}
    )
    repaid_usd: Series[float] = pandera.Field(
        nullable=True, metadata={"role": "target", "known_at": "due"}
    )


def features(loans: pd.DataFrame) -> pd.DataFrame:
    """What is known of an application."""
    return pd.DataFrame(
        {
            "purpose": loans["purpose"],
            "amount_to_income": loans["amount_usd"] / loans["income_usd"].clip(lower=1.0),
            "is_large": loans["amount_usd"] > 5_000,
            "story": loans["story"].fillna(""),
        },
        index=loans.index,
    )


CONFIG = {
    "objective": "Lend to those who repay.",
    "owner": "tests",
    "moments": ["applied", "due"],
    "moment_of_prediction": "applied",
    "proxies": ["district"],
    "source": {"origin": "drawn", "terms": "none"},
    "partitions": {"grain": "monthly", "start": "2020-01-01"},
    "label": {"positive": "repaid", "delay_days": 30},
    "kpi": {"metric": "roc_auc", "formula": "rank", "floor": 0.5, "owner": "tests"},
    "metrics": ["roc_auc", "log_loss"],
    "training": {
        "min_rows": 100,
        "min_rows_per_class": 10,
        "batch_rows": 500,
        "estimators": {
            "logistic": {"kind": "logistic", "hyperparameters": {"C": 1.0}},
            "sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 5, "average": True}},
        },
        "encoders": {
            "purpose": {"kind": "one_hot"},
            "amount_to_income": {"kind": "scale"},
            "is_large": {"kind": "pass"},
            "story": {"kind": "tfidf", "options": {"min_df": 2}},
        },
    },
}

LOANS = Problem(
    name="loans",
    folder=Path(__file__).parent,
    contract=Loan,
    features=features,
    sample=draw,
    config=Config.from_values(CONFIG, where="the test"),
)

REPAYMENTS = Problem(
    name="repayments",
    folder=Path(__file__).parent,
    contract=Repayment,
    features=features,
    sample=draw,
    config=Config.from_values(
        CONFIG
        | {
            "kind": "regression",
            "kpi": CONFIG["kpi"] | {"metric": "mae", "direction": "lower", "floor": 1e9},
            "metrics": ["mae", "rmse"],
            "training": CONFIG["training"]
            | {
                "estimators": {
                    "ridge": {"kind": "ridge"},
                    "sgd": {"kind": "sgd_regression", "hyperparameters": {"max_iter": 5}},
                    "boosting": {"kind": "boosting_regression"},
                }
            },
        },
        where="the test",
    ),
)


def with_config(problem, **sections):
    """The problem with other values in some sections of its config.yaml."""
    values = problem.config.model_dump(mode="json")
    for section, changed in sections.items():
        values[section] = values[section] | changed
    return replace(problem, config=Config.from_values(values, where="the test"))


def admit(problem, home, rows, *, fingerprint="admitted"):
    """Write rows to `validated` as the gate would; returns the partitions."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    keys = np.array([problem.partition_of(moment) for moment in rows["applied_at"]])
    partitions = sorted(set(keys))
    for partition in partitions:
        part = table.filter(pa.array(keys == partition))
        commit = Commit(run_id="gate", code_hash="gate", fingerprint=fingerprint)
        home.lake.write(f"{problem.name}/validated", partition, part, commit=commit)
    return partitions


def learned_from(problem, home, rows, *, now=NOW):
    """Bring rows all the way to a training set."""
    partitions = admit(problem, home, rows)
    list(materialize_partitions(problem, home, partitions, run_id="features"))
    return build_training_set(problem, home, now=now, run_id="set")
