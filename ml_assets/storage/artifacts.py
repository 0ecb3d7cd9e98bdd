"""Immutable folders named by their content: model bundles and whatever else must never change.

A folder is put whole or not at all, is read-only from then on, and is checked against its name
each time it is fetched.
"""

import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from ml_assets.errors import ArtifactError

_BLOCK = 1 << 20
_UNFINISHED = ".unfinished-"


class Artifacts:
    """Every artifact under one folder or object-store URL.

    Args:
        url: A folder, or an object-store URL such as `s3://bucket/artifacts`.
        cache: Folder for local copies of artifacts that live elsewhere.
    """

    def __init__(self, url: str, *, cache: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._remote = _remote(self.url)
        self._folder = (
            Path(self.url) if self._remote is None else Path(cache or ".ml_assets/cache")
        )

    def put(self, folder: Path) -> str:
        """Keep a copy of `folder`; the same content is kept once.

        Returns:
            Its content hash, 64 hexadecimal digits: the name to `get` it by.
        """
        digest = folder_hash(folder)
        if self._remote is not None:
            self._upload(folder, digest)
        elif not (self._folder / digest).exists():
            self._place(folder, digest)
        return digest

    def get(self, digest: str) -> Path:
        """The artifact as a local folder, its content verified.

        Raises:
            ArtifactError: If it is missing, or is not what its name says.
        """
        place = self._folder / digest
        if self._remote is not None and not place.exists():
            self._download(digest)
        if not place.is_dir():
            raise ArtifactError(
                f"Artifact {digest[:12]} is missing from {self.url}. "
                f"Materialize what made it again, or restore it from a backup."
            )
        found = folder_hash(place)
        if found != digest:
            raise ArtifactError(
                f"Artifact {digest[:12]} was changed after it was stored: its content is now "
                f"{found[:12]}. It is not used. Delete it and materialize what made it again."
            )
        return place

    def exists(self, digest: str) -> bool:
        """Whether the artifact is stored; its content is not verified."""
        if self._remote is None:
            return (self._folder / digest).is_dir()
        files, root = self._remote
        return bool(files.get_file_info(f"{root}/{digest}").type == fs.FileType.Directory)

    def delete(self, digest: str) -> None:
        """Remove the artifact; no harm when it is not there."""
        if self._remote is not None and self.exists(digest):
            files, root = self._remote
            files.delete_dir(f"{root}/{digest}")
        _remove_tree(self._folder / digest)

    def _place(self, folder: Path, digest: str) -> None:
        """Copy beside the final place, then rename: nobody sees half a folder."""
        unfinished = self._folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
        shutil.copytree(folder, unfinished, copy_function=_copy_durably)
        if folder_hash(unfinished) != digest:
            _remove_tree(unfinished)
            raise ArtifactError(f"{folder} changed while it was copied. Put it again.")
        try:
            unfinished.rename(self._folder / digest)
        except OSError:
            _remove_tree(unfinished)  # somebody else has just put the same content
            if not (self._folder / digest).is_dir():
                raise
        _sync(self._folder)

    def _upload(self, folder: Path, digest: str) -> None:
        raise NotImplementedError

    def _download(self, digest: str) -> None:
        raise NotImplementedError


def folder_hash(folder: Path) -> str:
    """SHA-256 over the sorted relative paths of `folder`'s files and their bytes.

    Raises:
        ArtifactError: If it is no folder, or has no file.
    """
    total = hashlib.sha256()
    paths = sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    for path in paths:
        name = path.relative_to(folder).as_posix().encode()
        total.update(len(name).to_bytes(8, "little") + name)
        total.update(_file_hash(path))
    if not paths:
        raise ArtifactError(
            f"An artifact is a folder with at least one file, {folder} has none."
        )
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _file_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _copy_durably(source: str, target: str) -> None:
    """Copy a file, wait until it is on disk, and make it read-only."""
    shutil.copyfile(source, target)
    with Path(target).open("rb") as file:
        os.fsync(file.fileno())
    Path(target).chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)


def _sync(folder: Path) -> None:
    """Wait until the names in `folder` are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remote(url: str) -> tuple[fs.FileSystem, str] | None:
    """File system and path of an object-store URL; None for a folder on this machine."""
    if "://" not in url:
        Path(url).mkdir(parents=True, exist_ok=True)
        return None
    files, root = fs.FileSystem.from_uri(url)
    return files, root
