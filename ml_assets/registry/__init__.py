"""Which models there are, which one answers, and why.

`bundle` is a model as a folder that lasts (`manifest` says what made it, `frozen` turns the
pipeline into bytes); `retraining` has one fitted when it is needed, `versions` registers it under
an id that sorts by time, `numbering` gives it a semantic version. `measuring` evaluates a version
on rows that it never saw, `examination` finds out all about a challenger, `gate` judges its answers, `policy` says
what a release needs, `approvals` what people said; `promotion` decides, `decisions` and `releases`
are the logs of what was decided and who answered when. `reproduction` makes a version again from its manifest. Nothing here fits a
model or computes a metric itself.
"""

from ml_assets.registry.approvals import Approval, approve, last_word
from ml_assets.registry.bundle import Bundle, open_bundle, read_manifest, save_bundle
from ml_assets.registry.decisions import (
    Decision,
    RecordedDecision,
    decisions,
    last_decision,
)
from ml_assets.registry.examination import ReleaseCheck, examine
from ml_assets.registry.gate import Finding
from ml_assets.registry.manifest import Axes, Manifest, axes_of, differences
from ml_assets.registry.measuring import Evaluation, evaluate, evaluations, newest_evaluation
from ml_assets.registry.promotion import consider_promotion
from ml_assets.registry.releases import Release, champion, releases
from ml_assets.registry.reproduction import Reproduction, reproduce
from ml_assets.registry.retraining import ensure_model, present_model, register_trained
from ml_assets.registry.rollback import rollback
from ml_assets.registry.versions import (
    ModelVersion,
    load_bundle,
    version_named,
    version_or_newest,
    version_trained_from,
    versions,
)

__all__ = [
    "Approval",
    "Axes",
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
    "axes_of",
    "champion",
    "consider_promotion",
    "decisions",
    "differences",
    "ensure_model",
    "evaluate",
    "evaluations",
    "examine",
    "last_decision",
    "last_word",
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
    "version_or_newest",
    "version_trained_from",
    "versions",
]
