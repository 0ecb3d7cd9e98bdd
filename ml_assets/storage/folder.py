"""A place for files, on this machine or in an object store; nobody above has to know which."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder on disk, or a prefix in an object store. All paths are relative to it."""

    files: fs.FileSystem
    local: Path | None
    """The folder itself, where it is on this machine."""

    @classmethod
    def at(cls, url: str, options: Mapping[str, str] | None = None) -> "Folder":
        """The place that `url` names; a folder on disk is made when it is missing.

        Args:
            url: A path, or `s3://…`, `gs://…`, `az://…`.
            options: Credentials and endpoints, as `deltalake` names them; what is not given is
                read from the environment, such as `AWS_ACCESS_KEY_ID`.
        """
        if "://" in url and not url.startswith("file://"):
            from deltalake.fs import DeltaStorageHandler

            store = DeltaStorageHandler(url, dict(options or {}))
            return cls(files=fs.PyFileSystem(store), local=None)
        local = Path(url.removeprefix("file://")).absolute()
        local.mkdir(parents=True, exist_ok=True)
        return cls(files=fs.SubTreeFileSystem(str(local), fs.LocalFileSystem()), local=local)

    def subfolders(self, path: str) -> list[str]:
        """Names of the folders directly under `path`; none when it is missing."""
        found = self.files.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return [info.base_name for info in found if info.type == fs.FileType.Directory]

    def has(self, path: str) -> bool:
        """Whether a file or a folder `path` is there."""
        return bool(self.files.get_file_info(path).type != fs.FileType.NotFound)

    def remove(self, path: str) -> None:
        """Delete the file `path`; no harm when it is not there."""
        if self.has(path):
            self.files.delete_file(path)

    def sync(self, path: str) -> None:
        """Wait until the file `path` is on disk; an object store has it there already."""
        if self.local is not None:
            with (self.local / path).open("rb") as file:
                os.fsync(file.fileno())

    def copy_in(self, source: Path, path: str) -> None:
        """Copy a file of this machine to `path`."""
        # A block that does not fit the buffer goes past it as an Arrow buffer, which the object
        # store's file system does not take.
        writing = self.files.open_output_stream(path, buffer_size=2 * _BLOCK)
        with source.open("rb") as reading, writing:
            shutil.copyfileobj(reading, writing, _BLOCK)

    def copy_out(self, path: str, target: Path) -> None:
        """Copy the file `path` to this machine."""
        with self.files.open_input_stream(path) as reading, target.open("wb") as writing:
            shutil.copyfileobj(reading, writing, _BLOCK)
