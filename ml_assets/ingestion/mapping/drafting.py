"""A first mapping file, drafted from a sample: a person corrects it.

Names, types, date formats and units are guessed; each guess says how much of the sample it reads.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.errors import SourceError
from ml_assets.ingestion.files import FORMATS as KINDS
from ml_assets.ingestion.json_rows import DECODER, JSONRows, cell_text
from ml_assets.ingestion.mapping.applying import apply
from ml_assets.ingestion.mapping.catalogue import rule_id
from ml_assets.ingestion.mapping.declaration import Mapping
from ml_assets.ingestion.mapping.guessing import PARTS, RuleValues, may_be, rule_for
from ml_assets.ingestion.mapping.names import key
from ml_assets.ingestion.mapping.synonyms import matched
from ml_assets.ingestion.reading import Reading
from ml_assets.ingestion.rows import FORMATS
from ml_assets.ingestion.text import text_kind
from ml_assets.problem import Problem

SAMPLE_ROWS = 2_000
DEEPEST = 4
LONGEST_EXAMPLE = 40
MISSING = ("", "N/A", "NA", "NaN", "None", "null", "NULL", "?", "-", "Unknown")
DELIVERED: RuleValues = {"path": "_delivered_at", "kind": "date", "precision": "day"}
"""When something happened, where a source does not say it."""


class Sample(NamedTuple):
    """The first rows of a file."""

    batch: pa.RecordBatch
    values: dict[str, list[str]]
    """By path, its texts that are not missing."""


def draft(path: Path, problem: Problem) -> str:
    """Write a mapping file for a source, from a file of it.

    Args:
        path: CSV, JSON or Parquet; the first rows are looked at.
        problem: Whose contract the source is mapped to.

    Returns:
        YAML that can be loaded at once. What nothing was found for is a comment.

    Raises:
        SourceError: If the file cannot be read.
    """
    sample = sample_of(path)
    found = _rules(sample, problem)
    lines = [
        f"# Drafted from the first {len(sample.batch):,} rows of {path.name}. Every line is a guess:",
        "# read it, correct it, and say who publishes the data and under which terms.",
        'origin: "?"',
        'terms: "?"',
        f"missing: {_yaml(_missing(sample))}",
        "columns:",
        *(_line(column, rule, sample, path.stem) for column, rule in found.items()),
        *(f"  # {column}: nothing found" for column in problem.fields if column not in found),
    ]
    used = {str(rule.get("path", rule.get("id_of"))) for rule in found.values()}
    rest = [each for each in sample.values if each not in used]
    if rest:
        lines += ["unmapped:", *(_unmapped(each, sample.values[each]) for each in rest)]
    return "\n".join(lines) + "\n"


def sample_of(path: Path) -> Sample:
    """The first rows of a file, every column as text."""
    form = KINDS.get(path.suffix.lower())
    if form is None:
        raise SourceError(f"{path.name} is of no known format: {', '.join(KINDS)}.")
    names = {"csv": names_of_csv, "json": _keys, "parquet": _schema_names}[form](path)
    rows = FORMATS[form](path, plain_reading(tuple(name for name in map(key, names) if name)))
    batch = next(iter(rows.batches())).slice(0, SAMPLE_ROWS)
    spelled = {key(name): name for name in names}
    values: dict[str, list[str]] = {}
    for name in batch.schema.names:
        if name.startswith("_"):
            continue
        values.setdefault(spelled[name], [])
        for text in batch.column(name).to_pylist():
            for at, value in _leaves(spelled[name], text):
                values.setdefault(at, []).append(value)
    nested = {name for name in values if any(other.startswith(f"{name}.") for other in values)}
    return Sample(
        batch, {at: found for at, found in values.items() if at not in nested or found}
    )


def _leaves(name: str, text: str | None) -> Iterator[tuple[str, str]]:
    """Paths and texts in a cell."""
    value: object = text
    if text is not None and text.startswith("{"):
        try:
            value = DECODER.decode(text)
        except json.JSONDecodeError:
            value = text
    yield from _inside(name, value, DEEPEST)


def _inside(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth:
        for inner, below in value.items():
            yield from _inside(f"{name}.{inner}", below, depth - 1)
        return
    found = cell_text(value)
    if found is not None and found.strip() not in MISSING:
        yield name, found.strip()


def _rules(sample: Sample, problem: Problem) -> dict[str, RuleValues]:
    """A rule for every column that something was found for, in the contract's order."""
    paths = [path for path, values in sample.values.items() if values]
    places = matched(
        paths,
        problem.fields,
        problem.config.source.aliases,
        fits=lambda path, column: may_be(problem.fields[column], sample.values[path]),
    )
    places.pop(problem.entity_id, None)
    day = problem.event_time
    rules: dict[str, RuleValues] = {problem.entity_id: _id_rule(sample), day: DELIVERED}
    for column in problem.fields:
        if column in places:
            path = places[column]
            rules[column] = rule_for(path, problem.fields[column], sample.values[path], day)
    _share_address(rules, problem)
    return {column: rules[column] for column in problem.fields if column in rules}


