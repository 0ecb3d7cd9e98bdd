"""A machine-learning platform on Dagster assets: declare a problem in one folder, get its whole life cycle.

Rooms, in the order of the life cycle; a room imports only from rooms above it:

`errors`, `progress`, `problem`, `storage`, `ingestion`, `validation`, `features`, `training`,
`evaluation`, `registry`, `inference`; then the edges `defs` (the only one that imports
dagster), `serving` and `cli`, which nothing imports. `problems` holds what ships with it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.inference.predictor import Predictor


def load(
    name: str, *, version: str | None = None, home: "str | Path | None" = None
) -> "Predictor":
    """Load a problem's model into this program, without Dagster and without a server.

        model = ml_assets.load("complaints")
        model.predict([{"product": "Mortgage", "issue": "Escrow", ...}])

    Args:
        name: Of the problem.
        version: Of the model; the champion by default.
        home: The deployment's folder; by default the one that the environment names.

    Raises:
        ProblemError: If there is no such problem.
        VersionNotFound: If there is no such version, or no champion yet.
        ArtifactError: If its bundle is missing, was changed, or was made by other code than what
            is installed.
    """
    from ml_assets.inference.loading import load as load_model

    return load_model(name, version=version, home=home)


def load_package(folder: "str | Path") -> "Predictor":
    """Load the model of a package into this program, without a deployment.

        model = ml_assets.load_package("complaints-1.4.0")
        model.predict([{"product": "Mortgage", "issue": "Escrow", ...}])

    Args:
        folder: As `ml-assets package` wrote it.

    Raises:
        ArtifactError: If a file of it was changed, or its model was made by other code than what
            is installed.
    """
    from ml_assets.inference.loading import load_package as load_packaged

    return load_packaged(folder)
