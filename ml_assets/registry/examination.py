"""Everything that can be found out about a challenger, and nothing decided or kept.

The challenger, the champion and the baseline are brought to the same frozen rows; `gate` judges
them; what is not about answers (the bundle loads, is small and quick enough) and what other rooms
ask is added. `policy` says which of the findings a release needs.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.errors import ArtifactError, StorageError
from ml_assets.evaluation import metric_named
from ml_assets.features import load_training_set, training_frame
from ml_assets.problem import Problem
from ml_assets.registry.bundle import Bundle
from ml_assets.registry.fairness import judge_fairness
from ml_assets.registry.gate import Finding, FrozenRows, judge
from ml_assets.registry.measuring import (
    answers_of_champion,
    answers_on_test,
    is_known,
    learned_slices,
    slice_columns,
)
from ml_assets.registry.trivial import baseline_answers
from ml_assets.registry.versions import ModelVersion, load_bundle
from ml_assets.storage import Home

Array = npt.NDArray[np.float64]
ReleaseCheck = Callable[[Problem, Home, ModelVersion, Bundle], Finding]
"""A further thing that a release needs, from another room; e.g. that serving answers the same."""

MAX_BUNDLE_MB = 1024
"""A larger bundle does not fit beside others in a service of ordinary size."""

MAX_SECONDS = 10.0
"""For 1,000 rows at once; a slower model holds up every batch behind it."""

TIMED_ROWS = 1000


class Examination(NamedTuple):
    """What was found out about a challenger."""

    findings: tuple[Finding, ...]
    rows: int
    """Frozen rows on which the models were compared."""


def examine(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    champion: ModelVersion | None,
    checks: Sequence[ReleaseCheck] = (),
) -> Examination:
    """Find out everything about a challenger; nothing is changed by it.

    Args:
        problem: Its configuration says what a promotion asks for.
        home: Where everything is.
        version: The challenger.
        champion: Who answers now.
        checks: Further things, from other rooms.
    """
    try:
        bundle = load_bundle(problem, home, version)
    except ArtifactError as error:
        text = f"its bundle cannot be loaded: {error}"
        return Examination((Finding("loads", passed=False, text=text),), 0)
    loads = Finding("loads", passed=True, text="its bundle is what was registered")
    fitness = _fitness(problem, home, version, bundle)
    rows, judged = _judged(problem, home, version, bundle, champion)
    further = (check(problem, home, version, bundle) for check in checks)
    return Examination((loads, fitness, *judged, *further), rows)


def some_rows(problem: Problem, home: Home, bundle: Bundle, rows: int) -> pd.DataFrame:
    """Features of about so many test rows of the model's training set."""
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    columns = list(bundle.manifest.signature.features)
    share = rows / max(training_set.rows.get("test", 0), 1)
    return training_frame(
        problem, home, training_set, splits=("test",), columns=columns, share=share
    )


def _judged(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    bundle: Bundle,
    champion: ModelVersion | None,
) -> tuple[int, tuple[Finding, ...]]:
    """Bring everybody to the same frozen rows, and judge; also how many rows there were."""
    test = answers_on_test(problem, home, bundle)
    baseline = baseline_answers(problem, home, version, test.keys)
    answers, able = None, True
    unseen = np.ones(len(test.y), dtype=bool)
    if champion is not None:
        try:
            answers = answers_of_champion(problem, home, champion, test, challenger=bundle)
        except StorageError as error:
            text = f"the champion {champion.version} cannot be compared with: {error}"
            return 0, (Finding("champion", passed=False, text=text),)
        unseen, able = is_known(answers), _can_answer(champion, bundle)
    ours = partial(_as_judged, problem, version)
    frozen = FrozenRows(
        y=test.y[unseen],
        challenger=ours(test.challenger[unseen]),
        baseline=ours(baseline[unseen]),
        champion=None
        if answers is None or champion is None
        else _as_judged(problem, champion, answers[unseen]),
        champion_can_answer=able,
        slices={} if answers is None else slice_columns(problem, home, test.keys[unseen]),
        learned_slices={} if champion is None else learned_slices(problem, home, champion),
    )
    fair = judge_fairness(problem, home, test, threshold=bundle.threshold)
    return int(unseen.sum()), (*judge(problem.config, frozen), *fair)


def _as_judged(problem: Problem, version: ModelVersion, answers: Array) -> Array:
    """Answers as the KPI needs them: where that is of decisions, by the version's own threshold."""
    threshold = version.manifest.threshold
    if threshold is None or metric_named(problem.config.kpi.metric).needs != "decision":
        return answers
    return (answers >= threshold).astype(np.float64)


def _can_answer(incumbent: ModelVersion, challenger: Bundle) -> bool:
    """Whether the champion's rows went through the code that is installed, as the challenger's."""
    ours, theirs = incumbent.manifest.code, challenger.manifest.code
    parts = ("contract", "features", "hooks")
    return all(getattr(ours, part) == getattr(theirs, part) for part in parts)


def _fitness(problem: Problem, home: Home, version: ModelVersion, bundle: Bundle) -> Finding:
    """Small and quick enough to serve; the limits are wide, they catch what went badly wrong."""
    megabytes = _bytes(home.artifacts.get(version.artifact)) / 2**20
    rows = some_rows(problem, home, bundle, TIMED_ROWS)
    started = time.perf_counter()
    bundle.predict(rows)
    seconds = (time.perf_counter() - started) * TIMED_ROWS / max(len(rows), 1)
    text = f"bundle of {megabytes:.1f} MiB, 1,000 rows in {seconds:.2f} s"
    if megabytes > MAX_BUNDLE_MB or seconds > MAX_SECONDS:
        text += f", at most {MAX_BUNDLE_MB} MiB and {MAX_SECONDS:g} s are allowed"
        return Finding("fitness", passed=False, text=text)
    return Finding("fitness", passed=True, text=text)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