def _share_address(rules: dict[str, RuleValues], problem: Problem) -> None:
    """Take the other parts of an address from where one of them was found."""
    whole = next((rule["path"] for rule in rules.values() if "part" in rule), None)
    for column, part in PARTS.items():
        if whole and column in problem.fields and column not in rules:
            rules[column] = {"path": whole, "part": part}


def _id_rule(sample: Sample) -> RuleValues:
    """An id of the source's own, or where the row stands."""
    rows = len(sample.batch)
    for path, values in sample.values.items():
        if key(path).split("_")[-1] == "id" and len(set(values)) == rows:
            return {"id_of": path}
    return {"id_of": ["_file", "_row"]}


def _line(column: str, rule: RuleValues, sample: Sample, source: str) -> str:
    """One rule with what it does to the sample."""
    text = f"  {column}: {_yaml(rule)}"
    if "path" not in rule:
        return text
    if rule is DELIVERED:
        return f"{text}   # nothing found, so the day of delivery"
    known = {**rule, "to": rule["currency"]} if "currency" in rule else rule
    columns = {column: known}
    if rule.get("dated_by"):
        columns[str(rule["dated_by"])] = {"constant": "2020-01-01"}
    values = {"source": source, "origin": "", "terms": "", "missing": list(MISSING)}
    mapping = Mapping.from_values({**values, "columns": columns}, where="the draft")
    mapped = apply(mapping, sample.batch)
    hits = mapped.hits[rule_id(mapping, column, 0)]
    there = hits.applied + hits.refused
    share = f"{hits.applied / there:.0%}" if there else "none"
    read = next((v for v in mapped.rows.column(column).to_pylist() if v), None)
    first = sample.values[str(rule["path"])][0]
    return f"{text}   # reads {share} of {there:,}, such as {_shown(first)} -> {_shown(read)}"


def _unmapped(path: str, values: list[str]) -> str:
    example = f"   # such as {_shown(values[0])}" if values else "   # always missing"
    return f"  - {_yaml(path)}{example}"


def _missing(sample: Sample) -> list[str]:
    """Texts of the sample that mean no value."""
    texts = pa.concat_arrays(
        [sample.batch.column(n) for n in sample.batch.schema.names if not n.startswith("_")]
    )
    there = set(texts.unique().to_pylist())
    return [text for text in MISSING if not text or text in there]


def _yaml(value: object) -> str:
    """JSON, which is YAML too, on one line."""
    return json.dumps(value, ensure_ascii=False)


def _shown(text: str | None) -> str:
    return repr((text or "")[:LONGEST_EXAMPLE])


def plain_reading(columns: tuple[str, ...]) -> Reading:
    """How a file is read of which nothing is known but the names of its columns."""
    return Reading(
        columns=columns,
        names={name: name for name in columns},
        required=(),
        entity_id="",
        event_time="",
        missing=(),
        date_formats=(),
        grain="monthly",
    )


def names_of_csv(path: Path) -> list[str]:
    """Names in the first line of a CSV, cut where it makes the most of them."""
    kind = text_kind(path)
    with path.open("rb") as file:
        file.seek(kind.start)
        line = file.readline().decode(kind.encoding)
    return max((next(csv.reader([line], delimiter=mark)) for mark in ",;\t|"), key=len)


def _keys(path: Path) -> list[str]:
    rows = JSONRows(path, plain_reading(()))
    next(iter(rows.batches()))
    return list(rows.columns.ignored)


def _schema_names(path: Path) -> list[str]:
    return list(pq.read_schema(path).names)
