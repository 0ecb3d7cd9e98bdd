"""The folder of a drafted problem: its files, written whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import yaml

from ml_assets.errors import ProblemError
from ml_assets.problem import Config, Problem, problem_in
from ml_assets.problem.declaration import require_name
from ml_assets.problem.folders import GROUP, PROBLEMS, is_module
from ml_assets.scaffold.code import features_text, init_text, tests_text
from ml_assets.scaffold.contract import contract_text
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.prose import readme_text
from ml_assets.scaffold.recipes import features_of
from ml_assets.scaffold.sampling import source_text
from ml_assets.scaffold.sheet import read_sheet
from ml_assets.scaffold.values import config_text
from ml_assets.validation import hold_to_contract


class Held(NamedTuple):
    """How much of the file holds the contract that was guessed from it."""

    rows: int
    valid: int
    broken: Mapping[str, int]


def require_free(name: str, to: Path) -> None:
    """Refuse a name that cannot be a new problem's.

    Raises:
        ProblemError: If it is no name of a problem, is taken, or its folder is there.
    """
    require_name(name)
    folder = to / name
    if folder.exists():
        raise ProblemError(
            f"{folder} is there already, and nothing is written over. Choose another NAME, or move "
            "the folder away."
        )
    if is_module(name):
        raise ProblemError(
            f"A problem cannot be called {name!r}: Python has a module of that name, which would be "
            "imported instead. Choose another NAME."
        )


def files_of(draft: Draft) -> dict[str, str]:
    """Every file of the folder, by its path in it.

    Raises:
        ProblemError: If the platform could not use what would be written.
    """
    features = features_of(draft)
    values = config_text(draft, features)
    Config.from_values(yaml.safe_load(values), where="The drafted config.yaml")
    return {
        "__init__.py": init_text(draft),
        "contract.py": contract_text(draft),
        "features.py": features_text(draft, features),
        "source.py": source_text(draft),
        "config.yaml": values,
        "README.md": readme_text(draft, features),
        "pyproject.toml": _project_text(draft.asked.name),
        f"tests/test_{draft.asked.name}.py": tests_text(),
    }


def write_folder(files: Mapping[str, str], folder: Path) -> None:
    """Write a problem's folder, which must not exist, whole or not at all."""
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name, text in files.items():
        path = unfinished / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    unfinished.rename(folder)


def hold_file(folder: Path, file: Path) -> Held:
    """Hold the rows of a file to the contract of a folder, as the platform will."""
    problem = problem_in(folder)
    rows = rows_of(problem, file)
    verdict = hold_to_contract(problem, rows)
    return Held(len(rows), len(verdict.valid), verdict.broken)


def rows_of(problem: Problem, file: Path) -> pa.Table:
    """Rows of the file that a problem was drafted from, as they would be in raw.

    Returns:
        n rows, the contract's columns as text; what the platform makes of a row is made.
    """
    sheet = read_sheet(file)
    made = {
        problem.entity_id: [str(row) for row in range(sheet.rows)],
        problem.event_time: [str(problem.config.source.undated)] * sheet.rows,
    }
    columns = {}
    for name in problem.fields:
        column = sheet.columns.get(name)
        columns[name] = pa.array(made[name], pa.string()) if column is None else column.cells
    return pa.table(columns)


def _project_text(name: str) -> str:
    dashed = name.replace("_", "-")
    return f"""\
# Found as it is while its folder stands in {PROBLEMS}/ of the folder that you work in. Elsewhere install it:
# pip install --no-deps -e FOLDER
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{dashed}"
version = "0.1.0"
dependencies = ["ml-assets"]

[project.entry-points."{GROUP}"]
{name} = "{name}:{name}"

[tool.setuptools]
packages = ["{name}"]
package-dir = {{{name} = "."}}

[tool.setuptools.package-data]
{name} = ["*.yaml", "*.md", "sources/*"]
"""
