"""Where one deployment keeps everything: its lake, its store and its artifacts.

The only module that reads environment variables.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ml_assets.storage.artifacts import Artifacts
from ml_assets.storage.lake import Lake
from ml_assets.storage.store import Store

DEFAULT_PATH = ".ml_assets"


class Address(NamedTuple):
    """What another process needs to open the same home."""

    path: Path
    environment: Mapping[str, str]

    def open(self) -> "Home":
        """Open it there."""
        return Home.open(self.path, environment=self.environment)


@dataclass(frozen=True, kw_only=True)
class Home:
    """One deployment's three stores."""

    path: Path
    lake: Lake
    store: Store
    artifacts: Artifacts

    @property
    def address(self) -> Address:
        """Where it is, for another process."""
        urls = {
            "ML_ASSETS_LAKE_URL": self.lake.url,
            "ML_ASSETS_STORE_URL": self.store.url,
            "ML_ASSETS_ARTIFACTS_URL": self.artifacts.url,
        }
        return Address(self.path, urls)

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> "Home":
        """Open the home at `path`, made where it is missing.

        Args:
            path: A folder; without one `ML_ASSETS_HOME`, and without that `.ml_assets` here.
            environment: Reads `ML_ASSETS_HOME`, and `ML_ASSETS_LAKE_URL`, `ML_ASSETS_STORE_URL`
                and `ML_ASSETS_ARTIFACTS_URL` for stores that live elsewhere.
        """
        home = (
            Path(path or environment.get("ML_ASSETS_HOME") or DEFAULT_PATH)
            .expanduser()
            .resolve()
        )
        home.mkdir(parents=True, exist_ok=True)
        return cls(
            path=home,
            lake=Lake(environment.get("ML_ASSETS_LAKE_URL") or str(home / "lake")),
            store=Store(
                environment.get("ML_ASSETS_STORE_URL") or f"sqlite:///{home / 'store.sqlite'}"
            ),
            artifacts=Artifacts(
                environment.get("ML_ASSETS_ARTIFACTS_URL") or str(home / "artifacts"),
                cache=home / "cache" / "artifacts",
            ),
        )
