"""Labelled answers to rows that a model can learn from; pure.

Each answer goes to one of two halves: its features beside label and weight, by the same function
that makes features of validated rows, or what was logged beside the reasons why not.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import orjson
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from ml_assets.errors import ContractError, ProblemError
from ml_assets.features.view import contract_frame, feature_table
from ml_assets.feedback.batches import Member
from ml_assets.feedback.contract import answer_contract, input_contract
from ml_assets.problem import Problem
from ml_assets.problem.config import Source
from ml_assets.validation.casting import TYPES, WORDS, cast

CONTRADICTORY = "labels of the same time contradict each other"
MISSING = "is missing"

OWN = pa.schema(
    [
        ("weight", pa.float64()),
        ("prediction_id", pa.string()),
        ("model_version", pa.string()),
        ("predicted_at", TYPES["time"]),
    ]
)
"""What a row of feedback has beside the columns of the features table."""

ANSWER = pa.schema([*OWN, ("label", pa.float64())])
QUARANTINED = pa.schema([*ANSWER, ("input", pa.string()), ("reasons", pa.string())])

Broken = dict[str, np.ndarray]
"""A rule, and which rows break it: shape (rows,), true where they do."""


class Halves(NamedTuple):
    """Answers of a batch, each in one of two tables, or without a label."""

    valid: pa.Table
    """Columns of the features table, and `OWN`."""
    quarantined: pa.Table
    """What was logged, and the reasons."""
    contradictory: int
    """Of the quarantined rows: those whose events contradict each other."""
    unlabelled: int
    """Answers whose events say nothing about a label; in neither table."""
    broken: dict[str, int]
    """Rows by the rule that they broke, without the contradictory ones."""


class Inputs(NamedTuple):
    """Logged rows in the types of the contract."""

    frame: pd.DataFrame
    """The columns that features may read; a cell that could not be read is missing."""
    uncast: Broken


def hold_to_feedback_contract(problem: Problem, members: Sequence[Member]) -> Halves:
    """Turn what is known about answers into rows to learn from, where they can be.

    Args:
        problem: Whose.
        members: n answers, each with its label, its contradiction, or neither.
    """
    labelled = [member for member in members if member.label.value is not None]
    contradictory = [member for member in members if member.label.is_contradictory]
    inputs, answers = read_inputs(problem, labelled), _answers(labelled)
    broken = _broken_rules(problem, inputs, answers)
    bad = np.zeros(len(labelled), dtype=bool)
    for rows in broken.values():
        bad |= rows
    aside = [labelled[row] for row in np.flatnonzero(bad)]
    return Halves(
        valid=_with_features(problem, inputs.frame, answers, np.flatnonzero(~bad)),
        quarantined=pa.concat_tables(
            [
                set_aside(aside, _reasons(broken, np.flatnonzero(bad))),
                set_aside(contradictory, [CONTRADICTORY] * len(contradictory)),
            ]
        ),
        contradictory=len(contradictory),
        unlabelled=len(members) - len(labelled) - len(contradictory),
        broken={rule: int(rows.sum()) for rule, rows in broken.items()},
    )


def read_inputs(problem: Problem, members: Sequence[Member]) -> Inputs:
    """Bring logged rows to the types of the contract, as rows of a source are brought to them."""
    logged = [orjson.loads(member.input) for member in members]
    cells, uncast = {}, {}
    for name in problem.known_columns:
        field = problem.fields[name]
        texts = [as_text(row.get(name), problem.config.source) for row in logged]
        column = cast(pa.chunked_array([texts], pa.string()), field, problem.config.source)
        cells[name] = column.cells
        if field.kind != "text":
            uncast[f"{name}: {WORDS[field.kind]}"] = column.uncast
    frame = contract_frame(problem, pa.table(cells))
    # Nobody known was asked about: then the answer stands for itself.
    ids = pd.Series([member.answer.id for member in members], index=frame.index, dtype="str")
    frame[problem.entity_id] = frame[problem.entity_id].fillna(ids)
    return Inputs(frame, uncast)


def as_text(value: object, source: Source) -> str | None:
    """A cell of JSON as a source would write it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return source.true[0] if value else source.false[0]
    return orjson.dumps(value).decode()


