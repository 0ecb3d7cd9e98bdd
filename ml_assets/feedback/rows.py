"""Labelled answers to rows that a model can learn from; pure.

Each answer goes to one of two halves: its features beside label and weight, by the same function
that makes features of validated rows, or what was logged beside the reasons why not.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from ml_assets.errors import ProblemError
from ml_assets.features.view import contract_frame, feature_table
from ml_assets.feedback.batches import Member
from ml_assets.feedback.contract import answer_contract
from ml_assets.inference.inputs import InputContract
from ml_assets.inference.values import as_text
from ml_assets.problem import Problem
from ml_assets.validation import Verdict, hold_to_contract
from ml_assets.validation.casting import TYPES

CONTRADICTORY = "labels of the same time contradict each other"

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


def hold_to_feedback_contract(problem: Problem, members: Sequence[Member]) -> Halves:
    """Turn what is known about answers into rows to learn from, where they can be.

    The rows that were logged are held to the contract as those of a request are.

    Args:
        problem: Whose.
        members: n answers, each with its label, its contradiction, or neither.
    """
    labelled = [member for member in members if member.label.value is not None]
    contradictory = [member for member in members if member.label.is_contradictory]
    held = _hold_inputs(problem, labelled)
    reasons = _joined(held.reasons.to_pylist(), _broken_answers(problem, labelled))
    bad = [row for row, why in enumerate(reasons) if why]
    good = np.array([not why for why in reasons], dtype=bool)
    # The verdict has dropped rows of its own; of what it left, those that broke nothing else stay.
    inputs = held.valid.filter(pa.array(good[pc.is_null(held.reasons).to_numpy(False)]))
    aside = set_aside([labelled[row] for row in bad], [reasons[row] for row in bad])
    torn = set_aside(contradictory, [CONTRADICTORY] * len(contradictory))
    return Halves(
        valid=_with_features(problem, inputs, [labelled[row] for row in np.flatnonzero(good)]),
        quarantined=pa.concat_tables([aside, torn]),
        contradictory=len(contradictory),
        unlabelled=len(members) - len(labelled) - len(contradictory),
        broken=dict(Counter(rule for row in bad for rule in reasons[row].split("; "))),
    )


def _hold_inputs(problem: Problem, members: Sequence[Member]) -> Verdict:
    """Logged rows, held to the part of the contract that is known at the moment of prediction."""
    logged = [_logged(member.input) for member in members]
    source = problem.config.source
    raw = {
        name: pa.array([as_text(row.get(name), source) for row in logged], pa.string())
        for name in problem.known_columns
    }
    known_part: Any = InputContract(problem)
    # The same entity may be answered about twice, so nothing is looked for that comes again.
    return hold_to_contract(replace(problem, contract=known_part), pa.table(raw), duplicated=())


def _logged(text: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        row = json.loads(text)  # half a character, or a number beyond 64 bits
    return row


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


def _broken_answers(problem: Problem, members: Sequence[Member]) -> list[str | None]:
    """For each answer, the rules that it or its label broke."""
    rows = _answers(members).to_pandas()
    # An environment variable can switch Pandera off; then every row would hold the contract.
    with config_context(
        validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
    ):
        try:
            answer_contract(problem).validate(rows, lazy=True)
        except SchemaErrors as errors:
            return _sorted_out(errors.failure_cases, len(rows))
    return [None] * len(rows)


def _sorted_out(cases: pd.DataFrame, rows: int) -> list[str | None]:
    broken: list[str | None] = [None] * rows
    ordered = cases.sort_values(["index", "column", "check"])
    named = zip(ordered["index"], ordered["column"], ordered["check"], strict=True)
    for row, column, check in named:
        broken[row] = "; ".join(filter(None, [broken[row], f"{column}: {check}"]))
    return broken


def _joined(first: Sequence[str | None], second: Sequence[str | None]) -> list[str]:
    """Reasons of two judges, row by row; empty where neither has any."""
    return ["; ".join(filter(None, pair)) for pair in zip(first, second, strict=True)]


def _with_features(problem: Problem, inputs: pa.Table, members: Sequence[Member]) -> pa.Table:
    """The features of some rows, beside their label and what they came from."""
    beside = _answers(members)
    frame = contract_frame(problem, inputs)
    # Nobody known was asked about: then the answer stands for itself.
    frame[problem.entity_id] = frame[problem.entity_id].fillna(
        beside["prediction_id"].to_pandas()
    )
    if problem.config.source.undated:  # what nobody dated happened when it was asked about
        asked_at = beside["predicted_at"].to_pandas()
        frame[problem.event_time] = frame[problem.event_time].fillna(asked_at)
    frame[problem.target] = beside["label"].to_pandas()
    table = feature_table(problem, frame)
    if taken := sorted(set(table.column_names) & set(OWN.names)):
        raise ProblemError(
            f"{problem.name}: the feature {', '.join(taken)} has the name of a column of the "
            "feedback table. Rename it."
        )
    for field in OWN:
        table = table.append_column(field, beside[field.name])
    return table
