"""A package answers elsewhere what its model answers here, and is refused once it was changed."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import venv
import zipfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

import ml_assets
from ml_assets.errors import ArtifactError
from ml_assets.inference import load_predictor
from ml_assets.registry import champion, releases
from ml_assets.registry.locking import lock_hashes, locked_versions, requirements
from ml_assets.registry.package import install_package, open_package, write_package
from ml_assets.storage import Home

LOCK = Path(ml_assets.__file__).parents[1] / "requirements.lock"
ANSWER = """
import json, sys
import ml_assets

model = ml_assets.load_package(sys.argv[1])
answers = [prediction.value for prediction in model.predict(json.load(sys.stdin))]
print(json.dumps([ml_assets.__file__, model.version, answers]))
"""


@pytest.fixture(scope="module")
def package(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "package"
    version = champion(world.problem, world.home)
    return write_package(world.problem, world.home, version, folder, lock=LOCK)


@pytest.fixture
def copied(package, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(package.folder, tmp_path / "package")


class TestWriting:
    def test_says_which_model_it_is_and_what_every_file_is(self, package, world):
        version = champion(world.problem, world.home)

        assert (package.contents.problem, package.contents.version) == (
            "complaints",
            version.version,
        )
        assert set(package.contents.files) >= {
            "bundle/manifest.json",
            "bundle/model.skops",
            "requirements.txt",
            "serve.py",
            "Dockerfile",
            "README.md",
        }

    def test_gives_the_same_bytes_again(self, package, world, tmp_path):
        version = champion(world.problem, world.home)

        again = write_package(world.problem, world.home, version, tmp_path / "again", lock=LOCK)

        assert again.sha256 == package.sha256

    def test_packs_the_code_without_what_python_made_of_it(self, package):
        (wheel,) = (package.folder / "wheels").iterdir()

        names = zipfile.ZipFile(wheel).namelist()

        assert {
            "ml_assets/__init__.py",
            "ml_assets/problems/complaints/config.yaml",
            "ml_assets/problems/complaints/contract.py",
        } <= set(names)
        assert not [name for name in names if "__pycache__" in name or "tests" in name]

    def test_pins_what_is_needed_to_answer_and_no_orchestrator(self, package):
        lines = (package.folder / "requirements.txt").read_text()

        pinned = set(re.findall(r"^([a-z0-9-]+)==", lines, re.MULTILINE))
        assert {"numpy", "pandas", "scikit-learn", "starlette", "uvicorn"} <= pinned
        assert not {name for name in pinned if name.startswith("dagster")}

    def test_refuses_a_folder_with_something_in_it(self, package, world):
        version = champion(world.problem, world.home)

        with pytest.raises(ArtifactError, match="is not empty"):
            write_package(world.problem, world.home, version, package.folder)


class TestLocking:
    def test_follows_what_is_needed_on_this_machine(self):
        versions = locked_versions(["pandas"])

        assert set(versions) == {"numpy", "python-dateutil", "six"}
        assert all(Requirement(f"{name}=={version}") for name, version in versions.items())

    def test_takes_hashes_from_a_lock_where_it_has_them_all(self):
        hashes = lock_hashes(LOCK)
        versions = {"six": next(version for name, version in hashes if name == "six")}

        text = requirements(versions, {"wheels/a.whl": "ab"}, hashes)

        assert text.count("--hash=sha256:") == len(hashes["six", versions["six"]]) + 1
        assert "--hash" not in requirements({**versions, "other": "1"}, {}, hashes)

    def test_refuses_what_is_not_installed(self):
        with pytest.raises(ArtifactError, match="no-such-library is needed"):
            locked_versions(["no-such-library"])


class TestOpening:
    @pytest.mark.parametrize(
        "name", ["bundle/model.skops", "bundle/manifest.json", "serve.py", "requirements.txt"]
    )
    def test_refuses_a_file_that_was_changed(self, copied, name):
        with (copied / name).open("ab") as file:
            file.write(b" ")

        with pytest.raises(ArtifactError, match=f"{re.escape(name)} of the package .* changed"):
            open_package(copied)

    def test_refuses_code_that_was_exchanged(self, copied):
        (wheel,) = (copied / "wheels").iterdir()
        wheel.write_bytes(b"another")

        with pytest.raises(ArtifactError, match="was changed after it was made"):
            ml_assets.load_package(copied)

    def test_refuses_a_package_that_lacks_a_file(self, copied):
        (copied / "requirements.txt").unlink()

        with pytest.raises(ArtifactError, match=r"lacks requirements\.txt"):
            open_package(copied)

    def test_refuses_a_file_that_was_added_to_the_bundle(self, copied):
        (copied / "bundle" / "more.json").write_text("{}")

        with pytest.raises(ArtifactError, match=r"more\.json does not belong to the package"):
            open_package(copied)

    def test_refuses_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(ArtifactError, match=r"is no package: it has no package\.json"):
            open_package(tmp_path)

    def test_refuses_contents_that_cannot_be_read(self, copied):
        (copied / "package.json").write_text("{}")

        with pytest.raises(
            ArtifactError, match=r"package\.json cannot be read: Field required"
        ):
            open_package(copied)

    def test_refuses_another_format(self, copied):
        contents = json.loads((copied / "package.json").read_text())
        (copied / "package.json").write_text(json.dumps({**contents, "format": 2}))

        with pytest.raises(ArtifactError, match="has format 2, this platform reads 1"):
            open_package(copied)


class TestEmbedding:
    def test_answers_what_the_registered_model_answers(self, package, world, rows):
        expected = load_predictor(world.problem, world.home).predict(rows)

        assert ml_assets.load_package(package.folder).predict(rows) == expected


class TestInstalling:
    def test_lets_its_model_answer_under_the_same_id(self, package, world, tmp_path):
        home = Home.open(tmp_path, environment={})

        version = install_package(world.problem, home, package, now=world.clock(), who="ada")

        assert version.version == package.contents.version
        assert champion(world.problem, home) == version

    def test_is_one_line_in_the_release_log_however_often(self, package, world, tmp_path):
        home = Home.open(tmp_path, environment={})

        for _ in range(3):
            install_package(world.problem, home, package, now=world.clock(), who="ada")

        (release,) = releases(world.problem, home)
        assert (release.who, release.evidence) == ("ada", {"package": package.sha256})
        assert package.sha256[:12] in release.why


@pytest.fixture(scope="module")
def elsewhere(package, tmp_path_factory):
    """A fresh environment with the package, made by the steps of its Dockerfile."""
    folder = tmp_path_factory.mktemp("elsewhere")
    copy = shutil.copytree(package.folder, folder / "package")
    venv.create(folder / "environment", with_pip=True)
    steps = re.findall(r"^RUN python (.+)$", (copy / "Dockerfile").read_text(), re.MULTILINE)
    assert steps
    for step in steps:
        command = [python_of(folder), *step.split()]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def python_of(folder):
    return str(folder / "environment" / "bin" / "python")


@contextmanager
def served(folder, home, *options):
    """A client of the package's server, which runs in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    script = str(folder / "package" / "serve.py")
    command = [python_of(folder), script, *options, "--home", str(home), "--port", str(port)]
    with (
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        wait_until_ready(server, client)
        yield client
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def wait_until_ready(server, client):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, server.stdout.read().decode()
        try:
            if client.get("/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the server was not ready in time")


@pytest.mark.slow
class TestElsewhere:
    @pytest.fixture
    def expected(self, world, rows):
        return [
            answer.value for answer in load_predictor(world.problem, world.home).predict(rows)
        ]

    def test_answers_embedded_what_it_answers_here(self, elsewhere, package, rows, expected):
        command = [python_of(elsewhere), "-c", ANSWER, str(elsewhere / "package")]

        done = subprocess.run(
            command,
            input=json.dumps(rows),
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        )

        code, version, answers = json.loads(done.stdout)
        assert Path(code).is_relative_to(elsewhere / "environment")
        assert version == package.contents.version
        assert answers == expected

    def test_serves_the_same_answers_to_developers(self, elsewhere, rows, expected):
        with served(elsewhere, elsewhere / "dev", "dev") as client:
            answered = client.post("/complaints/predict", json=rows).json()["predictions"]

        assert [each["prediction"] for each in answered] == expected

    def test_serves_the_same_answers_to_who_has_a_key(self, elsewhere, rows, expected):
        home = elsewhere / "prod"
        (flavour,) = re.findall(
            r'^CMD \["(\w+)"', (elsewhere / "package" / "Dockerfile").read_text(), re.MULTILINE
        )
        command = Path(python_of(elsewhere)).with_name("ml-assets")
        add = [str(command), "keys", "add", "shop"]
        made = subprocess.run(
            [*add, "--role", "predict", "--home", str(home), "--json"],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        )
        key = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}

        with served(elsewhere, home, flavour) as client:
            refused = client.post("/complaints/predict", json=rows)
            answered = client.post("/complaints/predict", json=rows, headers=key)

        assert refused.status_code == 401
        assert [each["prediction"] for each in answered.json()["predictions"]] == expected

    def test_keeps_what_developers_do_apart(self, elsewhere, package, rows):
        with served(elsewhere, elsewhere / "apart", "dev") as client:
            client.post("/complaints/predict", json=rows[:1]).raise_for_status()

        assert (elsewhere / "apart" / "store.sqlite").exists()
        assert open_package(elsewhere / "package").sha256 == package.sha256
