"""Homes of four sources, with one quick estimator, in a folder whose mappings a test may change."""

import shutil
from dataclasses import replace
from pathlib import Path

from quick import declared_with

from ml_assets.problem import Declared, declared_problems, problem_named

SOURCES = ("agency", "kc_house", "melbourne", "portal")


def quick_homes(folder: Path, *, sources: tuple[str, ...] = SOURCES) -> Declared:
    """The homes problem with its mappings copied to a folder of the test."""
    declared = next(each for each in declared_problems() if each.name == "homes")
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    for name in (*(f"{each}.yaml" for each in sources), "rates.csv"):
        shutil.copy(declared.folder / "sources" / name, folder / "sources" / name)
    ridge = {"kind": "ridge", "hyperparameters": {"alpha": 1.0}}
    quick = declared_with(
        replace(declared, folder=folder),
        training={"estimators": {"ridge": ridge}, "min_rows": 60, "interval": None},
        promotion={"resamples": 100},
        slices={"min_rows": 20},
    )
    problem = replace(problem_named("homes"), folder=folder, config=quick.config)
    return replace(quick, load=lambda: problem)
