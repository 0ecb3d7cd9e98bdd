"""`ml-assets compare`: which two things are meant, and what differs between them."""

import math
from typing import TYPE_CHECKING

from ml_assets.cli.comparison import (
    Difference,
    Place,
    compare_metrics,
    compare_tables,
    ranked,
)
from ml_assets.cli.models import SHOWN_DIGITS
from ml_assets.cli.printing import print_json, print_table
from ml_assets.errors import MLAssetsError, VersionNotFound
from ml_assets.problem import Problem, problems
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.registry import ModelVersion

SHOWN = 40


def compare_anything(home: Home, a: str, b: str) -> list[Difference]:
    """Compare two tables, two partitions or two model versions.

    Raises:
        MLAssetsError: If one is a table and the other a model.
    """
    if ("/" in a) != ("/" in b):
        raise MLAssetsError(
            f"{a} and {b} cannot be compared: one is a table, the other a model. Tables are written "
            "problem/noun or problem/noun@partition."
        )
    if "/" in a:
        return compare_tables(home.lake, Place.parsed(a), Place.parsed(b))
    return _compare_models(home, _model(home, a), _model(home, b))


def print_differences(a: str, b: str, found: list[Difference], *, as_json: bool) -> None:
    """Print differences, the largest first."""
    if as_json:
        print_json(found)
        return
    rows = [
        (each.aspect, each.name, each.a, each.b, "" if math.isinf(each.size) else each.size)
        for each in found[:SHOWN]
    ]
    title = f"{a} and {b}: {len(found):,} differences"
    print_table(title, ["what", "name", a, b, "size"], rows, empty="they are the same")


def _model(home: Home, name: str) -> "tuple[Problem, ModelVersion]":
    """Find a version of any problem; `problem:version` where the name alone is not enough."""
    from ml_assets.registry import version_named, versions

    wanted, _, short = name.rpartition(":")
    some = [each for each in problems() if not wanted or each.name == wanted]
    for problem in some:
        if any(
            each.version.startswith(short) or each.number == short
            for each in versions(problem, home)
        ):
            return problem, version_named(problem, home, short)
    raise VersionNotFound(f"There is no model {name!r}. See: ml-assets models PROBLEM")


def _compare_models(
    home: Home, a: "tuple[Problem, ModelVersion]", b: "tuple[Problem, ModelVersion]"
) -> list[Difference]:
    """Metrics on the test rows of each, and every input in which they differ."""
    from ml_assets.registry import axes_of, differences, evaluations

    measured = [
        {each.version: each.metrics["test"] for each in evaluations(problem, home)}.get(
            version.version, {}
        )
        for problem, version in (a, b)
    ]
    found = ranked(compare_metrics(*measured))
    axes = [axes_of(version.manifest) for _, version in (a, b)]
    found += [
        Difference("axis", name, before[:SHOWN_DIGITS], after[:SHOWN_DIGITS], math.inf)
        for name, before, after in zip(axes[0]._fields, *axes, strict=True)
        if before != after
    ]
    for line in differences(a[1].manifest, b[1].manifest):
        place, _, values = line.partition(": ")
        before, _, after = values.partition(", now ")
        if not place.startswith("metrics."):
            found.append(Difference("manifest", place, before, after, math.inf))
    return found
