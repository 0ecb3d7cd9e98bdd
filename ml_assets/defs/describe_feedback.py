"""What a person sees beside feedback batches and predictions."""

from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.problem import Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.feedback import FeedbackPartition, PredictedPartition


def judged(made: "FeedbackPartition") -> Said:
    """A verdict about a batch: rows in are rows valid and rows quarantined."""
    return {
        "revision": dg.MetadataValue.int(made.revision),
        "rows": dg.MetadataValue.int(made.rows_in),
        "rows_valid": dg.MetadataValue.int(made.rows_valid),
        "rows_quarantined": dg.MetadataValue.int(made.rows_quarantined),
        "contradictory": dg.MetadataValue.int(made.contradictory),
        "unlabelled": dg.MetadataValue.int(made.unlabelled),
        "broken": metadata.table(["rule", "rows"], made.broken.items()),
    }


def labelled(problem: Problem, home: Home, made: "FeedbackPartition") -> Said:
    """A partition of `feedback`, and how well the wheel turns that it is part of."""
    from ml_assets.feedback import flywheel

    if made.state is None:
        return {}
    wheel = flywheel(problem, home)
    kpi = problem.config.kpi.metric
    cycles = (
        (each.version, each.trigger, each.new_batches, each.gain, each.low, each.high)
        for each in reversed(wheel.cycles)
    )
    return metadata.of_state(
        made.state,
        **judged(made),
        labels_per_week=dg.MetadataValue.float(wheel.labels_per_week),
        **_mean_gain(wheel.gain_per_cycle),
        cycles=metadata.table(
            ["version", "trigger", "new_batches", f"{kpi}_gain", "low", "high"], cycles
        ),
    )


def predicted(done: "PredictedPartition", *, champion: str) -> Said:
    """A partition of `predictions`: who answered, and who would answer today."""
    return metadata.of_state(
        done.state,
        rows_in=dg.MetadataValue.int(done.rows_in),
        rows_quarantined=dg.MetadataValue.int(done.rows_quarantined),
        model_version=dg.MetadataValue.text(done.model_version),
        champion=dg.MetadataValue.text(champion),
    )


def _mean_gain(gain: float | None) -> dict[str, dg.MetadataValue]:
    """As a number that plots; left out where there was no cycle yet."""
    return {} if gain is None else {"gain_per_cycle": dg.MetadataValue.float(gain)}
