"""Feedback from a file: CSV with a header, JSON lines or a JSON list, Parquet.

Each line is an event as a client would send it: `prediction_id` and `label`, perhaps `at`. A line
that cannot be read is refused with its number; the others are taken. The same file twice changes
nothing, because its events are named by what they say.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.errors import FeedbackError
from ml_assets.feedback.events import (
    FeedbackEvent,
    Receipt,
    Refusal,
    feedback_event,
    record_feedback,
)
from ml_assets.problem import Problem
from ml_assets.storage import Home

EVENTS_PER_TRANSACTION = 10_000


class Line(NamedTuple):
    """One line of a file: what it says, or why it says nothing."""

    number: int
    sent: Mapping[str, object]
    fault: str | None = None


def record_file(problem: Problem, home: Home, path: Path, *, now: datetime) -> Receipt:
    """Write the events of a file, some thousands in a transaction.

    Raises:
        FeedbackError: If the file cannot be read as a whole.
    """
    taken = repeated = 0
    refused: list[Refusal] = []
    lines = read_lines(path)
    while some := list(islice(lines, EVENTS_PER_TRANSACTION)):
        read = [_event(problem, line, source=f"file:{path.name}", now=now) for line in some]
        refused += [each for each in read if isinstance(each, Refusal)]
        events = [each for each in read if isinstance(each, FeedbackEvent)]
        receipt = record_feedback(home, events)
        taken, repeated = taken + receipt.taken, repeated + receipt.repeated
        refused += receipt.refused
    return Receipt(taken, repeated, tuple(refused))


def read_lines(path: Path) -> Iterator[Line]:
    """Read a file line by line, as its suffix says.

    Raises:
        FeedbackError: If there is no such file, or it is none of the formats.
    """
    if not path.is_file():
        raise FeedbackError(f"There is no file {path}.")
    match path.suffix.lower():
        case ".csv":
            return _csv_lines(path)
        case ".json" | ".jsonl" | ".ndjson":
            return _json_lines(path)
        case ".parquet":
            return _parquet_lines(path)
    raise FeedbackError(
        f"{path.name}: feedback comes as .csv, .json, .jsonl, .ndjson or .parquet."
    )


def _event(
    problem: Problem, line: Line, *, source: str, now: datetime
) -> FeedbackEvent | Refusal:
    try:
        if line.fault is not None:
            raise FeedbackError(line.fault)  # noqa: TRY301 - told as any other fault of the line
        return feedback_event(problem, line.sent, source=source, now=now)
    except FeedbackError as error:
        prediction_id = line.sent.get("prediction_id")
        return Refusal(
            event_id=None,
            prediction_id=prediction_id if isinstance(prediction_id, str) else None,
            reason=f"line {line.number}: {error}".rstrip("."),
        )


def _csv_lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            names = [name.strip() for name in reader.fieldnames or []]
            _require_header(path, names)
            reader.fieldnames = names
            for row in reader:
                yield _csv_line(reader.line_num, row, expected=len(names))
        except (UnicodeDecodeError, csv.Error) as error:
            raise FeedbackError(
                f"{path.name} cannot be read after line {reader.line_num}: {error}. Save it as "
                "CSV in UTF-8."
            ) from None


def _csv_line(number: int, row: dict[str | Any, str | Any], *, expected: int) -> Line:
    more = row.pop(None, [])  # where csv puts what has no column
    if more:
        return Line(number, row, f"{expected + len(more)} fields, {expected} expected")
    return Line(number, row)


def _require_header(path: Path, names: list[str]) -> None:
    if "prediction_id" not in names:
        raise FeedbackError(
            f"{path.name} needs a header with prediction_id and label, got "
            f"{', '.join(names) or 'nothing'}."
        )


def _json_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        if file.read(64).lstrip().startswith(b"["):
            yield from _json_list(path)
            return
        file.seek(0)
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield _json_line(number, text)


def _json_list(path: Path) -> Iterator[Line]:
    try:
        rows = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise FeedbackError(f"{path.name} is not JSON: {error}.") from None
    yield from (_checked(number, row) for number, row in enumerate(rows, start=1))


def _json_line(number: int, text: bytes) -> Line:
    try:
        return _checked(number, orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return Line(number, {}, f"is not JSON: {error}")


def _checked(number: int, row: object) -> Line:
    if isinstance(row, dict):
        return Line(number, row)
    return Line(number, {}, "is no JSON object")


def _parquet_lines(path: Path) -> Iterator[Line]:
    try:
        file = pq.ParquetFile(path)
        _require_header(path, file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(batch_size=EVENTS_PER_TRANSACTION):
            for number, row in enumerate(batch.to_pylist(), start=number + 1):  # noqa: B020
                yield Line(number, row)
    except pa.ArrowInvalid as error:
        raise FeedbackError(f"{path.name} is not Parquet: {error}.") from None
