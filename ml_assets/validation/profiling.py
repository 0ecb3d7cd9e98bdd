"""What is in a partition, for a person: columns, gaps, associations, balance, groups, noise, cost.

A profile describes admitted rows and judges nothing; what is judged is in `statistics`. It is
kept as a table, a line for the partition, one per column, one per group of people, and is drawn
by `plot`.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Field, Problem
from ml_assets.storage import Commit, Home, PartitionState
from ml_assets.validation.column_profile import TOP, ColumnProfile, describe_column
from ml_assets.validation.plot import Picture, draw
from ml_assets.validation.record import last_admission
from ml_assets.validation.summary import categories_of
from ml_assets.validation.target_profile import Distribution, advice, distribution_of
from ml_assets.validation.verdict import FOR_PANDAS

MOST_ROWS = 200_000
"""A profile of more rows says the same; the first so many of a partition are read."""

FIT_SECONDS_PER_ROW = 1.2e-4
FIT_BYTES_PER_BYTE = 5
"""What one estimator costs; measured on 100,000 complaints with text, as an order of magnitude."""

SKEWED_SHARE = 0.25
"""A rarer class than this makes accuracy misleading."""

SCHEMA = pa.schema(
    [
        ("line", pa.string()),
        ("name", pa.string()),
        ("kind", pa.string()),
        ("role", pa.string()),
        ("rows", pa.int64()),
        ("missing_share", pa.float64()),
        ("distinct", pa.int64()),
        ("minimum", pa.float64()),
        ("maximum", pa.float64()),
        ("mean", pa.float64()),
        ("deviation", pa.float64()),
        ("association", pa.float64()),
        ("label_rate", pa.float64()),
        ("text", pa.string()),
    ]
)


class Group(NamedTuple):
    """People or places that share a sensitive value: how many, and how often the label is 1."""

    column: str
    value: str
    rows: int
    share: float
    label_rate: float | None


class Pair(NamedTuple):
    """Two numeric columns and Pearson's correlation between them."""

    first: str
    second: str
    correlation: float


class Noise(NamedTuple):
    """How far the labels contradict each other."""

    repeated_rows: int
    """Rows whose inputs are word for word those of another row."""
    contradicting_rows: int
    """Of those, rows whose twin has another label."""
    quarantine_rate: float
    """Share of the raw partition that broke its contract."""


class Cost(NamedTuple):
    """What training on all admitted rows will take, as an order of magnitude."""

    rows: int
    table_bytes: int
    fit_seconds: float
    peak_mb: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A partition described; `plot` draws it."""

    problem: str
    partition: str
    rows: int
    rows_profiled: int
    labelled: int
    label_rate: float | None
    """Share of positive labels; the mean of a regression's target."""
    target: Distribution | None
    """How the labels of a regression are distributed; None where there are none, or two classes."""
    columns: tuple[ColumnProfile, ...]
    correlations: tuple[Pair, ...]
    """Numeric pairs, the strongest first."""
    groups: tuple[Group, ...]
    noise: Noise
    cost: Cost
    is_sufficient: bool
    """Whether the partition alone has the labels that `training` asks for."""
    advice: tuple[str, ...]
    rows_by_day: tuple[tuple[dt.date, int], ...]
    state: PartitionState

    @property
    def labels(self) -> str:
        """What is to be said of the labels, in a few words."""
        if self.label_rate is None:
            return "no labels"
        if self.target is None:
            return f"{self.labelled:,} labels, {self.label_rate:.1%} positive"
        return f"{self.labelled:,} labels, {self.target.sentence}"

    def plot(self) -> bytes:
        """A picture of it: SVG, less than 50 kB."""
        return draw(
            Picture(
                title=f"{self.problem} {self.partition}",
                rows=self.rows,
                labels=self.labels,
                rows_by_day=self.rows_by_day,
                missing=[(each.column, each.missing_share) for each in self.columns],
                associations=[
                    (each.column, abs(each.association))
                    for each in self.columns
                    if each.association is not None
                ],
                top=[
                    (each.column, each.top, each.distinct) for each in self.columns if each.top
                ],
                target=self.target.shares if self.target else (),
            )
        )


