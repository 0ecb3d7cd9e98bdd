"""Predictors out of the registry: the champion of a problem, or any version of it."""

from pathlib import Path

from ml_assets.errors import VersionNotFound
from ml_assets.inference.predictor import Predictor
from ml_assets.problem import Problem, problem_named
from ml_assets.registry import champion, load_bundle, version_named
from ml_assets.registry.package import open_package
from ml_assets.storage import Home


def load_predictor(problem: Problem, home: Home, version: str | None = None) -> Predictor:
    """Load a version, or the champion, ready to answer raw rows.

    Raises:
        VersionNotFound: If there is no such version, or no champion yet.
        ArtifactError: If its bundle is missing, was changed, or was made by other code than what
            is installed.
    """
    found = version_named(problem, home, version) if version else champion(problem, home)
    if found is None:
        raise VersionNotFound(
            f"{problem.name} has no champion in {home.path}. Train and promote a model first "
            f"(`ml-assets run {problem.name}`), or name a version."
        )
    return Predictor(problem, load_bundle(problem, home, found), version=found.version)


def load(name: str, *, version: str | None = None, home: str | Path | None = None) -> Predictor:
    """Load a problem's model into this program; see `ml_assets.load`."""
    return load_predictor(problem_named(name), Home.open(home), version)


def load_package(folder: str | Path) -> Predictor:
    """Load the model of a package into this program; see `ml_assets.load_package`."""
    package = open_package(Path(folder))
    problem = problem_named(package.contents.problem)
    return Predictor(problem, package.bundle(problem), version=package.contents.version)
