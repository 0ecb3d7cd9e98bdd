"""From an answer to what came of it, and back into training.

`log` keeps every answer under an id, `events` what was said about it; `group_commit` makes both
durable and quick for many callers at once. `labels` is the rule that makes one label of many
events. `batches` closes what has passed its label delay, `materialize` writes its rows to the lake
where training sets find them (`contract` and `rows` say which). `policy` decides whether it is time
to train again, `considering` brings it the facts, and `flywheel` tells what the labels were worth.
`review` queues the answers that a person should label, `history` tells what was said lately.
Who serves predictions, and who asks for a run, is decided elsewhere.
"""

from ml_assets.feedback.batches import (
    Batch,
    Sealing,
    Unsealed,
    compact,
    seal,
    sealed_batch,
    sealed_batches,
    unsealed,
)
from ml_assets.feedback.considering import consider_retraining, facts, trigger_named
from ml_assets.feedback.events import (
    FeedbackEvent,
    Receipt,
    Refusal,
    events_of,
    feedback_event,
    feedback_events,
    record_feedback,
    write_feedback,
)
from ml_assets.feedback.files import record_file
from ml_assets.feedback.flywheel import Cycle, Flywheel, Week, flywheel
from ml_assets.feedback.group_commit import GroupCommit
from ml_assets.feedback.labels import Answer, Label, label_of
from ml_assets.feedback.log import (
    About,
    LoggedPrediction,
    features_hash,
    features_hashes,
    input_text,
    log_predictions,
    logged_columns,
    logged_predictions,
    newest_predictions,
    prediction_ids,
    predictions,
    predictions_by_id,
    write_predictions,
)
from ml_assets.feedback.materialize import (
    FeedbackPartition,
    feedback_partitions,
    materialize_feedback,
    materialize_pending,
    pending_batches,
)
from ml_assets.feedback.policy import (
    Decision,
    Facts,
    count_new_labels,
    decide,
    decisions,
    record_decision,
)
from ml_assets.feedback.recomputing import Recomputed, recompute_features
from ml_assets.feedback.scoring import (
    PredictedPartition,
    predict_partition,
    unanswered_partitions,
)

__all__ = [
    "About",
    "Answer",
    "Batch",
    "Cycle",
    "Decision",
    "Facts",
    "FeedbackEvent",
    "FeedbackPartition",
    "Flywheel",
    "GroupCommit",
    "Label",
    "LoggedPrediction",
    "PredictedPartition",
    "Receipt",
    "Recomputed",
    "Refusal",
    "Sealing",
    "Unsealed",
    "Week",
    "compact",
    "consider_retraining",
    "count_new_labels",
    "decide",
    "decisions",
    "events_of",
    "facts",
    "features_hash",
    "features_hashes",
    "feedback_event",
    "feedback_events",
    "feedback_partitions",
    "flywheel",
    "input_text",
    "label_of",
    "log_predictions",
    "logged_columns",
    "logged_predictions",
    "materialize_feedback",
    "materialize_pending",
    "newest_predictions",
    "pending_batches",
    "predict_partition",
    "prediction_ids",
    "predictions",
    "predictions_by_id",
    "recompute_features",
    "record_decision",
    "record_feedback",
    "record_file",
    "seal",
    "sealed_batch",
    "sealed_batches",
    "trigger_named",
    "unanswered_partitions",
    "unsealed",
    "write_feedback",
    "write_predictions",
]
