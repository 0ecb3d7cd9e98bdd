"""Installed Python code as a wheel, without what built it: a zip of its files and what they are.

A checkout that is installed for editing has no wheel, and the place where one is wanted has perhaps
no network. Only pure Python can be packed so; the same files give the same bytes.
"""

import base64
import hashlib
import importlib.util
import re
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ml_assets.errors import ArtifactError
from ml_assets.problem import Problem

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can say
GROUP = "ml_assets.problems"
PLATFORM = "ml-assets"
COMPILED = (".so", ".pyd", ".dylib")
DESCRIPTION = (
    "Wheel-Version: 1.0\nGenerator: ml_assets\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)


def distributions_of(problem: Problem) -> list[str]:
    """Names of the installed distributions that a problem's model needs: the platform, and its own.

    Raises:
        ArtifactError: If no installed distribution announces the problem.
    """
    entries = metadata.entry_points(group=GROUP, name=problem.name)
    names = {entry.dist.name for entry in entries if entry.dist is not None}
    if not names:
        raise ArtifactError(
            f"{problem.name} is not announced by an installed distribution, so there is no code to "
            f"pack. Give its project the entry point group {GROUP!r} and install it."
        )
    return sorted({PLATFORM, *names})


def write_wheel(distribution: str, folder: Path) -> Path:
    """Pack an installed distribution; returns the wheel.

    Raises:
        ArtifactError: If it is not pure Python.
    """
    found = metadata.distribution(distribution)
    name = re.sub(r"[-_.]+", "_", found.name).lower()
    info = f"{name}-{found.version}.dist-info"
    described = {
        f"{info}/METADATA": found.read_text("METADATA") or "",
        f"{info}/entry_points.txt": found.read_text("entry_points.txt") or "",
        f"{info}/WHEEL": DESCRIPTION,
    }
    contents = dict(sorted(_code(found)))
    contents |= {path: text.encode() for path, text in described.items() if text}
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD").encode()
    wheel = folder / f"{name}-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in contents.items():
            packed.writestr(zipfile.ZipInfo(path, EPOCH), content)
    return wheel


def _code(found: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Every file of the distribution's packages and modules, by its path in a wheel."""
    for root in (found.read_text("top_level.txt") or found.name.replace("-", "_")).split():
        spec = importlib.util.find_spec(root)
        if spec is None or spec.origin is None:
            raise ArtifactError(f"{found.name} has no module {root}, so it cannot be packed.")
        origin = Path(spec.origin)
        is_package = origin.name == "__init__.py"
        for path in sorted(origin.parent.rglob("*")) if is_package else [origin]:
            if path.suffix in COMPILED:
                raise ArtifactError(
                    f"{found.name} has compiled code ({path.name}), which works on machines like this "
                    "one only. Build its wheel with `pip wheel` and put it beside the others."
                )
            if path.is_file() and path.suffix != ".pyc":
                base = origin.parent.parent if is_package else origin.parent
                yield path.relative_to(base).as_posix(), path.read_bytes()


def _record(contents: dict[str, bytes], itself: str) -> str:
    """The list of files with their hashes, as an installer checks them."""
    lines = [f"{path},{_hash(content)},{len(content)}" for path, content in contents.items()]
    return "\n".join([*lines, f"{itself},,"]) + "\n"


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"
