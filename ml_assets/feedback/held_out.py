"""Held-out rows as a client would send them, beside what training saw of them.

Rows of the source come from `validated`, rows of feedback from the prediction log. A row whose
source was revised since cannot be told from a row that is read differently, so it is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.features import (
    TrainingSet,
    load_training_set,
    training_frame,
    training_set_table,
)
from ml_assets.features.feedback import FEEDBACK
from ml_assets.features.view import PARTITION, feature_recipe, features_fingerprint
from ml_assets.feedback.log import predictions_by_id
from ml_assets.problem import Problem
from ml_assets.registry import Bundle
from ml_assets.storage import Home

PREDICTION_ID = "prediction_id"


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out rows of a model.

    Attributes:
        rows: What a client would send of each.
        features: What training saw of each: n rows, the model's features.
        predictions: What the model was measured by; n floats.
        ends: Of the intervals around them, lower and upper; None where the model gives none.
        entities: Whom the rows are about.
        revised: Further rows that were chosen, whose source was revised since.
    """

    rows: tuple[Mapping[str, Any], ...]
    features: pd.DataFrame
    predictions: tuple[float, ...]
    ends: tuple[tuple[float, float], ...] | None
    entities: tuple[str, ...]
    revised: int


def held_out_rows(problem: Problem, home: Home, bundle: Bundle, *, most: int) -> HeldOut:
    """Read the test rows of a model's training set, or so many of them, chosen by their hash.

    Raises:
        TrainingError: If the lake no longer has every row.
    """
    training_set = load_training_set(problem, home, bundle.manifest.data.training_set)
    names = list(bundle.manifest.signature.features)
    share = min(1.0, most / max(training_set.rows.get("test", 0), 1))
    seen = training_frame(
        problem, home, training_set, splits=("test",), columns=names, share=share
    )
    sent = _sent(problem, home, training_set, seen)
    there = seen[sent.notna().to_numpy()].reset_index(drop=True)
    answers = bundle.answers(there) if len(there) else np.empty(0)
    values, *ends = np.atleast_2d(answers.T).tolist()
    return HeldOut(
        rows=tuple(sent.dropna()),
        features=there[names],
        predictions=tuple(values),
        ends=tuple(zip(*ends, strict=True)) if ends else None,
        entities=tuple(there[problem.entity_id].astype(str)),
        revised=len(seen) - len(there),
    )


def _sent(
    problem: Problem, home: Home, training_set: TrainingSet, seen: pd.DataFrame
) -> pd.Series:
    """What a client would send of each row; None where it is not known any more."""
    keys = [problem.entity_id, problem.event_time, PARTITION]
    found = [
        *_of_source(problem, home, training_set, seen),
        *_of_feedback(problem, home, training_set, seen),
    ]
    by_key = pd.Series(dict(found), dtype=object)
    wanted = pd.MultiIndex.from_frame(seen[keys])
    return pd.Series([by_key.get(key) for key in wanted], dtype=object)


Sent = tuple[tuple[Any, ...], Mapping[str, Any]]
"""Entity, event time and partition of a row, and the row."""


def _of_source(
    problem: Problem, home: Home, training_set: TrainingSet, seen: pd.DataFrame
) -> Iterator[Sent]:
    """Rows of partitions that are as they were when their features were computed."""
    partitions = _unrevised(problem, home, training_set) & set(seen[PARTITION])
    if not partitions:
        return
    keys = [problem.entity_id, problem.event_time, PARTITION]
    wanted = pa.array(seen[problem.entity_id], pa.string(), from_pandas=True)
    batches = home.lake.batches(
        f"{problem.name}/validated",
        partitions=sorted(partitions),
        columns=list(dict.fromkeys([*keys, *problem.known_columns])),
    )
    for batch in batches:
        ids = batch.column(problem.entity_id).cast(pa.string())
        for row in batch.filter(pc.is_in(ids, wanted)).to_pylist():
            yield (
                _key(row, keys),
                {name: row[name] for name in problem.known_columns if row[name] is not None},
            )


def _key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Entity, event time and partition of a row, as a frame has them."""
    entity, moment, partition = (row[name] for name in names)
    return entity, pd.Timestamp(moment), partition


def _unrevised(problem: Problem, home: Home, training_set: TrainingSet) -> set[str]:
    """Partitions of the source whose features are those of today's rows and code."""
    validated = home.lake.partitions(f"{problem.name}/validated")
    features = home.lake.partitions(
        f"{problem.name}/features", version=training_set.features_version
    )
    recipe = feature_recipe(problem)
    return {
        name
        for name, state in validated.items()
        if name in features
        and features[name].fingerprint == features_fingerprint(recipe, state)
    }


def _of_feedback(
    problem: Problem, home: Home, training_set: TrainingSet, seen: pd.DataFrame
) -> Iterator[Sent]:
    """Rows that were asked about, as they were logged."""
    if not seen[PARTITION].str.startswith(FEEDBACK).any():
        return
    names = [problem.entity_id, problem.event_time, "features_partition", PREDICTION_ID]
    listed = home.lake.read(
        training_set_table(problem), version=training_set.version, columns=names
    ).to_pandas()
    listed = listed[listed[PREDICTION_ID].notna()]
    logged = predictions_by_id(problem, home, listed[PREDICTION_ID])
    for entity, moment, partition, id_ in listed[names].itertuples(index=False):
        if id_ in logged:
            yield (entity, moment, partition), orjson.loads(logged[id_].input)
