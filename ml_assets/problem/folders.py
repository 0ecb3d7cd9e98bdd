"""Problems that nobody installed: the folders in `problems/` of the folder that one works in.

A folder whose `pyproject.toml` announces a problem is found as if it were installed, by Python's own
hook for both questions: where a module is (`find_spec`) and what a distribution announces
(`find_distributions`). What is installed comes first, so installing such a folder changes nothing.
"""

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ml_assets.errors import ProblemError

GROUP = "ml_assets.problems"
PROBLEMS = "problems"
PROJECT = "pyproject.toml"


class FolderDistribution(metadata.Distribution):
    """A problem's folder, as a distribution that is installed.

    Args:
        folder: Holds `pyproject.toml` beside the code; the module is called as the folder.
        project: The section `project` of that file.

    Attributes:
        folder: The same.
    """

    def __init__(self, folder: Path, project: Mapping[str, object]) -> None:
        self.folder = folder
        self._project = project

    def read_text(self, filename: str) -> str | None:
        """What an installed distribution says in one of its files; None where it has none."""
        match filename:
            case "METADATA":
                name = self._project.get("name", self.folder.name)
                version = self._project.get("version", "0")
                return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            case "entry_points.txt":
                lines = [f"{name} = {value}" for name, value in announced(self._project)]
                return "\n".join([f"[{GROUP}]", *lines, ""])
            case "top_level.txt":
                return f"{self.folder.name}\n"
        return None

    def locate_file(self, path: object) -> Path:
        """Where a file of the distribution is."""
        return self.folder.parent / str(path)


class FolderFinder(metadata.DistributionFinder):
    """Finds the problems in `problems/` here, and what they are made of."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - Python asks so
    ) -> ModuleSpec | None:
        """Where the module of a problem is."""
        folder = Path.cwd() / PROBLEMS / fullname
        if path is not None or not (folder / PROJECT).is_file():
            return None
        return importlib.util.spec_from_file_location(
            fullname, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )

    def find_distributions(
        self, context: metadata.DistributionFinder.Context | None = None
    ) -> Iterator[metadata.Distribution]:
        """The distributions that announce a problem, or the one that is asked for by name."""
        # Somebody asks for every name that is not installed, and only some are folders here.
        asked = _module(context.name) if context and context.name else "*"
        for project_file in sorted((Path.cwd() / PROBLEMS).glob(f"{asked}/{PROJECT}")):
            project = _project(project_file)
            if announced(project):
                yield FolderDistribution(project_file.parent, project)


def announced(project: Mapping[str, object]) -> list[tuple[str, str]]:
    """The problems that a project announces: their names, and where their objects are."""
    groups = project.get("entry-points")
    found = groups.get(GROUP) if isinstance(groups, dict) else None
    return list(found.items()) if isinstance(found, dict) else []


def is_module(name: str) -> bool:
    """Whether Python has a module of a name that is no problem's folder."""
    others = (finder for finder in sys.meta_path if not isinstance(finder, FolderFinder))
    return any(finder.find_spec(name, None) for finder in others)


@cache
def find_folders() -> None:
    """Let Python find problems in folders from now on, after everything that is installed."""
    sys.meta_path.append(FolderFinder())


def module_in(folder: Path) -> ModuleType:
    """Import the package that a folder is, wherever it is; its name is that of the folder.

    Another module of that name, such as that of a folder elsewhere, gives way.
    """
    folder = folder.resolve()
    loaded = sys.modules.get(folder.name)
    if loaded is not None and loaded.__file__ == str(folder / "__init__.py"):
        return loaded
    for name in [each for each in sys.modules if each.partition(".")[0] == folder.name]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not (folder / "__init__.py").is_file():
        raise ProblemError(f"{folder} has no __init__.py, so it is no problem's folder.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)
    return module


def _module(distribution: str) -> str:
    """The folder of a distribution of some name: drafted ones are called as theirs."""
    return re.sub(r"[-_.]+", "_", distribution).lower()


def _project(path: Path) -> Mapping[str, object]:
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProblemError(
            f"{path} cannot be read: {error}. Mend it, or move it away."
        ) from None
