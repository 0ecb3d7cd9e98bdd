"""A model in ONNX gives the same answers on real rows, or is refused by the name of a step."""

import builtins

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.errors import InsufficientData, NotExportable, RegistryError
from ml_assets.registry import Bundle
from ml_assets.registry.manifest import Signature
from ml_assets.registry.portable import export_onnx, proof_rows
from ml_assets.storage import Commit
from ml_assets.training.text import FastTfidf

ROWS = 1_200
WORDS = ("a fee", "a late FEE", "nobody answers", "no answer, no fee")


class Shifted(TransformerMixin, BaseEstimator):
    """What skl2onnx has never heard of."""

    def fit(self, X, y=None):  # noqa: ARG002 - as scikit-learn calls it
        return self

    def transform(self, X):
        return np.asarray(X) + 1.0


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "color": pd.Series(rng.choice(["red", "green", "blue"], ROWS), dtype="str"),
            "size": rng.normal(50.0, 10.0, ROWS),
            "note": pd.Series(rng.choice(WORDS, ROWS), dtype="str"),
        }
    )


KINDS = {"color": "text", "size": "number", "note": "text"}
COLOR = ("color", OneHotEncoder(handle_unknown="ignore"), ["color"])
SIZE = ("size", StandardScaler(), ["size"])


@pytest.fixture
def bundle_of(features, manifest):
    """A bundle with a model of some encoders, fitted on the features."""

    def made(*encoders, estimator=None):
        estimator = estimator or LogisticRegression()
        is_binary = hasattr(estimator, "predict_proba")
        names = [c for _, _, columns in encoders for c in np.atleast_1d(columns).tolist()]
        labels = features["size"] + 10 * (features["color"] == "red")
        labels = (labels > 50).astype(float) if is_binary else labels
        pipeline = Pipeline(
            [("encode", ColumnTransformer(list(encoders))), ("model", estimator)]
        ).fit(features[names], labels)
        signature = Signature(
            features={name: KINDS[name] for name in names},
            target="big",
            positive="It is big.",
            kind="binary" if is_binary else "regression",
            classes=[0.0, 1.0] if is_binary else [],
        )
        return Bundle(
            manifest=manifest.model_copy(update={"signature": signature}),
            pipeline=pipeline,
            reference=None,
            warnings=(),
        )

    return made


class TestExport:
    @pytest.mark.parametrize("estimator", [LogisticRegression(), Ridge()])
    def test_answers_in_onnx_as_it_does_here(self, bundle_of, features, tmp_path, estimator):
        bundle = bundle_of(COLOR, SIZE, estimator=estimator)
        file = tmp_path / "to" / "model.onnx"

        proof = export_onnx(bundle, features, file, about={"version": "v1"})

        session = onnxruntime.InferenceSession(file.read_bytes())
        inputs = {
            "color": features[["color"]].to_numpy(dtype=object),
            "size": features[["size"]].to_numpy(dtype=np.float32),
        }
        found = session.run(None, inputs)[-1][:, -1]
        assert (proof.rows, proof.largest_difference < 1e-6) == (1_000, True)
        assert found == pytest.approx(bundle.predict(features), rel=1e-6, abs=1e-6)

    def test_says_which_model_it_is(self, bundle_of, features, tmp_path):
        export_onnx(bundle_of(COLOR), features, tmp_path / "m.onnx", about={"version": "v1"})

        properties = onnx.load(tmp_path / "m.onnx").metadata_props

        assert [(each.key, each.value) for each in properties] == [("version", "v1")]


class TestRefusals:
    def test_name_a_step_that_has_no_equal(self, bundle_of, features, tmp_path):
        bundle = bundle_of(COLOR, ("size", Shifted(), ["size"]))

        with pytest.raises(
            NotExportable,
            match=r"step encode\.size has no equal in ONNX: .* not know Shifted",
        ):
            export_onnx(bundle, features, tmp_path / "m.onnx", about={})

        assert not (tmp_path / "m.onnx").exists()

    def test_name_the_text_encoder_of_the_platform(self, bundle_of, features, tmp_path):
        bundle = bundle_of(COLOR, SIZE, ("note", FastTfidf(min_df=1), "note"))

        with pytest.raises(NotExportable, match=r"step encode\.note has no equal.*FastTfidf"):
            export_onnx(bundle, features, tmp_path / "m.onnx", about={})

    def test_name_the_step_whose_missing_values_are_read_otherwise(
        self, bundle_of, features, tmp_path
    ):
        bundle = bundle_of(COLOR, SIZE)
        rows = features.assign(color=features["color"].where(features.index > 3))
        bundle.pipeline.steps[0][1].fit(rows[["color", "size"]])
        bundle.pipeline.steps[1][1].fit(
            bundle.pipeline.steps[0][1].transform(rows[["color", "size"]]), rows["size"] > 50
        )

        with pytest.raises(
            NotExportable,
            match=r"step encode\.color gives other numbers in ONNX: off by 1\.0e\+00 in row 0",
        ):
            export_onnx(bundle, rows, tmp_path / "m.onnx", about={})

    def test_name_the_estimator_that_has_no_equal(self, bundle_of, features, tmp_path):
        bundle = bundle_of(SIZE, estimator=HistGradientBoostingRegressor(max_iter=5))

        with pytest.raises(NotExportable, match="estimator HistGradientBoostingRegressor"):
            export_onnx(bundle, features, tmp_path / "m.onnx", about={})

    def test_name_the_estimator_that_gives_other_answers(self, bundle_of, features, tmp_path):
        bundle = bundle_of(("size", "passthrough", ["size"]), estimator=Ridge())
        rows = features.assign(size=1e6 + features["size"] / 7)
        bundle.pipeline.fit(rows[["size"]], rows["size"] - 1e6)

        with pytest.raises(NotExportable, match="estimator Ridge gives other answers in ONNX"):
            export_onnx(bundle, rows, tmp_path / "m.onnx", about={})

        assert not (tmp_path / "m.onnx").exists()

    def test_ask_for_enough_rows(self, bundle_of, features, tmp_path):
        with pytest.raises(InsufficientData, match="needs at least 1,000 rows, got 999"):
            export_onnx(bundle_of(COLOR), features.head(999), tmp_path / "m.onnx", about={})

    def test_say_what_to_install(self, bundle_of, features, tmp_path, monkeypatch):
        real = builtins.__import__

        def without(name, *args, **options):
            if name == "skl2onnx":
                raise ModuleNotFoundError(name=name)
            return real(name, *args, **options)

        monkeypatch.setattr(builtins, "__import__", without)

        with pytest.raises(RegistryError, match=r"need skl2onnx.*ml-assets\[onnx\]"):
            export_onnx(bundle_of(COLOR), features, tmp_path / "m.onnx", about={})


class TestProofRows:
    @staticmethod
    def write(home, partition, first, rows):
        home.lake.write(
            "complaints/features",
            partition,
            pa.table({"days": np.arange(first, first + rows, dtype=float)}),
            commit=Commit(run_id="test", code_hash="c", fingerprint="f"),
        )

    def test_are_those_of_the_newest_partitions_as_many_as_are_needed(self, complaints, home):
        for number, partition in enumerate(["2015-01", "2015-02", "2015-03"]):
            self.write(home, partition, number * 600, 600)

        rows = proof_rows(complaints, home)

        assert set(rows["days"]) == set(range(600, 1_800))
