import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml_assets.errors import ArtifactError
from ml_assets.registry.bundle import open_bundle, save_bundle
from ml_assets.registry.frozen import freeze
from ml_assets.storage.artifacts import folder_hash


@pytest.fixture
def folder(tmp_path, manifest, fitted):
    save_bundle(tmp_path / "bundle", manifest=manifest, pipeline=fitted, reference="{}")
    return tmp_path / "bundle"


def _edit(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_answers_as_the_pipeline_that_was_saved(folder, complaints, fitted, rows):
    features, _ = rows

    bundle = open_bundle(folder, complaints)

    assert np.array_equal(bundle.predict(features), fitted.predict_proba(features)[:, 1])
    assert bundle.reference == "{}"
    assert bundle.warnings == ()


def test_picks_its_features_among_other_columns(folder, complaints, rows):
    features, _ = rows
    bundle = open_bundle(folder, complaints)

    shuffled = features.assign(other=1)[["other", "narrative", "days", "product"]]

    assert np.array_equal(bundle.predict(shuffled), bundle.predict(features))


def test_names_the_features_that_are_missing(folder, complaints, rows):
    bundle = open_bundle(folder, complaints)

    with pytest.raises(
        ArtifactError, match="needs the features product, days, which these rows lack"
    ):
        bundle.predict(rows[0][["narrative"]])


def test_gives_the_same_bytes_for_the_same_inputs(tmp_path, manifest, fitted):
    for name in ("one", "two"):
        save_bundle(tmp_path / name, manifest=manifest, pipeline=fitted)

    assert folder_hash(tmp_path / "one") == folder_hash(tmp_path / "two")


def test_pins_the_libraries_that_it_was_fitted_with(folder, manifest):
    lines = (folder / "requirements.txt").read_text().splitlines()

    assert f"scikit-learn=={manifest.environment['scikit-learn']}" in lines
    assert not any(line.startswith(("python", "platform")) for line in lines)


@pytest.mark.parametrize("part", ["contract", "features"])
def test_refuses_rows_that_went_through_other_code(
    part, tmp_path, complaints, fitted, manifest_of
):
    code = manifest_of(complaints).code.model_copy(update={part: "0" * 32})
    save_bundle(tmp_path / "b", manifest=manifest_of(complaints, code=code), pipeline=fitted)

    with pytest.raises(
        ArtifactError, match=rf"the code of {part} is \w+ here and 0000"
    ) as caught:
        open_bundle(tmp_path / "b", complaints)
    assert "Train it again" in str(caught.value)


def test_minds_no_other_training_code(tmp_path, complaints, fitted, manifest_of):
    code = manifest_of(complaints).code.model_copy(update={"training": "0" * 32})
    save_bundle(tmp_path / "b", manifest=manifest_of(complaints, code=code), pipeline=fitted)

    assert open_bundle(tmp_path / "b", complaints).warnings == ()


def test_refuses_a_model_of_another_problem(folder, complaints):
    _edit(folder, problem="homes")

    with pytest.raises(ArtifactError, match="is a model of homes, not of complaints"):
        open_bundle(folder, complaints)


def test_refuses_a_model_that_was_exchanged(folder, pipeline, complaints, rows):
    features, y = rows
    other = pipeline(LogisticRegression(C=7)).fit(features, y)
    (folder / "model.skops").write_bytes(freeze(other))

    with pytest.raises(ArtifactError, match="was changed: its content is"):
        open_bundle(folder, complaints)


def test_notes_another_library_without_refusing(folder, complaints, manifest):
    _edit(folder, environment={**manifest.environment, "numpy": "1.0.0"})

    warnings = open_bundle(folder, complaints).warnings

    assert warnings[0].endswith("here, the model was fitted with 1.0.0")


def test_refuses_a_format_that_it_does_not_know(folder, complaints):
    _edit(folder, format=2)

    with pytest.raises(ArtifactError, match="has format 2, this platform reads 1"):
        open_bundle(folder, complaints)


def test_says_what_is_wrong_with_a_manifest(folder, complaints):
    _edit(folder, surprise=1)

    with pytest.raises(ArtifactError, match="cannot be read: surprise: Extra inputs"):
        open_bundle(folder, complaints)


def test_says_that_a_folder_is_no_bundle(tmp_path, complaints):
    with pytest.raises(ArtifactError, match=r"is no model bundle: it has no manifest\.json"):
        open_bundle(tmp_path, complaints)
