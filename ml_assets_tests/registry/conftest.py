import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.typing import Series
from pyarrow import Table
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.features import (
    TrainingSet,
    build_training_set,
    feature_code_hash,
    materialize_features,
    training_frame,
)
from ml_assets.fingerprint import library_versions
from ml_assets.problem import Config, Problem
from ml_assets.problems.complaints import complaints as complaints_problem
from ml_assets.registry import approve, consider_promotion, rollback
from ml_assets.registry.bundle import contract_code_hash, hooks_code_hash, save_bundle
from ml_assets.registry.manifest import Algorithm, Code, Data, Manifest, Signature
from ml_assets.registry.measuring import evaluate
from ml_assets.registry.releases import champion, releases
from ml_assets.registry.retraining import ensure_model
from ml_assets.registry.versions import register
from ml_assets.storage import Commit, Home

ANSWERS_ALONE = ["answers", "fitness", "floor", "baseline", "champion", "slices"]
"""What a release needs where no service is near."""


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
            kind="logistic",
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
            hooks=hooks_code_hash(problem),
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


UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class Loan(pa.DataFrameModel):
    """One row per loan."""

    loan_id: Series[str] = pa.Field(unique=True, metadata={"role": "id"})
    asked_at: Series[UTC_TIME] = pa.Field(metadata={"role": "time"})
    income: Series[float] = pa.Field(metadata={"role": "input"})
    noise: Series[float] = pa.Field(metadata={"role": "input"})
    state: Series[str] = pa.Field(metadata={"role": "input"})
    defaulted: Series[pd.BooleanDtype] = pa.Field(nullable=True, metadata={"role": "target"})


def no_sample(n, rng):
    raise NotImplementedError(n, rng)


def loan_features(rows):
    return rows[["income", "noise", "state"]]


def other_loan_features(rows):
    return rows[["income", "noise", "state"]].assign(income=lambda found: found["income"] * 1.0)


def in_percent(risk, row):  # noqa: ARG001 - as every response hook
    return {"risk": f"{risk:.0%}"}


def loans_problem():
    """A small problem of two informative columns."""
    return Problem(
        name="loans",
        folder=Path(__file__).parent,
        contract=Loan,
        features=loan_features,
        sample=no_sample,
        config=Config.from_values(
            {
                "objective": "Lend to who pays back.",
                "owner": "credit",
                "moments": ["asked"],
                "moment_of_prediction": "asked",
                "source": {"origin": "made up", "terms": "none"},
                "partitions": {"start": "2015-01-01"},
                "label": {"positive": "Not paid back.", "delay_days": 30},
                "kpi": {
                    "metric": "roc_auc",
                    "formula": "ranks defaults first",
                    "floor": 0.55,
                    "owner": "credit",
                },
                "metrics": ["roc_auc", "brier", "precision"],
                "promotion": {"needs": ANSWERS_ALONE},
                "slices": {"columns": ["state"], "min_rows": 50},
                "training": {
                    "estimators": {
                        "logistic": {"kind": "logistic"},
                        "sgd": {"kind": "sgd", "hyperparameters": {"max_iter": 3}},
                    },
                    "encoders": {
                        "income": {"kind": "scale"},
                        "noise": {"kind": "scale"},
                        "state": {"kind": "one_hot"},
                    },
                },
            },
            where="the test",
        ),
    )


def loan_rows(month, rng, rows=500):
    """Loans of one month of 2015; defaults depend on income and on the state."""
    income, noise = rng.normal(size=(2, rows))
    state = rng.choice(["CA", "NY", "TX"], rows)
    risk = 1 / (1 + np.exp(1.5 * income + 0.8 - 0.5 * (state == "NY")))
    start = pd.Timestamp(2015, month, 1, tz="UTC")
    days = pd.to_timedelta(rng.integers(0, 28, rows), unit="D").as_unit("us")
    frame = pd.DataFrame(
        {
            "loan_id": [f"{month}-{number}" for number in range(rows)],
            "asked_at": (start + days).as_unit("us"),
            "income": income,
            "noise": noise,
            "state": state,
            "defaulted": rng.random(rows) < risk,
        }
    )
    return Table.from_pandas(frame, preserve_index=False)


GOOD, MIDDLING, POOR = ["income", "state"], ["state"], ["noise", "state"]


