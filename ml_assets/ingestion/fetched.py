"""What endpoints and tables have that is new, brought to where the files of their sources are.

How it is fetched is for `remote`. From there on a fetched file is like any other of its source.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ml_assets.errors import SourceError
from ml_assets.ingestion.ledger import Ledger
from ml_assets.ingestion.remote import fetch
from ml_assets.ingestion.report import RefusedFile
from ml_assets.ingestion.sources import fetched_folder, mapped_sources
from ml_assets.problem import Problem
from ml_assets.storage import Home


def fetch_sources(
    problem: Problem, home: Home, *, environment: Mapping[str, str], now: datetime
) -> list[RefusedFile]:
    """Fetch what is new at every source of a problem that has an endpoint or a table.

    Args:
        problem: Its mappings say where.
        home: Fetched files are kept in it, and read as those of registered places are.
        environment: Has the secrets that mappings name.
        now: When it begins.

    Returns:
        Sources that could not be fetched, and why; the others were.
    """
    return list(_fetch_all(problem, home, environment=environment, now=now))


def _fetch_all(
    problem: Problem, home: Home, *, environment: Mapping[str, str], now: datetime
) -> Iterator[RefusedFile]:
    for name, source in mapped_sources(problem).items():
        if source.mapping.rest is None and source.mapping.table is None:
            continue
        folder: Path = fetched_folder(home.path, problem.name, name)
        try:
            fetch(source.mapping, folder, home=home, environment=environment, now=now)
        except SourceError as error:
            yield RefusedFile(name, str(error))
        if folder.is_dir() and any(folder.iterdir()):
            Ledger(home.store, problem.name).register(folder)
