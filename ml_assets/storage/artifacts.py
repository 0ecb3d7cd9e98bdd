"""Immutable folders named by their content: model bundles and whatever else must never change.

A folder is put whole or not at all, is read-only from then on, and is checked against its name
each time it is fetched. In an object store it is one tar file, since only a single file is put
whole there.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ml_assets.errors import ArtifactError
from ml_assets.storage.folder import Folder

_HASH_DIGITS = 64


class Artifacts:
    """Every artifact under one folder or object-store URL.

    Args:
        url: A folder, or `s3://…`, `gs://…`, `az://…`.
        cache: Folder for local copies of what lives in an object store.
        options: As for the lake.
    """

    def __init__(
        self, url: str, *, cache: Path | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._place = Folder.at(self.url, options)
        self._is_remote = self._place.local is None
        self._shelf = self._place.local or cache or Path(tempfile.gettempdir()) / "ml_assets"
        self._shelf.mkdir(parents=True, exist_ok=True)

    def put(self, folder: Path) -> str:
        """Keep a copy of `folder`; the same content is kept once.

        Returns:
            Its content hash, 64 hexadecimal digits: the name to `get` it by.

        Raises:
            ArtifactError: If there is no file in it.
        """
        digest = folder_hash(folder)
        if not self._is_shelved(digest):
            _shelve(folder, self._shelf / digest)
        if self._is_remote and not self.exists(digest):
            self._upload(digest)
        return digest

    def get(self, digest: str) -> Path:
        """The artifact as a local folder, its content verified. Treat it as read-only.

        Raises:
            ArtifactError: If it is missing, or is not what its name says.
        """
        _require_hash(digest)
        if self._is_remote and not self._is_shelved(digest) and self.exists(digest):
            self._download(digest)
        shelved = self._shelf / digest
        if not shelved.is_dir():
            raise ArtifactError(
                f"Artifact {digest[:12]} is missing from {self.url}. "
                f"Materialize what made it again, or restore it from a backup."
            )
        if not self._is_shelved(digest):
            raise ArtifactError(
                f"Artifact {digest[:12]} in {self.url} was changed after it was stored, so it is "
                f"not used. Materialize what made it again, or restore it from a backup."
            )
        return shelved

    def exists(self, digest: str) -> bool:
        """Whether the artifact is stored; its content is not verified."""
        if self._is_remote:
            return self._place.has(_tar_name(digest))
        return (self._shelf / digest).is_dir()

    def delete(self, digest: str) -> None:
        """Remove the artifact; no harm when it is not there."""
        _require_hash(digest)
        if self._is_remote:
            self._place.remove(_tar_name(digest))
        _remove(self._shelf / digest)

    def _is_shelved(self, digest: str) -> bool:
        """Whether the artifact is on this machine, and is what its name says."""
        return _is_whole(self._shelf / digest)

    def _upload(self, digest: str) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            packed = Path(temporary) / _tar_name(digest)
            with tarfile.open(packed, "w") as tar:
                tar.add(self._shelf / digest, arcname=".")
            self._place.copy_in(packed, packed.name)

    def _download(self, digest: str) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            packed, unpacked = Path(temporary) / "packed.tar", Path(temporary) / "unpacked"
            self._place.copy_out(_tar_name(digest), packed)
            with suppress(tarfile.TarError), tarfile.open(packed) as tar:
                tar.extractall(unpacked, filter="data")  # a broken one is found by its content
            unpacked.mkdir(exist_ok=True)
            _shelve(unpacked, self._shelf / digest)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the sorted relative paths of the files in `folder` and their bytes.

    Raises:
        ArtifactError: If it is no folder, or has no file.
    """
    if not (files := _files(folder)):
        raise ArtifactError(
            f"An artifact is a folder with at least one file, {folder} has none."
        )
    return _hash_of(files)


def _is_whole(place: Path) -> bool:
    """Whether the folder is what its name says."""
    files = _files(place)
    return bool(files) and _hash_of(files) == place.name


def _files(folder: Path) -> dict[str, Path]:
    """The files in `folder` by relative path, sorted."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return dict(sorted(found.items()))


def _hash_of(files: Mapping[str, Path]) -> str:
    total = hashlib.sha256()
    for name, path in files.items():
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
        total.update(len(name.encode()).to_bytes(8, "little") + name.encode())
    return total.hexdigest()


def _require_hash(digest: str) -> None:
    """Refuse a name that could be the path of something else."""
    if len(digest) != _HASH_DIGITS or not set(digest) <= set("0123456789abcdef"):
        raise ArtifactError(
            f"An artifact is named by its {_HASH_DIGITS} hexadecimal digits, got {digest[:80]}."
        )


def _tar_name(digest: str) -> str:
    return f"{digest}.tar"


def _shelve(folder: Path, place: Path) -> None:
    """Copy `folder` beside `place`, then rename: nobody ever sees half of it."""
    unfinished = place.with_name(f".unfinished-{uuid.uuid4().hex}")
    shutil.copytree(folder, unfinished, copy_function=_copy_durably)
    _sync(unfinished)
    if place.is_dir() and not _is_whole(place):
        _remove(place.rename(place.with_name(f".changed-{uuid.uuid4().hex}")))
    try:
        unfinished.rename(place)
    except OSError:
        _remove(unfinished)
        if not place.is_dir():
            raise
        # Somebody else has just put the same content: nothing is left to do.
    _sync(place.parent)


def _copy_durably(source: str, target: str) -> None:
    """Copy a file, wait until it is on disk, and make it read-only."""
    shutil.copyfile(source, target)
    with Path(target).open("rb") as file:
        os.fsync(file.fileno())
    Path(target).chmod(0o444)


def _sync(folder: Path) -> None:
    """Wait until the names in `folder` are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
