import datetime as dt
import shutil
import socket
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
import uvicorn
from loans import draw, learned_from
from playwright.sync_api import sync_playwright
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml_assets.features import build_features, contract_frame, feature_code_hash
from ml_assets.fingerprint import library_versions
from ml_assets.problem import Problem
from ml_assets.problems.complaints import complaints as complaints_problem
from ml_assets.registry import champion, save_bundle
from ml_assets.registry.bundle import contract_code_hash
from ml_assets.registry.manifest import Algorithm, Code, Data, Manifest, Signature
from ml_assets.registry.releases import add_release
from ml_assets.registry.retraining import ensure_model
from ml_assets.registry.versions import ModelVersion, register
from ml_assets.serving.app import application
from ml_assets.serving.server import config_of
from ml_assets.storage import Home
from ml_assets.training.encoders import column_transformer
from ml_assets.validation import hold_to_contract

NOW = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
ROWS = 300
CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_time(self, **duration):
        self.now += dt.timedelta(**duration)


@dataclass
class World:
    """A home with models of a problem, and the service of it."""

    home: Home
    problem: Problem
    pipelines: list[Pipeline]
    clock: Clock
    folder: object

    def register(self, number=0, pipeline=None, **changes) -> ModelVersion:
        """Register a model of its own for each number."""
        folder = Path(tempfile.mkdtemp(dir=self.folder)) / "bundle"
        manifest = manifest_of(self.problem, number).model_copy(update=changes)
        pipeline = pipeline or self.pipelines[number % 2]
        written = save_bundle(folder, manifest=manifest, pipeline=pipeline)
        return register(
            self.problem,
            self.home,
            artifact=self.home.artifacts.put(folder),
            manifest=written,
            trigger="manual",
            run_id=f"run-{number}",
            now=NOW + dt.timedelta(hours=number),
        )

    def release(self, version, kind="forced"):
        """Let a version answer."""
        before = champion(self.problem, self.home)
        add_release(
            self.problem,
            self.home,
            kind=kind,
            from_version=before.version if before else None,
            to_version=version.version,
            now=self.clock(),
            who="test",
            why="test",
            run_id="test",
            evidence={},
        )
        return version

    @contextmanager
    def served(self, **options):
        """A client of a real server, in a thread of this process."""
        app = application(self.home, [self.problem], clock=self.clock, **options)
        with client_of(app) as client:
            yield client


@contextmanager
def running(app):
    """The address of a server that runs while the block does."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config_of(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def fitted(problem, strength):
    return fitted_as(problem, LogisticRegression(C=strength, max_iter=200))


def fitted_as(problem, model):
    df = problem.sample(ROWS, np.random.default_rng(0))
    raw = {name: pa.array(df[name], pa.string(), from_pandas=True) for name in problem.fields}
    frame = contract_frame(problem, hold_to_contract(problem, pa.table(raw)).valid)
    names = list(problem.config.training.encoders)
    encode = column_transformer(problem.config.training.encoders, "sparse", seed=0)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # few rows, so not everything converges
        labels = frame[problem.target].astype("float64").fillna(0.0)
        return Pipeline([("encode", encode), ("model", model)]).fit(
            build_features(problem, frame)[names], labels
        )


def manifest_of(problem, number):
    names = list(problem.config.training.encoders)
    numbers = {"days_until_sent", "narrative_length"}
    return Manifest(
        problem=problem.name,
        data=Data(training_set="t", features_version=0, partitions={}, excluded={}, rows={}),
        algorithm=Algorithm(
            estimator="logistic",
            kind="logistic",
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
            features={name: "number" if name in numbers else "text" for name in names},
            target=problem.target,
            positive=problem.config.label.positive,
            kind="binary",
            classes=[0.0, 1.0],
        ),
        environment=library_versions("scikit-learn"),
        training_fingerprint=f"f{number}",
        model_hash="",
        metrics={},
    )


@contextmanager
def client_of(app):
    """A client of an application that runs on a socket while the block does."""
    with running(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def pipelines():
    return [fitted(complaints_problem, 0.3), fitted(complaints_problem, 3.0)]


@pytest.fixture(scope="session")
def forest():
    """A pipeline that has no direct path."""
    return fitted_as(complaints_problem, RandomForestClassifier(n_estimators=3, random_state=0))


def world_in(folder, pipelines):
    return World(
        Home.open(folder, environment={}), complaints_problem, pipelines, Clock(), folder
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Makes a home whose champion learned loans, as a problem sees them, or other rows."""

    def loans(problem, home):
        learned_from(problem, home, draw(1_500, np.random.default_rng(0)))

    def make(problem, learned=loans):
        folder = tmp_path_factory.mktemp("trained")
        world = World(Home.open(folder, environment={}), problem, [], Clock(), folder)
        learned(problem, world.home)
        world.release(ensure_model(problem, world.home, now=NOW, run_id="test"))
        return world

    return make


@pytest.fixture(scope="module")
def world(tmp_path_factory, pipelines):
    """A home with a champion, shared by tests that do not move it."""
    world = world_in(tmp_path_factory.mktemp("world"), pipelines)
    world.release(world.register())
    return world


@pytest.fixture(scope="module")
def client(world):
    with world.served() as client:
        yield client


@pytest.fixture
def empty_world(tmp_path, pipelines):
    """A home without any model."""
    return world_in(tmp_path, pipelines)


@pytest.fixture
def own_world(empty_world):
    """A home with a champion that a test may move."""
    empty_world.release(empty_world.register())
    return empty_world


@pytest.fixture
def own_client(own_world):
    with own_world.served() as client:
        yield client


@pytest.fixture
def served():
    """Makes a client of an application that runs on a socket."""
    return client_of


@pytest.fixture(scope="session")
def rows():
    """Rows as a client sends them."""
    problem = complaints_problem
    df = problem.sample(40, np.random.default_rng(7))[problem.known_columns].astype(object)
    return df.where(df.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
