import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml_assets.features import build_features, contract_frame, feature_code_hash
from ml_assets.inference.values import as_text
from ml_assets.problems.complaints import complaints as complaints_problem
from ml_assets.registry import Bundle, Manifest
from ml_assets.registry.bundle import contract_code_hash
from ml_assets.registry.manifest import Algorithm, Code, Data, Signature
from ml_assets.training.encoders import column_transformer
from ml_assets.validation import hold_to_contract

ROWS = 400


def valid_rows(problem, rows=ROWS, seed=0):
    """Drawn rows that hold the contract, typed."""
    df = problem.sample(rows, np.random.default_rng(seed)).astype(object)
    texts = {
        name: [as_text(cell, problem.config.source) for cell in df[name]]
        for name in problem.fields
    }
    return hold_to_contract(problem, pa.table(texts)).valid


def raw_rows(problem, rows=ROWS, seed=0):
    """Drawn rows as a client would send them: without the label."""
    df = problem.sample(rows, np.random.default_rng(seed))[problem.known_columns].astype(object)
    return df.where(df.notna(), None).to_dict("records")


def fitted_bundle(problem, estimator=None, family="sparse"):
    """A bundle with a model fitted on drawn rows."""
    table = valid_rows(problem)
    frame = contract_frame(problem, table)
    names = list(problem.config.training.encoders)
    features = build_features(problem, frame)[names]
    encode = column_transformer(problem.config.training.encoders, family, seed=0)
    pipeline = Pipeline(
        [("encode", encode), ("model", estimator or LogisticRegression(max_iter=200))]
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # few rows, so not everything converges
        pipeline.fit(features, frame[problem.target].astype("float64").fillna(0.0))
    types = {n: "number" if features[n].dtype == "float64" else "text" for n in names}
    return Bundle(
        manifest=manifest(problem, types), pipeline=pipeline, reference=None, warnings=()
    )


def manifest(problem, types):
    kind = problem.config.kind
    return Manifest(
        problem=problem.name,
        data=Data(training_set="t", features_version=0, partitions={}, excluded={}, rows={}),
        algorithm=Algorithm(
            estimator="trial",
            kind="trial",
            hyperparameters={},
            hyperparameters_hash="h",
            seed=0,
            training={},
            kpi=problem.config.kpi.metric,
        ),
        code=Code(
            contract=contract_code_hash(problem),
            features=feature_code_hash(problem),
            training="",
        ),
        signature=Signature(
            features=types,
            target=problem.target,
            positive=problem.config.label.positive,
            kind=kind,
            classes=[0.0, 1.0] if kind == "binary" else [],
        ),
        environment={},
        training_fingerprint="f",
        model_hash="",
        metrics={},
    )


@pytest.fixture(scope="session")
def complaints():
    return complaints_problem


@pytest.fixture(scope="session")
def bundle(complaints):
    return fitted_bundle(complaints)


@pytest.fixture(scope="session")
def bundle_of():
    return fitted_bundle


@pytest.fixture(scope="session")
def raw_rows_of():
    return raw_rows
