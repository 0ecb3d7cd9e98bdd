import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from ml_assets.errors import ArtifactError, TrainingError
from ml_assets.registry.frozen import differences, freeze, model_hash, thaw

ESTIMATORS = [
    LogisticRegression(),
    SGDClassifier(loss="log_loss", random_state=0),
    RandomForestClassifier(4, random_state=0),
    HistGradientBoostingClassifier(max_iter=4, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    MLPClassifier(hidden_layer_sizes=3, max_iter=500, tol=1e-2, random_state=0),
]


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__
)
def test_answers_the_same_after_it_was_frozen(estimator, pipeline, rows):
    features, y = rows
    model = pipeline(estimator).fit(features, y)

    thawed = thaw(freeze(model))

    assert np.array_equal(thawed.predict_proba(features), model.predict_proba(features))


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__
)
def test_gives_the_same_bytes_for_the_same_fit(estimator, pipeline, rows):
    features, y = rows

    first, second = (freeze(pipeline(estimator).fit(features, y)) for _ in range(2))

    assert first == second
    assert model_hash(first) == model_hash(second)


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__
)
def test_gives_the_same_bytes_after_a_round_trip(estimator, pipeline, rows):
    features, y = rows
    frozen = freeze(pipeline(estimator).fit(features, y))

    assert freeze(thaw(frozen)) == frozen


FIT_AND_HASH = """
import hashlib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from ml_assets.registry.frozen import freeze

rng = np.random.default_rng(0)
texts = rng.choice(["late fee", "bank call", "fee call"], 80)
model = Pipeline([
    ("words", TfidfVectorizer(stop_words=["the"])),
    ("model", GradientBoostingClassifier(n_estimators=2, random_state=0)),
])
frozen = freeze(model.fit(texts, rng.integers(0, 2, 80)))
print(hashlib.sha256(frozen).hexdigest())
"""


def test_gives_the_same_bytes_in_every_process():
    hashes = {
        subprocess.run(
            [sys.executable, "-c", FIT_AND_HASH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(hashes) == 1


def test_gives_other_bytes_for_another_fit(pipeline, rows):
    features, y = rows

    first, second = (freeze(pipeline(LogisticRegression(C=C)).fit(features, y)) for C in (1, 2))

    assert model_hash(first) != model_hash(second)


def test_says_where_two_models_differ_and_by_how_much(pipeline, rows):
    features, y = rows
    first, second = (freeze(pipeline(LogisticRegression(C=C)).fit(features, y)) for C in (1, 2))

    found = differences(first, second)

    assert any("C: 1, now 2" in line for line in found)
    assert any("coef_: largest difference 0." in line for line in found)


def test_finds_no_difference_between_equal_models(fitted):
    assert differences(freeze(fitted), freeze(fitted)) == ()


def test_does_not_depend_on_how_the_zip_was_compressed(fitted):
    frozen, buffer = freeze(fitted), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(frozen)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))

    assert buffer.getvalue() != frozen
    assert model_hash(buffer.getvalue()) == model_hash(frozen)


def test_stores_no_function():
    model = Pipeline([("f", FunctionTransformer(os.path.join)), ("s", MinMaxScaler())])

    with pytest.raises(TrainingError, match=r"cannot be stored: it contains posixpath\.join"):
        freeze(model)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("numpy.testing", "runstring"),  # a function of a trusted package
        ("numpy.testing._private.utils", "StringIO"),  # imported there, at home elsewhere
        ("sklearn.nowhere", "Thing"),
    ],
)
def test_refuses_a_file_with_a_type_that_is_not_trusted(module, name, fitted):
    frozen = _with_type(freeze(fitted), module, name)

    with pytest.raises(ArtifactError, match=rf"not trusted: {module}\.{name}\."):
        thaw(frozen)


def test_refuses_what_is_no_model():
    with pytest.raises(ArtifactError, match="The model cannot be read"):
        thaw(b"hello")


def _with_type(frozen, module, name):
    """Tamper with a frozen model: let it contain another type."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(frozen)) as old, zipfile.ZipFile(buffer, "w") as new:
        schema = json.loads(old.read("schema.json"))
        steps = schema["content"]["content"]["steps"]["content"]
        steps[-1]["content"][-1] |= {"__class__": name, "__module__": module}
        new.writestr("schema.json", json.dumps(schema))
        for other in set(old.namelist()) - {"schema.json"}:
            new.writestr(other, old.read(other))
    return buffer.getvalue()
