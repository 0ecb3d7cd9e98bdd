"""One thing that we predict, and its declaration.

`declaration` has `Problem`, the functions and the contract that a problem folder brings;
`config` is the typed model of its `config.yaml`; `partitions` says what the key of a partition is;
`catalog` finds the problems that ship with the platform and those of other packages (entry point
`ml_assets.problems`), and with `folders` those in `problems/` of the folder that one works in.
"""

from ml_assets.problem.catalog import (
    Declared,
    declared_problems,
    problem_in,
    problem_named,
    problems,
)
from ml_assets.problem.config import Config, Grain
from ml_assets.problem.declaration import Field, Problem, Role
from ml_assets.problem.partitions import Key

__all__ = [
    "Config",
    "Declared",
    "Field",
    "Grain",
    "Key",
    "Problem",
    "Role",
    "declared_problems",
    "problem_in",
    "problem_named",
    "problems",
]
