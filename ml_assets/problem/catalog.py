"""Which problems there are: those of this package, and those that other packages bring.

A package brings a problem by the entry point group `ml_assets.problems`; the entry point's name
is the problem's, and it points at the `Problem` object. Folders in `problems/` here need not be
installed, see `folders`.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path

from ml_assets.errors import ProblemError
from ml_assets.problem.config import Config
from ml_assets.problem.declaration import SOURCES, Problem
from ml_assets.problem.folders import (
    GROUP,
    PROBLEMS,
    FolderDistribution,
    find_folders,
    module_in,
)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An installed problem before its code is loaded: enough to lay out its assets.

    Attributes:
        name: The problem's name.
        folder: Where its `config.yaml`, `contract.py` and so on are.
        config: The values of its `config.yaml`.
        load: Imports the problem, and with it pandas and Pandera.
    """

    name: str
    folder: Path
    config: Config
    load: Callable[[], Problem]

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of its sources, where it has mappings; each is a file."""
        return tuple(path.stem for path in sorted((self.folder / SOURCES).glob("*.yaml")))

    @classmethod
    def of(cls, problem: Problem) -> "Declared":
        """The declaration of a problem that is loaded already."""
        return cls(
            name=problem.name,
            folder=problem.folder,
            config=problem.config,
            load=lambda: problem,
        )


def declared_problems() -> tuple[Declared, ...]:
    """Every installed problem, by name, without importing its code.

    Raises:
        ProblemError: If there is no such module, or its `config.yaml` cannot be used.
    """
    found = _entry_points()
    return tuple(_declared(found[name]) for name in sorted(found))


@cache
def problems() -> tuple[Problem, ...]:
    """Every installed problem, by name.

    Raises:
        ProblemError: If an entry point cannot be loaded, is no `Problem`, or has another name.
    """
    found = _entry_points()
    return tuple(_load(found[name]) for name in sorted(found))


def problem_named(name: str) -> Problem:
    """Return the problem called `name`.

    Raises:
        ProblemError: If there is none; the message lists the ones there are.
    """
    known = _entry_points()
    if name in known:
        return _load(known[name])
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ProblemError(
        f"There is no problem {name!r}; there are: {', '.join(known)}.{hint} Problems are found where "
        f"they are installed, and in {PROBLEMS}/ of the folder that you work in."
    )


def problem_in(folder: Path) -> Problem:
    """The problem that a folder declares, found or not; for its own tests, and for trying it.

    Raises:
        ProblemError: If it declares none.
    """
    found = [each for each in vars(module_in(folder)).values() if isinstance(each, Problem)]
    if len(found) != 1:
        raise ProblemError(
            f"{folder}/__init__.py declares {len(found)} problems, needed is one Problem(…)."
        )
    return found[0]


def _entry_points() -> dict[str, metadata.EntryPoint]:
    find_folders()
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def _declared(entry: metadata.EntryPoint) -> Declared:
    """Read what a problem's folder says about it; a problem without one is imported."""
    try:
        found = util.find_spec(entry.module)
    except ImportError as error:
        raise ProblemError(f"Problem {entry.name!r} cannot be found: {error}") from None
    if found is None or found.origin is None:
        raise ProblemError(f"Problem {entry.name!r} cannot be found: no module {entry.module}.")
    folder = Path(found.origin).parent
    if not (folder / "config.yaml").exists():
        return Declared.of(_load(entry))
    config = Config.from_file(folder / "config.yaml")
    return Declared(
        name=entry.name, folder=folder, config=config, load=lambda: problem_named(entry.name)
    )


def _load(entry: metadata.EntryPoint) -> Problem:
    try:
        if isinstance(entry.dist, FolderDistribution):
            module_in(
                entry.dist.folder
            )  # a folder of that name elsewhere may be loaded already
        problem = entry.load()
    except (
        ImportError,
        AttributeError,
        SyntaxError,
        NameError,
        TypeError,
        ValueError,
    ) as error:
        raise ProblemError(
            f"Problem {entry.name!r} ({entry.value}) cannot be loaded: {error}"
        ) from error
    if not isinstance(problem, Problem) or problem.name != entry.name:
        raise ProblemError(f"{entry.value} is not the Problem named {entry.name!r}.")
    return problem
