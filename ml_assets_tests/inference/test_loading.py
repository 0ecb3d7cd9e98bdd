"""Models in any Python program: `ml_assets.load`."""

import subprocess
import sys
from datetime import timedelta

import pytest

import ml_assets
from ml_assets.errors import ArtifactError, ProblemError, VersionNotFound
from ml_assets.registry import save_bundle
from ml_assets.registry.releases import add_release
from ml_assets.registry.versions import register


@pytest.fixture
def versions(complaints, bundle, home, tmp_path, now):
    """Two registered versions, the first of which is champion."""
    registered = []
    for number in (1, 2):
        folder = tmp_path / f"bundle-{number}"
        told = bundle.manifest.model_copy(update={"training_fingerprint": f"f{number}"})
        written = save_bundle(folder, manifest=told, pipeline=bundle.pipeline)
        version = register(
            complaints,
            home,
            artifact=home.artifacts.put(folder),
            manifest=written,
            trigger="manual",
            run_id="test",
            now=now + timedelta(hours=number),
        )
        registered.append(version)
    add_release(
        complaints,
        home,
        kind="forced",
        from_version=None,
        to_version=registered[0].version,
        now=now,
        who="test",
        why="test",
        run_id="test",
        evidence={},
    )
    return registered


@pytest.mark.usefixtures("versions")
def test_answers_as_the_bundle_does(home, complaints, bundle, raw_rows_of):
    rows = raw_rows_of(complaints, 5)

    model = ml_assets.load("complaints", home=home.path)

    held = [each.row for each in model.inputs.by_table(rows)]
    expected = bundle.predict(model.featuring.frame(held))
    assert [found.value for found in model.predict(rows)] == pytest.approx(expected)


def test_loads_the_champion_or_the_version_that_is_named(versions, home):
    champion, challenger = versions

    assert ml_assets.load("complaints", home=home.path).version == champion.version
    named = ml_assets.load("complaints", version=challenger.version, home=home.path)
    assert named.version == challenger.version


def test_says_what_to_do_when_there_is_no_champion(home):
    with pytest.raises(
        VersionNotFound, match=r"complaints has no champion .* Train and promote"
    ):
        ml_assets.load("complaints", home=home.path)


def test_names_the_problems_there_are(home):
    with pytest.raises(ProblemError, match="Did you mean 'complaints'"):
        ml_assets.load("complaint", home=home.path)


def test_refuses_a_bundle_that_was_changed(versions, home):
    folder = home.artifacts.get(versions[0].artifact)
    (folder / "model.skops").chmod(0o644)
    (folder / "model.skops").write_bytes(b"other")

    with pytest.raises(ArtifactError):
        ml_assets.load("complaints", home=home.path)


@pytest.mark.usefixtures("versions")
def test_needs_neither_dagster_nor_a_server(home):
    program = (
        "import sys, ml_assets\n"
        f"ml_assets.load('complaints', home={str(home.path)!r})\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'dagster', 'starlette'}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
