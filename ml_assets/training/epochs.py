"""Fitting batch by batch, with checkpoints: a training that was killed goes on where it was.

The order in which rows are seen is drawn from the seed and the number of the epoch, so that an
epoch is the same whether or not the ones before it ran in the same process.
"""

import json
import math
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from ml_assets.progress import track
from ml_assets.training.matrices import Batches
from ml_assets.training.wrappers import innermost

CLASSES = np.array([0.0, 1.0])
STATE = "state.skops"

WORTH_KEEPING_SECONDS = 1.0
"""Less work than this is sooner done again than written down."""


class EpochMetric(NamedTuple):
    """How good a model was after one epoch."""

    epoch: int
    """Passes over the rows so far."""
    loss_train: float
    loss_validation: float
    kpi_train: float
    kpi_validation: float


Watch = Callable[[Any, int], EpochMetric]
"""Says how good a model is after an epoch."""


class Patience(NamedTuple):
    """When more epochs are not worth their time: the rule of scikit-learn's own `fit`."""

    tol: float
    """The training loss must fall by so much below its best, ..."""
    epochs: int
    """... at least once in so many epochs."""

    @classmethod
    def of(cls, model: Any) -> "Patience | None":
        """The estimator's own; None where it has none, and makes all its epochs."""
        chosen = innermost(model).get_params()
        if chosen.get("tol") is None or "n_iter_no_change" not in chosen:
            return None
        return cls(chosen["tol"], chosen["n_iter_no_change"])

    def is_over(self, curve: tuple[EpochMetric, ...]) -> bool:
        """Whether fitting ends after these epochs."""
        best, without = math.inf, 0
        for metric in curve:
            without = without + 1 if metric.loss_train > best - self.tol else 0
            best = min(best, metric.loss_train)
        return without >= self.epochs


class Progress(NamedTuple):
    """A fit that is under way."""

    model: Any
    epochs: int
    curve: tuple[EpochMetric, ...]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where the state of one fit is kept while it runs."""

    folder: Path
    every: int
    """Epochs between two checkpoints."""

    def save(self, progress: Progress) -> None:
        """Keep the state; it is there whole, or the one before is."""
        import skops.io

        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{STATE}.{os.getpid()}"
        curve = json.dumps(progress.curve)
        state = {"model": progress.model, "epochs": progress.epochs, "curve": curve}
        skops.io.dump(state, unfinished)
        unfinished.replace(self.folder / STATE)

    def load(self) -> Progress | None:
        """The state that was kept; none where there is none that can be read."""
        import skops.io

        path = self.folder / STATE
        # A file that a power failure cut short is no zip: then the fit begins anew.
        if not zipfile.is_zipfile(path):
            return None
        # Our own file, written by this very code; it has types of scikit-learn and of this room.
        state = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        curve = tuple(EpochMetric(*metric) for metric in json.loads(state["curve"]))
        return Progress(state["model"], state["epochs"], curve)

    def remove(self) -> None:
        """Forget the state; the fit is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def fit_in_epochs(
    model: Any,
    batches: Batches,
    *,
    epochs: int,
    seed: int,
    watch: Watch | None = None,
    patience: Patience | None = None,
    checkpoint: Checkpoint | None = None,
    label: str = "epochs",
) -> Progress:
    """Fit by `partial_fit`, epoch after epoch; goes on from a checkpoint where there is one.

    Args:
        model: Unfitted, or fitted before and to be continued.
        batches: Rows to fit; each epoch sees them in another order.
        epochs: Passes over the rows, at most.
        seed: Draws the order.
        watch: Measures the model after each epoch.
        patience: Ends it early by what `watch` measures; without it all epochs are made.
        checkpoint: Where the state is kept.
        label: What a person reads beside the progress bar.
    """
    begun = checkpoint.load() if checkpoint else None
    progress = begun or Progress(model, 0, ())
    kept_at = time.monotonic()
    for epoch in track(range(progress.epochs, epochs), label):
        if _is_over(progress, patience):
            break
        _one_epoch(progress.model, batches, seed=seed, epoch=epoch)
        measured = (watch(progress.model, epoch + 1),) if watch else ()
        progress = Progress(progress.model, epoch + 1, (*progress.curve, *measured))
        is_last = epoch + 1 == epochs or _is_over(progress, patience)
        is_due = checkpoint and (is_last or (epoch + 1) % checkpoint.every == 0)
        if checkpoint and is_due and time.monotonic() - kept_at >= WORTH_KEEPING_SECONDS:
            checkpoint.save(progress)
            kept_at = time.monotonic()
    return progress


def _is_over(progress: Progress, patience: Patience | None) -> bool:
    return patience is not None and patience.is_over(progress.curve)


def _one_epoch(model: Any, batches: Batches, *, seed: int, epoch: int) -> None:
    """Show every row to the model once."""
    rng = np.random.default_rng([seed, epoch])
    drawing = innermost(model)
    own_seed = drawing.get_params().get("random_state")
    classes = {"classes": CLASSES} if is_classifier(model) else {}
    for place in rng.permutation(len(batches)):
        batch = batches.load(int(place))
        if own_seed is not None:
            # Rows are shuffled inside, by this number, which is why none is copied here.
            drawing.set_params(random_state=int(rng.integers(2**31 - 1)))
        model.partial_fit(batch.X, batch.y, sample_weight=batch.weight, **classes)
    if own_seed is not None:
        drawing.set_params(random_state=own_seed)
