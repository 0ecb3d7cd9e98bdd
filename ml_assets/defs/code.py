"""The code version that Dagster shows beside an asset.

It is taken from source files without importing them, so that definitions load quickly. It only
colors the asset graph: what is rebuilt is decided by `ml_assets.fingerprint`, which follows every
function that is really called.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import ml_assets

PACKAGE = Path(ml_assets.__file__).parent
HEX_DIGITS = 16
HAS_DOCSTRING = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_version(rooms: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Hash of the code of whole rooms and of single files.

    Comments, docstrings and formatting do not count.

    Args:
        rooms: Names of folders of this package, such as "validation".
        files: Further source files; those that do not exist are left out.

    Returns:
        16 hexadecimal digits.
    """
    found = [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]
    text = "\n".join(_bare_source(path) for path in [*found, *files] if path.exists())
    return hashlib.sha256(text.encode()).hexdigest()[:HEX_DIGITS]


@cache
def _bare_source(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, HAS_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
