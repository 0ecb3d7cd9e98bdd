"""The feature view: what a model reads of each row, by the problem's one pure function.

`build_features` is the only place that calls the function, for training and for serving alike.
It hands over the columns that are known at the moment of prediction and no others, and brings
what comes back to two types, text and numbers, so that both sides see the same. Which rows are
good was decided before; what a model does with missing values is decided after.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.errors import LeakageError, ProblemError, TableNotFound
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Field, Problem
from ml_assets.progress import track
from ml_assets.storage import Commit, Home, PartitionState

LABEL = "label"
PARTITION = "partition"
SPLIT = "split"
WEIGHT = "weight"
ANSWERED = ("prediction_id", "model_version", "predicted_at")
"""Columns of the table of feedback: which answer a row is about."""

TAKEN = {LABEL, PARTITION, SPLIT, WEIGHT, *ANSWERED}
"""Columns that the tables around the features have; no feature may have their name."""

LIBRARIES = ("numpy", "pandas", "pyarrow")
"""What a feature function computes with; another version may give other features."""

BATCH_ROWS = 50_000
UTC_TIME = pa.timestamp("us", "UTC")


class FeaturePartition(NamedTuple):
    """One partition of the features table, as it is now."""

    partition: str
    state: PartitionState
    rows: int
    unchanged: bool
    """Made from the same rows, code and libraries as before, so nothing was computed."""
    missing_rates: Mapping[str, float]
    """Share of rows without a value, by feature; empty when unchanged."""


def build_features(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    """Features of rows that hold the contract.

    Args:
        problem: Whose features.
        rows: n rows with the contract's types (see `contract_frame`); other columns are ignored.

    Returns:
        n rows, same index; every column float64 or text ("str").

    Raises:
        LeakageError: If the function asks for a column that is not known at the moment of
            prediction, or gives back the label.
        ProblemError: If what comes back is not one row of features for each row.
    """
    absent = [name for name in problem.known_columns if name not in rows]
    if absent:
        raise ProblemError(
            f"{problem.name}: features may read {', '.join(absent)}, which the rows lack. "
            f"They have: {', '.join(map(str, rows.columns))}."
        )
    try:
        made = problem.features(rows[problem.known_columns])
    except (KeyError, AttributeError) as error:
        _explain_leak(problem, error)
        raise
    _require_row_by_row(problem, rows, made)
    return pd.DataFrame({name: _plain(problem, made[name]) for name in made}, index=rows.index)


def contract_frame(problem: Problem, rows: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """Rows of `validated` as a frame in the types of the contract."""
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    names = [name for name in rows.schema.names if name in problem.fields]
    return rows.select(names).to_pandas(types_mapper=nullable.get)


def materialize_features(
    problem: Problem, home: Home, partition: str, *, run_id: str
) -> FeaturePartition:
    """Compute and store the features of one validated partition; see `materialize_partitions`."""
    return next(materialize_partitions(problem, home, [partition], run_id=run_id))


def materialize_partitions(
    problem: Problem, home: Home, partitions: Sequence[str], *, run_id: str
) -> Iterator[FeaturePartition]:
    """Compute and store the features of validated partitions, a batch of rows at a time.

    Nothing is computed where rows, code, known columns and libraries are those of the last time.

    Raises:
        TableNotFound: If a partition was never admitted by the gate.
    """
    source = f"{problem.name}/validated"
    # Rows are read as of the version whose hashes were read, whoever writes meanwhile.
    version = home.lake.version(source)
    validated = home.lake.partitions(source, version=version)
    if absent := [name for name in partitions if name not in validated]:
        raise TableNotFound(
            f"{source} has no partition {', '.join(absent)}, so there is nothing to make features "
            "of. Materialize it first; if the gate refused it, its verdict says why."
        )
    live = home.lake.partitions(f"{problem.name}/features")
    code, recipe = feature_code_hash(problem), feature_recipe(problem)
    for name in track(partitions, "features"):
        made_from = features_fingerprint(recipe, validated[name])
        if name in live and live[name].fingerprint == made_from:
            yield _described(live[name], missing={}, unchanged=True)
            continue
        rows = home.lake.batches(source, partitions=[name], version=version, rows=BATCH_ROWS)
        commit = Commit(run_id=run_id, code_hash=code, fingerprint=made_from)
        yield _write(problem, home, name, rows, commit=commit)


def feature_table(problem: Problem, rows: pd.DataFrame) -> pa.Table:
    """Features of `rows` beside their entity id, event time and label (null: none yet)."""
    features = build_features(problem, rows)
    _require_finite(problem, features)
    columns = {
        problem.entity_id: pa.array(rows[problem.entity_id], pa.string(), from_pandas=True),
        problem.event_time: pa.array(rows[problem.event_time], UTC_TIME, from_pandas=True),
        LABEL: pa.array(rows[problem.target].astype("Float64"), pa.float64(), from_pandas=True),
    }
    for name in features:
        kind = pa.float64() if _is_number(features[name]) else pa.string()
        columns[str(name)] = pa.array(features[name], kind, from_pandas=True)
    return pa.table(columns)


def features_fingerprint(recipe: str, validated: PartitionState) -> str:
    """What the features of a partition are made from; decides whether they are stale."""
    return fingerprint(rows=validated.content_hash, recipe=recipe)


def feature_recipe(problem: Problem) -> str:
    """Hash of everything but the rows that features are made from."""
    return fingerprint(
        code=feature_code_hash(problem),
        known_columns=problem.known_columns,
        libraries=library_versions(*LIBRARIES),
    )


def feature_code_hash(problem: Problem) -> str:
    """Source of the feature function, its helpers, and the code that stores what it returns."""
    return source_hash(problem.features, feature_table)


def feature_names(problem: Problem, names: list[str]) -> list[str]:
    """Those columns of the features table that are features."""
    return [
        name for name in names if name not in {*TAKEN, problem.entity_id, problem.event_time}
    ]


def _write(
    problem: Problem, home: Home, partition: str, rows: pa.RecordBatchReader, *, commit: Commit
) -> FeaturePartition:
    missing: Counter[str] = Counter()
    stream = _stream(problem, rows, missing)
    state = home.lake.write(f"{problem.name}/features", partition, stream, commit=commit)
    return _described(state, missing=missing, unchanged=False)


def _described(
    state: PartitionState, *, missing: Mapping[str, int], unchanged: bool
) -> FeaturePartition:
    return FeaturePartition(
        partition=state.partition,
        state=state,
        rows=state.rows,
        unchanged=unchanged,
        missing_rates={name: nulls / max(state.rows, 1) for name, nulls in missing.items()},
    )


def _stream(
    problem: Problem, rows: pa.RecordBatchReader, missing: Counter[str]
) -> pa.RecordBatchReader:
    """Features of batch after batch, in the columns of the first; counts nulls as they pass."""
    tables = (feature_table(problem, contract_frame(problem, batch)) for batch in rows)
    first = next(tables, None)
    if first is None:
        first = feature_table(problem, contract_frame(problem, rows.schema.empty_table()))
    names = feature_names(problem, first.schema.names)

    def batches() -> Iterator[pa.RecordBatch]:
        for table in chain([first], tables):
            _require_columns(problem, table.schema, first.schema)
            missing.update({name: table[name].null_count for name in names})
            yield from table.to_batches()

    return pa.RecordBatchReader.from_batches(first.schema, batches())


def _explain_leak(problem: Problem, error: KeyError | AttributeError) -> None:
    """Raise the error that a person can act on, where `error` is about a withheld column."""
    words = set(re.findall(r"\w+", str(error)))
    for name, field in problem.fields.items():
        if name in words and name not in problem.known_columns:
            raise LeakageError(
                f"{problem.name}: the feature function reads {name}, but {_withheld(problem, field)}"
            ) from None


def _withheld(problem: Problem, field: Field) -> str:
    """Why a column does not reach the feature function, and what to do."""
    config = problem.config
    for listed in ("protected", "proxies"):
        if field.name in getattr(config, listed):
            return f"config.yaml lists it under {listed}. Leave it out of the features."
    if field.role not in ("id", "time", "input"):
        return (
            f"its role is {field.role}. Leave it out of the features; only columns with the role "
            "input can be read."
        )
    return (
        f"it is known at the moment {field.known_at!r}, after the moment of prediction "
        f"{config.moment_of_prediction!r}. Leave it out, or correct its known_at in "
        "the contract, or predict later by moment_of_prediction in config.yaml."
    )


def _require_row_by_row(problem: Problem, rows: pd.DataFrame, made: pd.DataFrame) -> None:
    """Refuse anything but one row of features for each row, under names of their own."""
    if not isinstance(made, pd.DataFrame) or not made.index.equals(rows.index):
        got = f"{len(made):,} rows" if hasattr(made, "__len__") else type(made).__name__
        raise ProblemError(
            f"{problem.name}: the feature function got {len(rows):,} rows and gave back {got}. "
            "It must give one row for each, in the same order, with the same index."
        )
    if problem.target in made:
        raise LeakageError(
            f"{problem.name}: {problem.target} is what we predict, and is among the features. "
            "Leave it out."
        )
    taken = sorted({*TAKEN, problem.entity_id, problem.event_time} & set(made.columns))
    if taken or not made.columns.is_unique:
        twice = sorted(set(made.columns[made.columns.duplicated()]))
        raise ProblemError(
            f"{problem.name}: features need names of their own; {', '.join(taken or twice)} "
            f"{'is taken' if taken else 'is there twice'}. Rename it."
        )


def _plain(problem: Problem, feature: pd.Series) -> pd.Series:
    """Bring a feature to one of the two types: numbers (and booleans) or text."""
    if _is_number(feature):
        return feature.astype("float64")
    is_text = isinstance(feature.dtype, pd.StringDtype | pd.CategoricalDtype)
    if is_text or pd.api.types.infer_dtype(feature, skipna=True) in {"string", "empty"}:
        return feature.astype("str")
    raise ProblemError(
        f"{problem.name}: the feature {feature.name} is {feature.dtype}. Give numbers, booleans or text; "
        "a time becomes a number of days since another."
    )


def _is_number(feature: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(feature.dtype)


def _require_finite(problem: Problem, features: pd.DataFrame) -> None:
    numbers = features.select_dtypes("float64")
    infinite = np.isinf(numbers.to_numpy()).sum(axis=0)
    if infinite.any():
        name, count = numbers.columns[infinite.argmax()], int(infinite.max())
        raise ProblemError(
            f"{problem.name}: the feature {name} is infinite in {count:,} rows. Guard the "
            "division or logarithm; a value that cannot be computed is missing."
        )


def _require_columns(problem: Problem, schema: pa.Schema, first: pa.Schema) -> None:
    if schema != first:
        odd = sorted({f.name for f in set(schema) ^ set(first)})
        raise ProblemError(
            f"{problem.name}: the feature function gives other columns or types for some rows "
            f"than for others: {', '.join(odd)}. They may not depend on the rows."
        )
