"""From good rows to what a model learns from.

`view` computes features, `split` says which rows are held out, `training_set` joins features with
labels that can be trusted and remembers exactly which rows those were, `frames` reads them back.
`feedback` is the part of that for rows that come from answers, not from a source.
Nothing is fitted here: whatever learns from rows lives inside the model.
"""

from ml_assets.features.frames import count_rows, groups_of, training_batches, training_frame
from ml_assets.features.split import SPLITS, SplitName, assign_split
from ml_assets.features.training_set import (
    TrainingSet,
    build_training_set,
    load_training_set,
    training_set_table,
)
from ml_assets.features.view import (
    FeaturePartition,
    build_features,
    contract_frame,
    feature_code_hash,
    materialize_features,
    materialize_partitions,
)

__all__ = [
    "SPLITS",
    "FeaturePartition",
    "SplitName",
    "TrainingSet",
    "assign_split",
    "build_features",
    "build_training_set",
    "contract_frame",
    "count_rows",
    "feature_code_hash",
    "groups_of",
    "load_training_set",
    "materialize_features",
    "materialize_partitions",
    "training_batches",
    "training_frame",
    "training_set_table",
]
