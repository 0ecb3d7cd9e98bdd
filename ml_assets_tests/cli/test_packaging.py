"""Commands that write a model for elsewhere, on a home that was run once."""

import pytest

import ml_assets


@pytest.fixture
def ask(call, played):
    """Call a command on the home that was run."""
    return lambda *arguments: call(*arguments, "--home", played.home)


class TestPackage:
    def test_writes_the_champion(self, ask, played, tmp_path):
        folder = tmp_path / "package"

        made = ask("package", "complaints", "--to", folder, "--json").facts

        assert made["version"] == played.first.facts["model"]["champion"]
        assert ml_assets.load_package(folder).version == made["version"]

    def test_says_what_to_do_with_it(self, ask, tmp_path):
        called = ask("package", "complaints", "--to", tmp_path / "package")

        assert called.exit_code == 0
        assert "README.md says how to install, serve and embed it" in called.words

    def test_refuses_a_version_that_there_is_not(self, ask, tmp_path):
        called = ask("package", "complaints", "--to", tmp_path, "--version", "9.9.9")

        assert called.exit_code == 1
        assert "VersionNotFound: complaints has no model '9.9.9'" in called.err


class TestExport:
    def test_writes_nothing_where_too_few_rows_prove_it(self, ask, tmp_path):
        file = tmp_path / "model.onnx"

        called = ask("export", "complaints", "--onnx", file)

        assert called.exit_code == 1
        assert "The proof of an ONNX file needs at least 1,000 rows, got 360" in called.err
        assert not file.exists()
