import pyarrow as pa
import pytest

from ml_assets.errors import StorageError
from ml_assets.storage import Commit, Home


def test_keeps_everything_in_one_folder(tmp_path):
    home = Home.open(tmp_path / "new" / "home", environment={})
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model").write_text("x")

    home.lake.write(
        "p/raw",
        "a",
        pa.table({"n": [1]}),
        commit=Commit(run_id="run", code_hash="code", fingerprint="made"),
    )
    home.artifacts.put(tmp_path / "bundle")
    with home.store.connect():
        pass

    assert home.path == tmp_path / "new" / "home"
    assert sorted(p.name for p in home.path.iterdir() if "-" not in p.name) == [
        "artifacts",
        "lake",
        "store.sqlite",
    ]


def test_is_where_the_environment_says(tmp_path):
    home = Home.open(environment={"ML_ASSETS_HOME": str(tmp_path / "from environment")})

    assert home.path == tmp_path / "from environment"


def test_prefers_the_path_it_is_given(tmp_path):
    home = Home.open(
        tmp_path / "given", environment={"ML_ASSETS_HOME": str(tmp_path / "other")}
    )

    assert home.path == tmp_path / "given"


def test_is_in_the_working_folder_when_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert Home.open(environment={}).path == tmp_path / ".ml_assets"


def test_puts_each_store_where_the_environment_says(tmp_path):
    home = Home.open(
        tmp_path / "home",
        environment={
            "ML_ASSETS_LAKE_URL": str(tmp_path / "big disk"),
            "ML_ASSETS_STORE_URL": f"sqlite:///{tmp_path}/elsewhere.sqlite",
            "ML_ASSETS_ARTIFACTS_URL": str(tmp_path / "bundles"),
        },
    )

    assert home.lake.url == str(tmp_path / "big disk")
    assert home.store.url == f"sqlite:///{tmp_path}/elsewhere.sqlite"
    assert home.artifacts.url == str(tmp_path / "bundles")


def test_reads_the_environment_of_the_process_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "home"))

    assert Home.open().path == tmp_path / "home"


def test_refuses_a_store_that_would_forget_everything(tmp_path):
    with pytest.raises(StorageError, match=r"needs a file, got sqlite://\."):
        Home.open(tmp_path, environment={"ML_ASSETS_STORE_URL": "sqlite://"})