def profile(
    problem: Problem,
    home: Home,
    partition: str,
    *,
    run_id: str,
    now: dt.datetime,  # noqa: ARG001 - a profile does not depend on when it is made
) -> Profile:
    """Describe an admitted partition, and keep the description in `<problem>/profile`.

    Raises:
        TableNotFound: If no such partition was admitted.
    """
    table = f"{problem.name}/validated"
    rows = _first_rows(home, table, partition)
    live = home.lake.partitions(table)
    admission = last_admission(problem, home.store, partition, live.get(partition))
    described = describe(
        problem,
        rows,
        quarantine_rate=admission.quarantine_rate if admission else 0.0,
        admitted=live,
        partition=partition,
    )
    commit = Commit(
        run_id=run_id, code_hash=_code_hash(), fingerprint=profile_fingerprint(live[partition])
    )
    lines = pa.Table.from_pylist(list(_lines(described)), schema=SCHEMA)
    state = home.lake.write(f"{problem.name}/profile", partition, lines, commit=commit)
    return Profile(**{**vars(described), "state": state})


def describe(
    problem: Problem,
    rows: pa.Table,
    *,
    quarantine_rate: float,
    admitted: dict[str, PartitionState],
    partition: str,
) -> Profile:
    """Describe typed rows of a partition.

    Args:
        problem: Whose contract the rows hold.
        rows: Rows of `validated`, perhaps not all of the partition.
        quarantine_rate: Of the raw partition.
        admitted: Everything `validated` holds; training will read all of it.
        partition: Key of the partition described.
    """
    df = rows.to_pandas(types_mapper=FOR_PANDAS)
    target = df[problem.target].astype("float64")
    label_rate = None if target.isna().all() else float(target.mean())
    labels = distribution_of(problem, target)
    measured = {name: _measured(problem, field, df) for name, field in problem.fields.items()}
    is_sufficient, sufficiency = _sufficiency(problem, target)
    return Profile(
        problem=problem.name,
        partition=partition,
        rows=admitted[partition].rows,
        rows_profiled=len(df),
        labelled=int(target.notna().sum()),
        label_rate=label_rate,
        target=labels,
        columns=tuple(_columns(problem, df, measured, target)),
        correlations=_correlations(measured),
        groups=tuple(_groups(problem, df, target)),
        noise=_noise(problem, df, target, quarantine_rate),
        cost=_cost(problem, admitted, rows),
        is_sufficient=is_sufficient,
        advice=(sufficiency, *_metric_advice(problem, label_rate), *advice(problem, labels)),
        rows_by_day=_rows_by_day(df[problem.event_time]),
        state=admitted[partition],
    )


def _first_rows(home: Home, table: str, partition: str) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    with home.lake.batches(table, partitions=[partition]) as reader:
        for batch in reader:
            batches.append(batch)
            if sum(each.num_rows for each in batches) >= MOST_ROWS:
                break
        schema = reader.schema
    return pa.Table.from_batches(batches, schema).drop_columns("partition").slice(0, MOST_ROWS)


def _measured(problem: Problem, field: Field, df: pd.DataFrame) -> pd.Series | None:
    """A column as numbers, where it has any."""
    column = df[field.name]
    if field.name in (problem.entity_id, problem.event_time, problem.target):
        return None
    match field.kind:
        case "number" | "integer":
            return column.astype("float64")
        case "time":
            return (column - df[problem.event_time]).dt.total_seconds() / 86_400
        case "text" if categories_of(problem, field.name) == "free":
            return column.str.len().astype("float64")
    return None


def _columns(
    problem: Problem,
    df: pd.DataFrame,
    measured: dict[str, pd.Series | None],
    target: pd.Series,
) -> Iterator[ColumnProfile]:
    for name, numbers in measured.items():
        is_value = name == problem.target and problem.config.kind == "regression"
        shown = target if is_value else numbers
        yield describe_column(problem, problem.fields[name], df[name], shown, target)


def _correlations(measured: dict[str, pd.Series | None]) -> tuple[Pair, ...]:
    numbers = {
        name: each
        for name, each in measured.items()
        if each is not None and each.min() < each.max()
    }
    pairs = []
    for first, second in combinations(numbers, 2):
        value = numbers[first].corr(numbers[second])
        if np.isfinite(value):
            pairs.append(Pair(first, second, float(value)))
    return tuple(sorted(pairs, key=lambda pair: (-abs(pair.correlation), pair.first)))


def _groups(problem: Problem, df: pd.DataFrame, target: pd.Series) -> Iterator[Group]:
    """The largest groups by each sensitive column; a gap is a group as well."""
    for name in problem.columns("sensitive"):
        if categories_of(problem, name) == "free":
            continue
        values = df[name].astype("str").fillna("not said")
        for value in values.value_counts().index[:TOP]:
            labels = target[values == value]
            rate = float(labels.mean()) if labels.notna().any() else None
            yield Group(name, str(value), len(labels), len(labels) / len(df), rate)


