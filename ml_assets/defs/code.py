"""The code version that Dagster shows beside an asset.

It is taken from source files without importing them, so that definitions load quickly. It only
colors the asset graph: what is rebuilt is decided by `ml_assets.fingerprint`, which follows every
function that is really called.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType

import ml_assets

PACKAGE = Path(ml_assets.__file__).parent
HEX_DIGITS = 16
WITHOUT_DOCSTRINGS = 2


def code_version(rooms: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Hash of the code of whole rooms and of single files.

    Comments and what a docstring says do not count. A docstring more or less, or a line broken
    elsewhere, may: telling them apart would take as long again, at every start.

    Args:
        rooms: Names of folders of this package, such as "validation".
        files: Further source files, and values such as mappings; those that do not exist are left
            out.

    Returns:
        16 hexadecimal digits.
    """
    found = [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]
    hashes = "\n".join(_hash_of(path) for path in [*found, *files] if path.exists())
    return hashlib.sha256(hashes.encode()).hexdigest()[:HEX_DIGITS]


@cache
def _hash_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return hashlib.sha256(text.encode()).hexdigest()
    code = compile(text, path.name, "exec", dont_inherit=True, optimize=WITHOUT_DOCSTRINGS)
    return hashlib.sha256(repr(list(_instructions(code))).encode()).hexdigest()


def _instructions(code: CodeType) -> Iterator[object]:
    """What code does, without where in the file it stands."""
    yield (code.co_name, code.co_code, code.co_names, code.co_varnames)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
        elif isinstance(constant, frozenset):
            yield sorted(map(repr, constant))
        else:
            yield constant
