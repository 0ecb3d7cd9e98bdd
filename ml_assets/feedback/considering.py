"""Considering a retraining: the facts as the lake and the registry have them, and the decision.

What follows from the facts is decided in `policy`. Everything is compared with the newest model, so
that a label, a partition or a change of code counts until a model has learned from it.
"""

import datetime as dt
from typing import get_args

from ml_assets.features import load_training_set
from ml_assets.features.feedback import feedback_table
from ml_assets.feedback.policy import (
    Decision,
    Facts,
    count_new_labels,
    decide,
    record_decision,
)
from ml_assets.problem import Problem
from ml_assets.problem.config import Trigger
from ml_assets.registry import ModelVersion, versions
from ml_assets.storage import Home
from ml_assets.training import training_fingerprint
from ml_assets.tuning import with_chosen

TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)


def trigger_named(name: str) -> Trigger:
    """The trigger that a run says it has; one that the policy does not know is a person's."""
    return next((trigger for trigger in TRIGGERS if trigger == name), "manual")


def consider_retraining(
    problem: Problem,
    home: Home,
    trigger: Trigger,
    *,
    now: dt.datetime,
    run_id: str,
    why: str | None = None,
    known: Facts | None = None,
) -> Decision:
    """Decide by the present facts whether to train again, and write the decision down.

    Args:
        problem: Its section `retraining` is the policy.
        home: Where feedback, features and models are.
        trigger: What made somebody ask.
        now: When.
        run_id: In which it is considered.
        why: What a person gives as the reason.
        known: The facts, where the caller knows more of them.
    """
    known = known or facts(problem, home)
    decision = decide(problem.config.retraining, known, trigger, now=now, why=why)
    record_decision(problem, home, decision, known, now=now, run_id=run_id)
    return decision


def facts(problem: Problem, home: Home) -> Facts:
    """What is known, compared with the newest model; without one everything is new."""
    known = versions(problem, home)
    if not known:
        labels = count_new_labels(problem, home, snapshot={}, version=None)
        return Facts(new_labels=labels, new_rows=True, new_code=True)
    newest = known[-1]
    return Facts(
        new_labels=_new_labels(problem, home, newest),
        new_rows=_has_new_rows(problem, home, newest),
        new_code=_is_of_other_code(problem, home, newest),
        last_trained_at=newest.created_at,
    )


def _new_labels(problem: Problem, home: Home, newest: ModelVersion) -> int:
    """Labels that were not there when the model's training set was built.

    Compared with the whole table as it was then: a batch of which no row was taken was seen, too.
    """
    version = newest.manifest.data.feedback_version
    seen = {}
    if version is not None:
        states = home.lake.partitions(feedback_table(problem), version=version)
        seen = {name: state.content_hash for name, state in states.items()}
    return count_new_labels(problem, home, snapshot=seen, version=version)


def _has_new_rows(problem: Problem, home: Home, newest: ModelVersion) -> bool:
    """Whether features came, changed or went since."""
    table = f"{problem.name}/features"
    then = home.lake.partitions(table, version=newest.manifest.data.features_version)
    now = home.lake.partitions(table)
    return {name: state.content_hash for name, state in now.items()} != {
        name: state.content_hash for name, state in then.items()
    }


def _is_of_other_code(problem: Problem, home: Home, newest: ModelVersion) -> bool:
    """Whether the same rows would give another model by today's code and configuration."""
    rows = load_training_set(problem, home, newest.training_set)
    made_from = training_fingerprint(
        with_chosen(problem, home), rows, parent=newest.manifest.parent
    )
    return made_from != newest.training_fingerprint