def _noise(
    problem: Problem, df: pd.DataFrame, target: pd.Series, quarantine_rate: float
) -> Noise:
    """Rows that say the same about the entity, and those of them that are labelled otherwise."""
    names = [
        n for n in problem.known_columns if n not in (problem.entity_id, problem.event_time)
    ]
    same = pd.util.hash_pandas_object(df[names], index=False)
    again = same.duplicated(keep=False).to_numpy()
    twins = target[again]
    labels = twins.groupby(same[again].to_numpy())
    differ = labels.transform("min") != labels.transform("max")
    return Noise(
        repeated_rows=int(again.sum()),
        contradicting_rows=int((differ & twins.notna()).sum()),
        quarantine_rate=quarantine_rate,
    )


def _cost(problem: Problem, admitted: dict[str, PartitionState], rows: pa.Table) -> Cost:
    total = sum(state.rows for state in admitted.values())
    bytes_per_row = rows.nbytes / max(len(rows), 1)
    return Cost(
        rows=total,
        table_bytes=sum(state.bytes for state in admitted.values()),
        fit_seconds=total * FIT_SECONDS_PER_ROW * len(problem.config.training.estimators),
        peak_mb=total * bytes_per_row * FIT_BYTES_PER_BYTE / 1e6,
    )


def _sufficiency(problem: Problem, target: pd.Series) -> tuple[bool, str]:
    training = problem.config.training
    labelled = int(target.notna().sum())
    if problem.config.kind == "regression":
        return labelled >= training.min_rows, (
            f"{labelled:,} labels; training needs {training.min_rows:,} over its whole window."
        )
    positives = int((target == 1).sum())
    fewest = min(positives, labelled - positives)
    enough = labelled >= training.min_rows and fewest >= training.min_rows_per_class
    return enough, (
        f"{labelled:,} labels, {positives:,} of them positive; over its whole window training "
        f"needs {training.min_rows:,}, and {training.min_rows_per_class:,} of each class."
    )


def _metric_advice(problem: Problem, label_rate: float | None) -> Iterator[str]:
    """Which metric suits the target's balance."""
    metric = problem.config.kpi.metric
    if label_rate is None or problem.config.kind == "regression":
        return
    constant = max(label_rate, 1 - label_rate)
    if 1 - constant < SKEWED_SHARE and metric == "accuracy":
        yield (
            f"The KPI is accuracy, and always giving the same answer reaches {constant:.0%}; take "
            "roc_auc or average_precision."
        )
    else:
        yield (
            f"Always giving the same answer has an accuracy of {constant:.0%} and a ROC AUC of "
            f"0.5; the KPI is {metric}."
        )


def _rows_by_day(times: pd.Series) -> tuple[tuple[dt.date, int], ...]:
    counts = times.dt.date.value_counts().sort_index()
    return tuple((day, int(rows)) for day, rows in counts.items())


def _lines(profile: Profile) -> Iterator[dict[str, Any]]:
    """The profile as lines of its table."""
    noise = f"{profile.noise.contradicting_rows:,} rows have a twin with another label."
    # Of this partition alone: what is kept may not change because another one was admitted.
    share = profile.rows / max(profile.cost.rows, 1)
    cost = (
        f"Its {profile.rows:,} rows add about {share * profile.cost.fit_seconds:,.1f} s and "
        f"{share * profile.cost.peak_mb:,.1f} MB to a training."
    )
    yield {
        "line": "partition",
        "name": profile.partition,
        "rows": profile.rows,
        "missing_share": 1 - profile.labelled / max(profile.rows_profiled, 1),
        "label_rate": profile.label_rate,
        "text": " ".join([*profile.advice, noise, cost]),
    }
    for each in profile.columns:
        yield {
            "line": "column",
            "name": each.column,
            "kind": each.kind,
            "role": each.role,
            "rows": profile.rows_profiled,
            "missing_share": each.missing_share,
            "distinct": each.distinct,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "mean": each.mean,
            "deviation": each.deviation,
            "association": each.association,
            "text": ", ".join(f"{value} ({rows:,})" for value, rows in each.top),
        }
    for group in profile.groups:
        yield {
            "line": "group",
            "name": f"{group.column} = {group.value}",
            "role": "sensitive",
            "rows": group.rows,
            "label_rate": group.label_rate,
        }


def profile_fingerprint(state: PartitionState) -> str:
    """Of everything that the profile of a validated partition is made from."""
    return fingerprint(
        rows=state.content_hash,
        code=_code_hash(),
        libraries=library_versions("numpy", "pandas", "pyarrow"),
    )


@cache
def _code_hash() -> str:
    return source_hash(describe)