@dataclass
class World:
    """Validated loans of 2015-01 to 2015-06 in a home, and what is done with them."""

    problem: Problem
    home: Home
    now: datetime
    training_set: TrainingSet | None = None

    def with_config(self, section, **changes):
        """The same world with other values in one section of the configuration."""
        config = self.problem.config
        part = getattr(config, section).model_copy(update=changes)
        problem = replace(self.problem, config=config.model_copy(update={section: part}))
        return replace(self, problem=problem)

    def with_other_features(self):
        """The same world after the feature function was edited, its tables made again."""
        return replace(
            self, problem=replace(self.problem, features=other_loan_features)
        ).renew()

    def with_a_hook(self):
        """The same world after the problem was given a hook."""
        return replace(self, problem=replace(self.problem, response_hook=in_percent))

    def renew(self):
        """Make features and training set again."""
        for partition in self.home.lake.partitions("loans/validated"):
            materialize_features(self.problem, self.home, partition, run_id="seed")
        made = build_training_set(self.problem, self.home, now=self.now, run_id="seed")
        return replace(self, training_set=made)

    def with_month(self, month, *, seed):
        """The same world an hour later, after a month of loans arrived or was revised."""
        rows = loan_rows(month, np.random.default_rng(seed))
        commit = Commit(run_id="seed", code_hash="c", fingerprint=f"f{month}-{seed}")
        self.home.lake.write("loans/validated", f"2015-{month:02}", rows, commit=commit)
        return replace(self, now=self.now + timedelta(hours=1)).renew()

    def rows(self, *splits):
        """Rows of the training set."""
        return training_frame(self.problem, self.home, self.training_set, splits=splits)

    def fit(self, columns=GOOD, *, number=1, model=None):
        """Fit, store and register a model that reads `columns`; each number is another one."""
        rows = self.rows("train", "validation")
        numbers = [name for name in columns if name != "state"]
        texts = [name for name in columns if name == "state"]
        encode = ColumnTransformer(
            [("numbers", StandardScaler(), numbers), ("texts", OneHotEncoder(), texts)],
            sparse_threshold=0.0,
        )
        estimator = LogisticRegression(C=1 + number / 1000) if model is None else clone(model)
        fitted = Pipeline([("encode", encode), ("model", estimator)]).fit(rows, rows["label"])
        manifest = self.manifest(f"{'-'.join(columns)}-{number}")
        folder = self.home.path / "bundles" / manifest.training_fingerprint
        written = save_bundle(folder, manifest=manifest, pipeline=fitted)
        return register(
            self.problem,
            self.home,
            artifact=self.home.artifacts.put(folder),
            manifest=written,
            trigger="manual",
            run_id="run-1",
            now=self.now + timedelta(minutes=number),
        )

    def train(self, **options):
        """Let the platform train and register a model."""
        return ensure_model(self.problem, self.home, now=self.now, run_id="run-3", **options)

    def manifest(self, name):
        """A manifest as training would write it."""
        made_from = self.training_set
        return manifest_with(
            self.problem,
            data=Data(
                training_set=made_from.id,
                features_version=made_from.features_version,
                partitions=made_from.snapshot,
                excluded=made_from.excluded,
                rows=made_from.rows,
            ),
            signature=Signature(
                features={"income": "number", "noise": "number", "state": "text"},
                target="defaulted",
                positive="Not paid back.",
                kind="binary",
                classes=[0.0, 1.0],
            ),
            training_fingerprint=f"{name}-{made_from.id}",
        )

    def evaluate(self, version):
        """Measure a version."""
        return evaluate(self.problem, self.home, version, now=self.now)

    def consider(self, version, *, days=1, **options):
        """Consider the promotion of a version; Ada asks."""
        return consider_promotion(
            self.problem,
            self.home,
            version,
            now=self.now + timedelta(days=days),
            who="ada",
            run_id="run-2",
            **options,
        )

    def approve(self, version, **options):
        """Let Grace say yes, or no."""
        approve(self.problem, self.home, version, now=self.now, who="grace", **options)

    def roll_back(self, **options):
        """Roll back three days later; Ada asks."""
        at = self.now + timedelta(days=3)
        return rollback(self.problem, self.home, now=at, who="ada", why="complaints", **options)

    def champion(self, **options):
        """Who answers."""
        return champion(self.problem, self.home, **options)

    def releases(self):
        """The release log."""
        return releases(self.problem, self.home)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """A home with the loans in it, made once; every test gets a copy."""
    place = tmp_path_factory.mktemp("seeded")
    home = Home.open(place, environment={})
    for month in range(1, 7):
        commit = Commit(run_id="seed", code_hash="c", fingerprint=f"f{month}-0")
        rows = loan_rows(month, np.random.default_rng(month))
        home.lake.write("loans/validated", f"2015-{month:02}", rows, commit=commit)
    now = datetime(2026, 11, 20, 8, tzinfo=UTC)
    made = World(problem=loans_problem(), home=home, now=now).renew()
    home.store.close()
    return made


@pytest.fixture
def world(seeded, tmp_path):
    shutil.copytree(seeded.home.path, tmp_path, dirs_exist_ok=True)
    return replace(seeded, home=Home.open(tmp_path, environment={}))
