"""Packages: a model version, written so that it can leave this deployment."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.cli.printing import print_json, say
from ml_assets.errors import VersionNotFound
from ml_assets.problem import problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.registry import ModelVersion
    from ml_assets.registry.package import Package
    from ml_assets.registry.portable import Proof


def package(
    problem_name: str, home: Home, version: str | None, to: Path, *, lock: Path | None
) -> "Package":
    """Write a version, or the champion, as a package."""
    from ml_assets.registry.package import write_package

    found = version_or_champion(problem_name, home, version)
    return write_package(problem_named(problem_name), home, found, to, lock=lock)


def export(problem_name: str, home: Home, version: str | None, file: Path) -> "Proof":
    """Write a version, or the champion, as an ONNX file that answers as it does."""
    from ml_assets.registry import load_bundle
    from ml_assets.registry.portable import export_onnx, proof_rows

    problem = problem_named(problem_name)
    found = version_or_champion(problem_name, home, version)
    about = {"problem": problem.name, "version": found.version, "number": found.number}
    return export_onnx(
        load_bundle(problem, home, found), proof_rows(problem, home), file, about=about
    )


def print_proof(file: Path, proof: "Proof", *, as_json: bool) -> None:
    """Say what was written, and how it was proven."""
    if as_json:
        print_json({"file": str(file), **proof._asdict()})
        return
    say(
        f"{file}: answered {proof.rows:,} rows of the lake in ONNX Runtime, off by at most "
        f"{proof.largest_difference:.1e}. Its inputs are features, not raw rows."
    )


def version_or_champion(problem_name: str, home: Home, version: str | None) -> "ModelVersion":
    """A version by its name, or the champion.

    Raises:
        VersionNotFound: If there is none.
    """
    from ml_assets.registry import champion, version_named

    problem = problem_named(problem_name)
    found = version_named(problem, home, version) if version else champion(problem, home)
    if found is None:
        raise VersionNotFound(
            f"{problem_name} has no champion in {home.path}. Name a version with --version."
        )
    return found


def print_package(made: "Package", *, as_json: bool) -> None:
    """Say what a package is, and how it is used."""
    contents = made.contents
    if as_json:
        print_json({"folder": str(made.folder), "sha256": made.sha256, **contents.model_dump()})
        return
    size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
    say(f"{contents.problem} {contents.number} ({contents.version}) is in {made.folder}.")
    say(
        f"{len(contents.files) + 1} files, {size / 1e6:.1f} MB; package.json has SHA-256 {made.sha256}."
    )
    say(f"{made.folder / 'README.md'} says how to install, serve and embed it.")
