"""The plain script that somebody would write without a platform: pandas, Pandera, scikit-learn.

It does the same work on the same files with the same declared values: read, cast, hold to the
contract, set broken rows aside, build features, split by time, fit each estimator, choose by the
KPI, refit, measure, and keep the tables and the model. No orchestrator, no versions, no gate.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.errors
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.problem import Problem

ESTIMATORS = {"logistic": LogisticRegression, "sgd": SGDClassifier}


def run(problem: Problem, files: list[Path], folder: Path) -> float:
    """Take raw files to a measured model in `folder`; returns its KPI on the held-out rows."""
    folder.mkdir(parents=True, exist_ok=True)
    valid, quarantined = hold(problem, pd.concat([read(file) for file in files]))
    valid.to_parquet(folder / "validated.parquet", index=False)
    quarantined.to_parquet(folder / "quarantined.parquet", index=False)
    table = labelled_features(problem, valid)
    table.to_parquet(folder / "features.parquet", index=False)
    return train(problem, table, folder)


def read(file: Path) -> pd.DataFrame:
    """Read one CSV file as text."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def hold(problem: Problem, raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cast the columns and split the rows by whether they hold the contract."""
    source = problem.config.source
    rows = raw.reset_index(drop=True).replace(dict.fromkeys(source.missing, None))
    for name, field in problem.fields.items():
        if field.kind == "time":
            rows[name] = pd.to_datetime(
                rows[name], format=source.date_formats[0], utc=True
            ).astype("datetime64[us, UTC]")
        elif field.kind == "boolean":
            words = dict.fromkeys(source.true, True) | dict.fromkeys(source.false, False)
            rows[name] = rows[name].map(words).astype("boolean")
    try:
        problem.schema.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        broken = errors.failure_cases["index"].dropna().unique()
        return rows.drop(index=broken), rows.loc[broken]
    return rows, rows.head(0)


def labelled_features(problem: Problem, valid: pd.DataFrame) -> pd.DataFrame:
    """Build the features of the rows that have a label, in order of time."""
    valid = valid.dropna(subset=[problem.target]).sort_values(problem.event_time)
    table = problem.features(valid)
    table.insert(0, "label", valid[problem.target].astype("float64"))
    return table


def train(problem: Problem, table: pd.DataFrame, folder: Path) -> float:
    """Fit every estimator, refit the winner, measure it on the newest rows."""
    split = problem.config.split
    tested = int(len(table) * (1 - split.test_share))
    fitted = int(tested * (1 - split.validation_share))
    rows, labels = table.drop(columns="label"), table["label"].to_numpy()
    scores = {
        name: kpi(
            pipeline(problem, name).fit(rows[:fitted], labels[:fitted]),
            rows[fitted:tested],
            labels[fitted:tested],
        )
        for name in problem.config.training.estimators
    }
    winner = pipeline(problem, max(scores, key=lambda name: scores[name]))
    winner.fit(rows[:tested], labels[:tested])
    probability = winner.predict_proba(rows[tested:])[:, 1]
    skops.io.dump(winner, folder / "model.skops")
    (folder / "metrics.json").write_text(json.dumps(metrics(labels[tested:], probability)))
    return float(roc_auc_score(labels[tested:], probability))


def kpi(model: Pipeline, rows: pd.DataFrame, labels: np.ndarray) -> float:
    """Measure the KPI of a fitted model."""
    return float(roc_auc_score(labels, model.predict_proba(rows)[:, 1]))


def metrics(labels: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Measure what a person would want to see."""
    return {
        "roc_auc": float(roc_auc_score(labels, probability)),
        "average_precision": float(average_precision_score(labels, probability)),
        "log_loss": float(log_loss(labels, probability)),
    }


def pipeline(problem: Problem, name: str) -> Pipeline:
    """Build the declared estimator behind the declared encoders, all scikit-learn's own."""
    training = problem.config.training
    declared = training.estimators[name]
    steps = []
    for feature, encoder in training.encoders.items():
        options = dict(encoder.options)
        match encoder.kind:
            case "tfidf":
                options["ngram_range"] = tuple(options.get("ngram_range", (1, 1)))
                steps.append((feature, TfidfVectorizer(**options), feature))
            case "one_hot":
                steps.append((feature, OneHotEncoder(**options), [feature]))
            case "scale":
                steps.append((feature, make_pipeline(StandardScaler(**options)), [feature]))
            case kind:
                message = f"The plain script has no encoder {kind}."
                raise ValueError(message)
    estimator = ESTIMATORS[declared.kind](
        **declared.hyperparameters, random_state=training.seed
    )
    return Pipeline([("encode", ColumnTransformer(steps)), ("model", estimator)])
