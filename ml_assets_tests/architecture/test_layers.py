"""The architecture, as far as a machine can hold it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ml_assets
from ml_assets import errors

PACKAGE = Path(ml_assets.__file__).parent

LAYERS = [
    "errors",
    "progress",
    "fingerprint",
    "problem",
    "storage",
    "ingestion",
    "validation",
    "features",
    "training",
    "tuning",
    "evaluation",
    "governance",
    "registry",
    "experiments",
    "inference",
    "feedback",
    "analysis",
    "reporting",
    "scaffold",
]
"""In the order of the life cycle: a room imports only from itself and from rooms above it."""

EDGES = {"defs", "definitions", "serving", "cli", "demo"}
"""What faces the world: may import every room, and is imported by no room."""

DAGSTER = {"defs", "definitions"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the package with the room it belongs to."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        yield inside.parts[0].removesuffix(".py"), path


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms(path: Path) -> set[str]:
    """Rooms of this package that a module imports."""
    return {
        name.split(".")[1]
        for name in imports(path)
        if name.startswith("ml_assets.")
        and (PACKAGE / name.split(".")[1]).with_suffix("") != path
    }


def test_every_module_belongs_to_a_room():
    strays = {room for room, _ in modules()} - {*LAYERS, *EDGES, "__init__", "problems"}

    assert strays == set()


def test_imports_only_from_rooms_above():
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for room, path in modules()
        if room in LAYERS
        for other in rooms(path) & {*LAYERS, *EDGES, "problems"}
        if other not in LAYERS[: LAYERS.index(room) + 1]
    ]

    assert upwards == []


def test_problems_see_the_declaration_only():
    curious = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for room, path in modules()
        if room == "problems"
        for other in rooms(path) - {"problem", "problems", "errors"}
    ]

    assert curious == []


def test_only_defs_imports_dagster():
    importers = {
        str(path.relative_to(PACKAGE))
        for room, path in modules()
        if room not in DAGSTER
        for name in imports(path)
        if name.split(".")[0].startswith("dagster")
    }

    assert importers == set()


def test_the_error_tree_is_the_one_drawn():
    drawn = re.findall(
        r"[A-Z]\w+", re.sub(r"  +[a-z].*", "", errors.__doc__.split("\n\n", 1)[1])
    )
    defined = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]

    assert sorted(drawn) == sorted(defined)


def test_every_error_of_the_platform_is_in_the_tree():
    elsewhere = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for room, path in modules()
        if room != "errors"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
    ]

    assert elsewhere == []
