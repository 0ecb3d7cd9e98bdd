"""Serving a package: what the `serve.py` inside of one calls."""

import argparse
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from ml_assets.cli.clock import now, who
from ml_assets.cli.serve import run_service
from ml_assets.errors import MLAssetsError
from ml_assets.problem import problem_named
from ml_assets.registry.package import install_package, open_package
from ml_assets.serving.server import Settings
from ml_assets.storage import Home


class Asked(NamedTuple):
    """How a package is to be served."""

    flavour: Literal["dev", "prod"]
    home: Path | None
    host: str
    port: int


def main(folder: Path) -> None:
    """Serve the package in `folder` as the command line says."""
    try:
        serve_package(folder, _asked())
    except MLAssetsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)


def serve_package(folder: Path, asked: Asked) -> None:
    """Let a package answer until a signal ends it.

    Raises:
        MLAssetsError: If a file of it was changed, or keys are needed and there is none.
    """
    package = open_package(folder)
    home = Home.open(asked.home or Path(".ml_assets", asked.flavour))
    problem = problem_named(package.contents.problem)
    install_package(problem, home, package, now=now(), who=who())
    is_prod = asked.flavour == "prod"
    run_service(
        Settings(
            clock=now,
            home=home.path,
            problems=(problem.name,),
            host=asked.host,
            port=asked.port,
            with_keys=is_prod,
            durable=is_prod,
        )
    )


def _asked() -> Asked:
    parser = argparse.ArgumentParser(description="Serve the model of this package.")
    parser.add_argument(
        "flavour",
        choices=["dev", "prod"],
        help="dev: no keys. prod: API keys, and answers wait for the disk.",
    )
    parser.add_argument(
        "--home", type=Path, help="by default .ml_assets/dev or .ml_assets/prod"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    return Asked(**vars(parser.parse_args()))