def set_aside(members: Sequence[Member], reasons: Sequence[str]) -> pa.Table:
    """What was logged of some answers, beside the reasons why nothing is learned from them."""
    return (
        _answers(members)
        .append_column("input", pa.array([member.input for member in members], pa.string()))
        .append_column("reasons", pa.array(reasons, pa.string()))
        .select(QUARANTINED.names)
    )


def _answers(members: Sequence[Member]) -> pa.Table:
    columns: Mapping[str, Sequence[str | float | datetime | None]] = {
        "weight": [member.label.weight for member in members],
        "prediction_id": [member.answer.id for member in members],
        "model_version": [member.model_version for member in members],
        "predicted_at": [member.answer.at for member in members],
        "label": [member.label.value for member in members],
    }
    return pa.table(columns, schema=ANSWER)


def _broken_rules(problem: Problem, inputs: Inputs, answers: pa.Table) -> Broken:
    """Every rule that some row breaks. A cell that could not be read is not missing as well."""
    answer_schema, input_schema = _contracts(problem)
    broken = {
        **inputs.uncast,
        **_ask(answer_schema, answers.to_pandas()),
        **_ask(input_schema, inputs.frame),
    }
    for rule, unreadable in inputs.uncast.items():
        missing = f"{rule.partition(':')[0]}: {MISSING}"
        if missing in broken:
            broken[missing] = broken[missing] & ~unreadable
    return {rule: rows for rule, rows in sorted(broken.items()) if rows.any()}


def _contracts(problem: Problem) -> tuple[pandera.DataFrameSchema, pandera.DataFrameSchema]:
    return answer_contract(problem), input_contract(problem)


def _ask(schema: pandera.DataFrameSchema, rows: pd.DataFrame) -> Broken:
    """Which rows break which rule of a schema; the frame's index counts from 0."""
    # An environment variable can switch Pandera off; then every row would hold the contract.
    with config_context(
        validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
    ):
        try:
            schema.validate(rows, lazy=True)
        except SchemaErrors as errors:
            return _sorted_out(errors.failure_cases, len(rows))
    return {}


def _sorted_out(cases: pd.DataFrame, rows: int) -> Broken:
    broken: Broken = {}
    for (column, check), found in cases.groupby(["column", "check"]):
        if found["index"].isna().any():
            raise ContractError(
                f"Feedback cannot be judged: {column} as a whole breaks {check}: "
                f"{found['failure_case'].iloc[0]}. Correct the contract."
            )
        places = np.zeros(rows, dtype=bool)
        places[found["index"].to_numpy(dtype=np.int64)] = True
        broken[f"{column}: {MISSING if check == 'not_nullable' else check}"] = places
    return broken


def _reasons(broken: Broken, rows: np.ndarray) -> list[str]:
    """For each of the rows, the rules that it broke."""
    return ["; ".join(rule for rule, places in broken.items() if places[row]) for row in rows]


def _with_features(
    problem: Problem, inputs: pd.DataFrame, answers: pa.Table, rows: np.ndarray
) -> pa.Table:
    """The features of some rows, beside their label and what they came from."""
    kept = inputs.iloc[rows].reset_index(drop=True)
    beside = answers.take(pa.array(rows, pa.int64()))
    kept[problem.target] = beside["label"].to_pandas()
    table = feature_table(problem, kept)
    if taken := sorted(set(table.column_names) & set(OWN.names)):
        raise ProblemError(
            f"{problem.name}: the feature {', '.join(taken)} has the name of a column of the "
            "feedback table. Rename it."
        )
    for field in OWN:
        table = table.append_column(field, beside[field.name])
    return table
