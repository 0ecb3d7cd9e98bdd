"""How good one trial is: an estimator fitted and measured on validation folds.

With one fold these are the validation rows of the split. With several, they are cut from all rows
that are not held out: by time, each fold is validated on rows that are newer than those it is
fitted on; by entity, each entity is validated on once. What several trials need is encoded once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ml_assets.errors import TrainingError
from ml_assets.features import TrainingSet, groups_of
from ml_assets.features.view import SPLIT
from ml_assets.fingerprint import fingerprint
from ml_assets.problem import Problem
from ml_assets.problem.config import Training
from ml_assets.storage import Home
from ml_assets.training import EpochMetric, Measure
from ml_assets.training.encoders import Family
from ml_assets.training.matrices import InMemory, encoded, fitted_rows
from ml_assets.training.outcome import Run
from ml_assets.training.rows import Rows
from ml_assets.training.training import Matrices, competitor, encode, encoder_of, own_by
from ml_assets.tuning.draws import Judge
from ml_assets.tuning.space import applied
from ml_assets.tuning.studies import Trial

REMEMBERED = 4
"""Encodings that are kept in memory: trials of the same estimators want the same."""


class Objective:
    """Measures trials on the rows of one training set; test rows are never read.

    Args:
        problem: What is tuned.
        home: Where the rows are.
        training_set: Which rows.
        measure: Computes the metrics.
        folder: Nobody else's, for rows that do not fit into memory.
    """

    def __init__(
        self,
        problem: Problem,
        home: Home,
        training_set: TrainingSet,
        *,
        measure: Measure,
        folder: Path,
    ) -> None:
        self._problem, self._measure = problem, measure
        self._rows = Rows.of(problem, home, training_set, folder=folder)
        self._encoded: dict[str, list[Matrices]] = {}
        if self._rows.on_disk and problem.config.tuning.folds > 1:
            limit = problem.config.training.memory_limit_mb
            raise TrainingError(
                f"{problem.name}: its rows take more than {limit:,} MB, and folds are cut in "
                "memory. Set tuning.folds: 1, or raise training.memory_limit_mb."
            )

    def kpi(self, trial: Trial, judge: Judge, *, folder: Path) -> float:
        """The mean KPI over the folds.

        Args:
            trial: Its values are tried.
            judge: Is told of every fold or, with one fold, of every epoch.
            folder: For checkpoints, so that a killed trial goes on where it was.

        Raises:
            Pruned: If the judge gives it up.
            TrainingError: If it cannot be fitted, or its KPI is undefined.
        """
        training = applied(self._problem.config.training, trial.choice)
        run = self._run(training, folder)
        (name,) = training.estimators
        self._require_room(run, name)
        several = self._problem.config.tuning.folds > 1
        kpis: list[float] = []
        # As in a training: more threads make sparse fits slower, and change sums.
        with threadpool_limits(1):
            for place, matrices in enumerate(
                self._matrices(run, run.kind(name).family, own_by(run.problem, name))
            ):
                own = run._replace(folder=folder / str(place))
                seen = None if several else _told_of_epochs(judge)
                kpis.append(competitor(own, name, matrices, seen=seen).kpi)
                if not np.isfinite(kpis[-1]):
                    raise TrainingError(
                        f"{self._problem.config.kpi.metric} is undefined on fold {place + 1}: it "
                        "needs rows of every class. Take fewer folds."
                    )
                if several:
                    judge.hear(place + 1, float(np.mean(kpis)))
        return float(np.mean(kpis))

    def _require_room(self, run: Run, name: str) -> None:
        if self._rows.on_disk and run.kind(name).learns == "at once":
            limit = run.problem.config.training.memory_limit_mb
            raise TrainingError(
                f"{name} learns from all rows at once, which take more than {limit:,} MB. Raise "
                "training.memory_limit_mb, or tune one that learns in batches, such as sgd."
            )

    def _run(self, training: Training, folder: Path) -> Run:
        config = self._problem.config.model_copy(update={"training": training})
        problem = replace(self._problem, config=config)
        return Run(problem, self._rows, folder, self._measure)

    def _matrices(self, run: Run, family: Family, by: str | None) -> list[Matrices]:
        """The folds as an estimator wants them."""
        encoders = run.problem.config.training.encoders
        key = fingerprint(family=family, by=by, encoders=encoders, order=list(encoders))
        if key not in self._encoded:
            while len(self._encoded) >= REMEMBERED:
                self._encoded.pop(next(iter(self._encoded)))
            folds = self._problem.config.tuning.folds
            # On disk there is room for one encoding at a time.
            if self._rows.on_disk:
                self._encoded.clear()
            self._encoded[key] = (
                [encode(run, family, by)]
                if folds == 1
                else [_encoded(run, family, by, *fold) for fold in folds_of(self._rows, folds)]
            )
        return self._encoded[key]


def _told_of_epochs(judge: Judge) -> Callable[[EpochMetric], None]:
    def seen(metric: EpochMetric) -> None:
        judge.hear(metric.epoch, metric.kpi_validation)

    return seen


Fold = tuple[pd.DataFrame, pd.DataFrame]
"""Rows to fit, and rows to validate on."""


def folds_of(rows: Rows, folds: int) -> Iterator[Fold]:
    """Cut the rows; those of an entity, or of several that are one thing, are on one side."""
    frame, problem = rows.frame, rows.problem
    groups = groups_of(problem, rows.home, rows.training_set)
    entity = frame[problem.entity_id].map(groups)
    if problem.config.split.by == "entity":
        places = _dealt(entity, folds)
        for fold in range(folds):
            yield frame[places != fold], frame[places == fold]
        return
    newest = frame[problem.event_time].groupby(entity).transform("max")
    days = newest.dt.floor("D")
    for low, high in _windows(days, share=_validation_share(frame), folds=folds):
        yield frame[days < low], frame[(days >= low) & (days < high)]


def _dealt(entity: pd.Series, folds: int) -> np.ndarray:
    """The fold in which each row is validated on."""
    codes, distinct = pd.factorize(entity, sort=True)
    dealt = np.random.default_rng(0).permutation(len(distinct)) % folds
    return dealt[codes]


def _validation_share(frame: pd.DataFrame) -> float:
    return float((frame[SPLIT] == "validation").mean())


def _windows(
    days: pd.Series, *, share: float, folds: int
) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """Days from and until which each fold is validated; each has about `share` of the rows.

    The last ones are about the validation rows of the split; where there is no room for so many folds
    before them, all are smaller.
    """
    width = min(share, 1 / (folds + 1)) or 1 / (folds + 1)
    ordered = days.sort_values(ignore_index=True)
    edges = [
        ordered[min(int((1 - width * back) * len(ordered)), len(ordered) - 1)]
        for back in range(folds, 0, -1)
    ]
    limits = [*edges, ordered.iloc[-1] + pd.Timedelta(days=1)]
    if len(set(limits)) < len(limits) or limits[0] <= ordered[0]:
        raise TrainingError(
            f"{folds} folds by time need more event days than the {ordered.nunique()} there are. "
            "Take fewer, by tuning.folds."
        )
    yield from pairwise(limits)


def _encoded(
    run: Run, family: Family, by: str | None, fit: pd.DataFrame, validate: pd.DataFrame
) -> Matrices:
    encoder = encoder_of(run.problem, family, by)
    columns: Sequence[str] = run.rows.columns
    train = InMemory(encoded(encoder, fitted_rows(fit), columns, fit=True))
    return Matrices(encoder, train, InMemory(encoded(encoder, validate, columns)), None, ())
