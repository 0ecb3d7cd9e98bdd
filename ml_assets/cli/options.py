"""Options and arguments that many commands take, in the same words."""

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of lake, store and artifacts. Default: ML_ASSETS_HOME, or .ml_assets here.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")]
ProblemArgument = Annotated[str, typer.Argument(help="Name of a problem, such as complaints.")]
