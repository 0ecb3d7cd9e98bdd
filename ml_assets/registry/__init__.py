"""Which models there are, which one answers, and why.

`bundle` is a model as a folder that lasts (`manifest` says what made it, `frozen` turns the
pipeline into bytes); `retraining` has one fitted when it is needed, `versions` registers it under
an id that sorts by time, `numbering` gives it a semantic version. `measuring` evaluates a version
on rows that it never saw, `gate` judges, `promotion` decides and records, `releases` is the log of
who answered when. `reproduction` makes a version again from its manifest. Nothing here fits a
model or computes a metric itself.
"""

from ml_assets.registry.bundle import Bundle, open_bundle, read_manifest, save_bundle
from ml_assets.registry.gate import Finding
from ml_assets.registry.manifest import Manifest, differences
from ml_assets.registry.measuring import Evaluation, evaluate, evaluations, newest_evaluation
from ml_assets.registry.promotion import (
    Decision,
    RecordedDecision,
    ReleaseCheck,
    approve,
    consider_promotion,
    decisions,
    last_decision,
    rollback,
)
from ml_assets.registry.releases import Release, champion, releases
from ml_assets.registry.reproduction import Reproduction, reproduce
from ml_assets.registry.retraining import ensure_model, present_model, register_trained
from ml_assets.registry.versions import (
    ModelVersion,
    load_bundle,
    version_named,
    version_trained_from,
    versions,
)

__all__ = [
    "Bundle",
    "Decision",
    "Evaluation",
    "Finding",
    "Manifest",
    "ModelVersion",
    "RecordedDecision",
    "Release",
    "ReleaseCheck",
    "Reproduction",
    "approve",
    "champion",
    "consider_promotion",
    "decisions",
    "differences",
    "ensure_model",
    "evaluate",
    "evaluations",
    "last_decision",
    "load_bundle",
    "newest_evaluation",
    "open_bundle",
    "present_model",
    "read_manifest",
    "register_trained",
    "releases",
    "reproduce",
    "rollback",
    "save_bundle",
    "version_named",
    "version_trained_from",
    "versions",
]
