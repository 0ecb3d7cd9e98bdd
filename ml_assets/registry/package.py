"""A model version as a folder that can leave: bundle, code, libraries, server, and what each is.

Whoever gets a package needs nothing of the deployment that it came from, and not this platform: it
is in there. A package is never written to; the deployment that serves it keeps a home of its own.
What answers requests does not belong here.
"""

import hashlib
import json
import platform
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ml_assets.errors import ArtifactError
from ml_assets.problem import Problem
from ml_assets.registry.bundle import Bundle, open_bundle, read_manifest
from ml_assets.registry.locking import lock_hashes, locked_versions, requirements
from ml_assets.registry.manifest import Section
from ml_assets.registry.package_texts import DOCKERFILE, DOCKERIGNORE, README, SERVE
from ml_assets.registry.releases import add_release, champion
from ml_assets.registry.versions import ModelVersion, register
from ml_assets.registry.wheels import distributions_of, write_wheel
from ml_assets.storage import Home

FORMAT = 1
CONTENTS = "package.json"
BUNDLE = "bundle"


class Contents(Section):
    """What a package says about itself.

    Attributes:
        format: Of the package's layout.
        problem: Whose model it is.
        version: Id of the model version.
        number: Semantic version that it had where it was made.
        created_at: When the version was registered.
        artifact: Content hash of the bundle.
        python: Version of the interpreter that the libraries were installed for.
        platform: Machine and system that they were installed on.
        files: Path of every other file to its SHA-256.
    """

    format: int = FORMAT
    problem: str
    version: str
    number: str
    created_at: datetime
    artifact: str
    python: str
    platform: str
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package whose every file is what it says.

    Attributes:
        folder: Where it is.
        contents: What it says about itself.
        sha256: Of `package.json`, and so of everything in it.
    """

    folder: Path
    contents: Contents
    sha256: str

    def bundle(self, problem: Problem) -> Bundle:
        """Load the model.

        Raises:
            ArtifactError: If rows would go through other code here than it learned from.
        """
        return open_bundle(self.folder / BUNDLE, problem)


def write_package(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    folder: Path,
    *,
    lock: Path | None = None,
) -> Package:
    """Write a model version as a package.

    Args:
        problem: Whose model it is.
        home: Where the model is registered.
        version: Of the model.
        folder: Where to; must not exist, or be empty.
        lock: A lock that has hashes of the libraries, for the package's.

    Raises:
        ArtifactError: If the folder has something in it, or the code cannot be packed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ArtifactError(f"{folder} is not empty. Name a folder that does not exist yet.")
    shutil.copytree(home.artifacts.get(version.artifact), folder / BUNDLE, dirs_exist_ok=True)
    _write_code(problem, folder, lock)
    _write_texts(problem, version, folder)
    contents = Contents(
        problem=problem.name,
        version=version.version,
        number=version.number,
        created_at=version.created_at,
        artifact=version.artifact,
        python=platform.python_version(),
        platform=_platform(),
        files=_hashes(folder),
    )
    text = json.dumps(contents.model_dump(mode="json"), indent=2) + "\n"
    (folder / CONTENTS).write_text(text, encoding="utf-8")
    return open_package(folder)


def open_package(folder: Path) -> Package:
    """Read a package, and compare each of its files with what it should be.

    Raises:
        ArtifactError: If it is no package, or a file was changed or is missing; it is named.
    """
    try:
        text = (folder / CONTENTS).read_bytes()
        contents = Contents.model_validate_json(text)
    except FileNotFoundError:
        raise ArtifactError(f"{folder} is no package: it has no {CONTENTS}.") from None
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ArtifactError(f"{folder / CONTENTS} cannot be read: {reason}.") from None
    if contents.format != FORMAT:
        raise ArtifactError(
            f"The package in {folder} has format {contents.format}, this platform reads {FORMAT}. "
            "Use the platform that is in its own wheels."
        )
    _require_whole(folder, contents)
    return Package(folder=folder, contents=contents, sha256=hashlib.sha256(text).hexdigest())


def install_package(
    problem: Problem, home: Home, package: Package, *, now: datetime, who: str
) -> ModelVersion:
    """Let the package's model answer in a home; one that answers there already stays.

    Raises:
        ArtifactError: If rows would go through other code here than the model learned from.
    """
    package.bundle(problem)
    digest = package.sha256[:12]
    version = register(
        problem,
        home,
        artifact=home.artifacts.put(package.folder / BUNDLE),
        manifest=read_manifest(package.folder / BUNDLE),
        trigger="manual",
        run_id=f"package-{digest}",
        now=package.contents.created_at,
    )
    before = champion(problem, home)
    if before is None or before.version != version.version:
        add_release(
            problem,
            home,
            kind="forced",
            from_version=before.version if before else None,
            to_version=version.version,
            now=now,
            who=who,
            why=f"The package {digest} ({package.contents.number}) was started on this home.",
            run_id=f"package-{digest}",
            evidence={"package": package.sha256},
        )
    return version


def _write_code(problem: Problem, folder: Path, lock: Path | None) -> None:
    """Write the wheels, and the list of libraries."""
    names = distributions_of(problem)
    (folder / "wheels").mkdir()
    wheels = [write_wheel(name, folder / "wheels") for name in names]
    text = requirements(
        locked_versions(names),
        {path.relative_to(folder).as_posix(): _sha256(path) for path in wheels},
        lock_hashes(lock) if lock else {},
    )
    (folder / "requirements.txt").write_text(text, encoding="utf-8")


def _write_texts(problem: Problem, version: ModelVersion, folder: Path) -> None:
    python = platform.python_version()
    minor = python.rpartition(".")[0]
    readme = README.format(
        problem=problem.name,
        number=version.number,
        version=version.version,
        objective=problem.config.objective,
        python=python,
        minor=minor,
        platform=_platform(),
    )
    texts = {
        "README.md": readme,
        "serve.py": SERVE,
        "Dockerfile": DOCKERFILE.format(python=minor),
        ".dockerignore": DOCKERIGNORE,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _require_whole(folder: Path, contents: Contents) -> None:
    for name, expected in contents.files.items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"The package in {folder} lacks {name}, so it is not used.")
        if _sha256(path) != expected:
            raise ArtifactError(
                f"{name} of the package in {folder} was changed after it was made, so the package is "
                "not used. Get it again from where it was made."
            )
    known = {folder / name for name in contents.files}
    if added := sorted(set((folder / BUNDLE).rglob("*")) - known):
        raise ArtifactError(f"{added[0]} does not belong to the package, so it is not used.")


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _platform() -> str:
    libc = " ".join(platform.libc_ver()).strip()
    return f"{platform.system()} {platform.machine()}" + (f", {libc}" if libc else "")
