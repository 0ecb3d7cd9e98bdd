"""The Open Inference Protocol, as KServe and Triton speak it, whichever way a message came.

A model is a problem, and its versions are those of the registry. There is one input tensor for
each column of the contract that is known at the moment of prediction; a column that is left out is
missing in every row. The rows go the way of every other request: the same contract, the same
model, the same prediction log. `inference_rest` and `inference_grpc` read and write messages.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import orjson

from ml_assets.errors import RequestRefused
from ml_assets.inference import Answers, Prediction
from ml_assets.problem import Problem
from ml_assets.registry import versions
from ml_assets.serving.deployments import Live
from ml_assets.serving.predicting import answer
from ml_assets.serving.reading import Limits, too_many
from ml_assets.serving.service import Service, in_thread
from ml_assets.serving.tensors import DATATYPES, Datatype, Tensor

NAME = "ml_assets"
VERSION = version("ml-assets")
BINARY = "binary_tensor_data"
PLATFORM = "ml_assets"

KINDS: Mapping[str, str] = {
    "text": "BYTES",
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "time": "BYTES",
}
"""Of a contract, to datatypes; any other datatype is read as its value in JSON would be."""


class Question(NamedTuple):
    """What one request asks."""

    inputs: Sequence[Tensor]
    outputs: Sequence[str] = ()
    """Which ones to answer with; all of them where none is named."""
    is_trial: bool = False
    """Nobody acts on the answer, so its silence says nothing."""


class Slot(NamedTuple):
    """A tensor that a model reads or answers with; one value for each row."""

    name: str
    datatype: Datatype

    @property
    def shape(self) -> list[int]:
        """As many rows as are sent."""
        return [-1]


class Description(NamedTuple):
    """What a model is."""

    name: str
    versions: list[str]
    inputs: list[Slot]
    outputs: list[Slot]


async def infer(service: Service, live: Live, question: Question) -> list[Tensor]:
    """Answer a question, and have every answer in the log.

    Raises:
        RequestRefused: If its tensors do not make rows, or an output is not known.
        InvalidRows: If a row breaks a rule.
    """
    wanted = _outputs(live.predictor.problem, question.outputs)
    rows = _rows(question.inputs, service.limits)
    answered = await answer(service, live, rows, exposed=not question.is_trial)
    return [
        Tensor(*slot, _values(slot.name, answered.answers, answered.ids)) for slot in wanted
    ]


async def describe(service: Service, problem: Problem) -> Description:
    """Say what a model reads and answers, and which versions of it there are."""
    found = await in_thread(versions, problem, service.deployments.home)
    return Description(
        name=problem.name,
        versions=[each.version for each in found],
        inputs=inputs_of(problem),
        outputs=outputs_of(problem),
    )


def is_ready(service: Service) -> bool:
    """Whether a version answers wherever one should."""
    return not service.deployments.unanswered


def inputs_of(problem: Problem) -> list[Slot]:
    """What a model reads: columns of the contract."""
    return [
        Slot(name, DATATYPES[KINDS[problem.fields[name].kind]])
        for name in problem.known_columns
    ]


def outputs_of(problem: Problem) -> list[Slot]:
    """What a model answers with; a regression decides nothing.

    What a response hook adds is one object of JSON for each row.
    """
    decision = [Slot("decision", DATATYPES["BOOL"])] if problem.config.kind == "binary" else []
    has_interval = problem.config.training.interval is not None
    ends = [Slot(end, DATATYPES["FP64"]) for end in ("lower", "upper") if has_interval]
    shown = [Slot("shown", DATATYPES["BYTES"])] if problem.response_hook else []
    return [
        Slot("prediction", DATATYPES["FP64"]),
        *decision,
        *ends,
        Slot("prediction_id", DATATYPES["BYTES"]),
        *shown,
    ]


def _outputs(problem: Problem, names: Sequence[str]) -> list[Slot]:
    known = {slot.name: slot for slot in outputs_of(problem)}
    if unknown := [name for name in names if name not in known]:
        raise RequestRefused(
            400, f"There is no output {unknown[0]!r}; there are {', '.join(known)}."
        )
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def _rows(inputs: Sequence[Tensor], limits: Limits) -> list[dict[str, Any]]:
    """Turn columns into rows."""
    if not inputs:
        raise RequestRefused(400, "The request has no inputs; send one for each column.")
    names = [tensor.name for tensor in inputs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RequestRefused(400, f"Input {twice[0]} was sent twice.")
    counts = {len(tensor.values): tensor.name for tensor in inputs}
    if len(counts) > 1:
        (some, one), (others, other), *_ = counts.items()
        raise RequestRefused(
            400, f"Input {one} has {some:,} rows, and {other} has {others:,}. Send as many."
        )
    if (rows := len(inputs[0].values)) > limits.rows:
        raise too_many(rows, limits, what="rows")
    columns: Iterable[Sequence[Any]] = (tensor.values for tensor in inputs)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(output: str, answers: Answers, ids: Sequence[str]) -> Sequence[Any]:
    match output:
        case "prediction":
            return [each.value for each in answers.predictions]
        case "decision":
            return [each.decision for each in answers.predictions]
        case "lower" | "upper":
            return [_end(each, output) for each in answers.predictions]
        case "shown":
            return [orjson.dumps(shown).decode() for shown in answers.shown or ()]
    return ids


def _end(prediction: Prediction, name: str) -> float:
    """One end of an interval; NaN where the version that answers has none."""
    interval = prediction.interval
    return math.nan if interval is None else float(getattr(interval, name))
