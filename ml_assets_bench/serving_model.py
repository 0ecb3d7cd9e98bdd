"""The one fitted pipeline that every server answers with, and what it is asked.

It is scikit-learn's own from end to end, so that each server can load it, fitted on generated
complaints. The peers are sent its features, ready; the platform's service is sent the raw row, holds
it to the contract and makes the features itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import skops.io
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml_assets.features import build_features, contract_frame, feature_code_hash
from ml_assets.fingerprint import library_versions
from ml_assets.problem import Problem, problem_named
from ml_assets.registry import ModelVersion, save_bundle
from ml_assets.registry.bundle import contract_code_hash
from ml_assets.registry.manifest import Algorithm, Code, Data, Manifest, Signature
from ml_assets.registry.releases import add_release
from ml_assets.registry.versions import register
from ml_assets.storage import Home
from ml_assets.validation import hold_to_contract
from ml_assets_bench.bare import pipeline

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
FITTED_ROWS = 20_000
ASKED_ROWS = 1_000
NUMBERS = ("days_until_sent", "narrative_length")


class Asked(NamedTuple):
    """Rows to ask about, in both forms, and what the pipeline answers."""

    raw: list[dict[str, Any]]
    features: pd.DataFrame
    expected: np.ndarray

    def raw_bodies(self, rows: int) -> list[bytes]:
        """Bodies for the platform's service; one row is an object."""
        if rows == 1:
            return [orjson.dumps(row) for row in self.raw]
        return [orjson.dumps(self.raw[:rows])]

    def feature_bodies(self, rows: int, key: str) -> list[bytes]:
        """Bodies for a peer: features in pandas' `split` form under a key."""
        parts = [self.features[at : at + rows] for at in range(0, len(self.features), rows)]
        return [orjson.dumps({key: part.to_dict("split", index=False)}) for part in parts]


def prepare(folder: Path) -> Asked:
    """Fit the pipeline, release it in `folder/home`, and keep it as `folder/pipeline.skops`."""
    problem = problem_named("complaints")
    frame = _valid_rows(problem, FITTED_ROWS, seed=0)
    fitted = _fitted(problem, frame)
    skops.io.dump(fitted, folder / "pipeline.skops")
    home = Home.open(folder / "home", environment={})
    _release(problem, home, fitted, folder)
    home.store.close()
    raw = _raw_rows(problem, ASKED_ROWS, seed=1)
    features = build_features(problem, _held(problem, pd.DataFrame(raw)))
    return Asked(raw, features, fitted.predict_proba(features)[:, 1])


def _fitted(problem: Problem, frame: pd.DataFrame) -> Pipeline:
    labels = frame[problem.target].astype("float64").fillna(0.0)
    with threadpool_limits(1):
        return pipeline(problem, "logistic").fit(build_features(problem, frame), labels)


def _raw_rows(problem: Problem, rows: int, seed: int) -> list[dict[str, Any]]:
    """Rows as a client has them: what is known by then, null where there is nothing."""
    drawn = problem.sample(2 * rows, np.random.default_rng(seed))
    texts = {name: pa.array(drawn[name], pa.string(), from_pandas=True) for name in drawn}
    is_valid = hold_to_contract(problem, pa.table(texts)).reasons.is_null().to_numpy(False)
    known = drawn.loc[is_valid, problem.known_columns].head(rows).astype(object)
    return known.where(known.notna(), None).to_dict("records")


def _valid_rows(problem: Problem, rows: int, seed: int) -> pd.DataFrame:
    return _held(problem, problem.sample(rows, np.random.default_rng(seed)))


def _held(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    nothing = [None] * len(rows)
    texts = {
        name: pa.array(rows.get(name, nothing), pa.string(), from_pandas=True)
        for name in problem.fields
    }
    return contract_frame(problem, hold_to_contract(problem, pa.table(texts)).valid)


def _release(problem: Problem, home: Home, fitted: Pipeline, folder: Path) -> ModelVersion:
    """Let the pipeline answer for its problem."""
    manifest = save_bundle(folder / "bundle", manifest=_manifest(problem), pipeline=fitted)
    version = register(
        problem,
        home,
        artifact=home.artifacts.put(folder / "bundle"),
        manifest=manifest,
        trigger="manual",
        run_id="benchmark",
        now=NOW,
    )
    add_release(
        problem,
        home,
        kind="forced",
        from_version=None,
        to_version=version.version,
        now=NOW,
        who="benchmark",
        why="benchmark",
        run_id="benchmark",
        evidence={},
    )
    return version


def _manifest(problem: Problem) -> Manifest:
    """What the pipeline was made from, as far as it matters for answering."""
    names: Sequence[str] = list(problem.config.training.encoders)
    return Manifest(
        problem=problem.name,
        data=Data(training_set="", features_version=0, partitions={}, excluded={}, rows={}),
        algorithm=Algorithm(
            estimator="logistic",
            kind="logistic",
            hyperparameters={},
            hyperparameters_hash="",
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
            features={name: "number" if name in NUMBERS else "text" for name in names},
            target=problem.target,
            positive=problem.config.label.positive,
            kind="binary",
            classes=[0.0, 1.0],
        ),
        environment=library_versions("scikit-learn"),
        training_fingerprint="benchmark",
        model_hash="",
        metrics={},
    )
