"""The libraries that a model needs to answer, each in the one version that is installed here.

Answering needs less than training does: no orchestrator. Hashes of what a package index serves are
not known on a machine that has only installed it, so they are taken from a lock that has them.
"""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from ml_assets.errors import ArtifactError

FOR_TRAINING_ONLY = frozenset({"dagster", "dagster-webserver", "optuna"})

PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)")
HASH = re.compile(r"--hash=(\S+)")


def locked_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Every library that some distributions need on this machine, to its installed version.

    Raises:
        ArtifactError: If one of them is not installed.
    """
    waiting = [(_canonical(name), frozenset[str]()) for name in distributions]
    own = {name for name, _ in waiting}
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, str] = {}
    while waiting:
        name, extras = one = waiting.pop()
        if one in seen or name in FOR_TRAINING_ONLY:
            continue
        seen.add(one)
        installed = _installed(name)
        if name not in own:
            found[name] = installed.version
        waiting += _needed(installed, extras)
    return dict(sorted(found.items()))


def lock_hashes(lock: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Name and version to the hashes that a lock of pip or uv has for it.

    Raises:
        ArtifactError: If it cannot be read.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"The lock {lock} cannot be read: {error.strerror}.") from None
    found = {}
    for entry in re.split(r"\n(?=\S)", text):
        if pinned := PINNED.match(entry):
            found[_canonical(pinned[1]), pinned[2]] = tuple(HASH.findall(entry))
    return found


def requirements(
    versions: Mapping[str, str],
    wheels: Mapping[str, str],
    hashes: Mapping[tuple[str, str], tuple[str, ...]],
) -> str:
    """The text of `requirements.txt`.

    Args:
        versions: Library to version.
        wheels: Path of each wheel that comes along, to its SHA-256.
        hashes: Of the libraries. Installers want them of all or of none, so where one lacks them
            none are written.
    """
    known = {name: hashes.get((name, version), ()) for name, version in versions.items()}
    has_all = all(known.values())
    lines = [
        _line(f"{name}=={version}", known[name] if has_all else ())
        for name, version in versions.items()
    ]
    lines += [
        _line(f"./{path}", [f"sha256:{digest}"] if has_all else ())
        for path, digest in wheels.items()
    ]
    return "".join(lines)


def _line(what: str, hashes: Iterable[str]) -> str:
    return " \\\n    ".join([what, *(f"--hash={each}" for each in hashes)]) + "\n"


def _needed(
    installed: metadata.Distribution, extras: frozenset[str]
) -> list[tuple[str, frozenset[str]]]:
    """What a distribution needs on this machine, and with which extras."""
    wanted = [Requirement(text) for text in installed.requires or ()]
    return [
        (_canonical(each.name), frozenset(each.extras))
        for each in wanted
        if each.marker is None
        or any(each.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def _installed(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise ArtifactError(
            f"{name} is needed to answer and is not installed here, so its version is not known."
        ) from None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
