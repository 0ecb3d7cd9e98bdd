import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.features.view import feature_code_hash
from ml_assets.fingerprint import library_versions
from ml_assets.problems.complaints import complaints as complaints_problem
from ml_assets.registry.bundle import contract_code_hash, save_bundle
from ml_assets.registry.manifest import Algorithm, Code, Data, Manifest, Signature
from ml_assets.registry.versions import register


@pytest.fixture
def complaints():
    return complaints_problem


@pytest.fixture
def rows(rng):
    """Features of 400 rows, and their labels."""
    n = 400
    features = pd.DataFrame(
        {
            "product": rng.choice(["card", "loan", "mortgage"], n),
            "days": rng.normal(size=n),
            "narrative": [
                " ".join(rng.choice(["late", "fee", "bank", "call"], 6)) for _ in range(n)
            ],
        }
    )
    y = (rng.random(n) < 0.3 + 0.2 * (features["days"] > 0)).astype(float)
    return features, y.to_numpy()


def pipeline_with(estimator):
    """An unfitted pipeline with each kind of encoder."""
    encode = ColumnTransformer(
        [
            ("product", OneHotEncoder(handle_unknown="ignore"), ["product"]),
            ("days", StandardScaler(), ["days"]),
            ("narrative", TfidfVectorizer(), "narrative"),
        ],
        sparse_threshold=0.0,
    )
    return Pipeline([("encode", encode), ("model", estimator)])


@pytest.fixture
def pipeline():
    return pipeline_with


@pytest.fixture
def fitted(rows):
    features, y = rows
    return pipeline_with(LogisticRegression()).fit(features, y)


@pytest.fixture
def manifest_of():
    return manifest_with


@pytest.fixture
def manifest(complaints):
    return manifest_with(complaints)


def manifest_with(problem, **changes):
    """A manifest as training would write it, with `changes` of its sections."""
    sections = {
        "problem": problem.name,
        "data": Data(
            training_set="t1",
            features_version=3,
            partitions={"2015-03": "a" * 32},
            excluded={"2015-04": "refused: class balance"},
            rows={"train": 1000, "validation": 200, "test": 300},
        ),
        "algorithm": Algorithm(
            estimator="logistic",
            hyperparameters={"C": 1.0},
            hyperparameters_hash="h1",
            seed=0,
            training=problem.config.training.model_dump(mode="json"),
            kpi="roc_auc",
        ),
        "code": Code(
            contract=contract_code_hash(problem),
            features=feature_code_hash(problem),
            training="c1",
        ),
        "signature": Signature(
            features={"product": "text", "days": "number", "narrative": "text"},
            target="consumer_disputed",
            positive="The consumer disputed the company's answer.",
            kind="binary",
            classes=[0.0, 1.0],
        ),
        "environment": {
            **library_versions("scikit-learn", "numpy", "scipy", "pandas", "python"),
            "platform": "Linux",
        },
        "training_fingerprint": "f1",
        "model_hash": "",
        "metrics": {"validation": {"roc_auc": 0.7}},
    }
    return Manifest(**{**sections, **changes})


@pytest.fixture
def registered(complaints, home, tmp_path, now, rows):
    """Register a model of its own for each number: `registered(1)`, `registered(2)`, ..."""

    def make(number):
        features, y = rows
        manifest = manifest_with(complaints, training_fingerprint=f"f{number}")
        model = pipeline_with(LogisticRegression(C=number)).fit(features, y)
        folder = tmp_path / f"bundle-{number}"
        written = save_bundle(folder, manifest=manifest, pipeline=model)
        return register(
            complaints,
            home,
            artifact=home.artifacts.put(folder),
            manifest=written,
            trigger="manual",
            run_id=f"run-{number}",
            now=now + pd.Timedelta(hours=number).to_pytimedelta(),
        )

    return make


@pytest.fixture
def probabilities(rng):
    """Draw labels and the answers of models with the given errors, which mostly go together."""

    def draw(n, *noises, together=0.9):
        y = (rng.random(n) < 0.3).astype(float)
        shared = rng.normal(size=n)
        answers = [
            y - 1 + noise * (together * shared + (1 - together**2) ** 0.5 * rng.normal(size=n))
            for noise in noises
        ]
        return y, *(1 / (1 + np.exp(-2 * answer)) for answer in answers)

    return draw
