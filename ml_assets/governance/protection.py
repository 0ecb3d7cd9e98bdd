"""The gate before training: no protected attribute among the features, and nothing that stands for one.

Three questions are asked of the rows that a model would learn from: is a protected column handed to
the feature function, or does a feature bear such a name; does any feature change when a protected
column is changed; how well do the features predict it all the same. The answers are kept, passed or
not, so that the evidence outlives the model. The protected columns themselves are read here and in
audits, and stored nowhere else.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd
import sqlalchemy as sa
from pydantic import TypeAdapter

from ml_assets.errors import ProtectedFeature
from ml_assets.features import TrainingSet, contract_frame, training_frame
from ml_assets.features.beside import columns_beside
from ml_assets.features.view import PARTITION
from ml_assets.governance.attributes import protected_columns, protected_names
from ml_assets.governance.inputs import inputs_of_features
from ml_assets.governance.proxies import ProxySearch, search_proxies
from ml_assets.problem import Problem
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

SHUFFLED_ROWS = 300
"""Rows in which columns are changed; enough to meet every branch of a feature function."""

protections = append_only(
    sa.Table(
        "protections",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("training_set", sa.String, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Index("protections_of_problem", "problem", "id"),
    )
)
"""Every time the gate was asked, whatever it said."""


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What the gate found.

    Attributes:
        training_set: Whose rows were looked at.
        protected: Protected columns of the contract, to why they are.
        withheld: Columns that no feature may read although the source has them, such as proxies.
        inputs: Feature to the columns that it was seen to depend on.
        rows: In which columns were changed.
        searches: One for each protected column.
        faults: Why no model may be fitted; empty where it may.
        warnings: What a person should know besides.
    """

    training_set: str
    protected: Mapping[str, str]
    withheld: tuple[str, ...]
    inputs: Mapping[str, tuple[str, ...]]
    rows: int
    searches: tuple[ProxySearch, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether a model may be fitted."""
        return not self.faults


def check_protection(problem: Problem, home: Home, training_set: TrainingSet) -> Protection:
    """Look for protected attributes among the features, and for what stands for them.

    Args:
        problem: Its `protected`, `proxies` and `fairness` say what is looked for.
        home: Where its rows are.
        training_set: Which rows; those of its test split are not read.
    """
    protected = protected_columns(problem)
    withheld = _withheld(problem, protected)
    rows = _some_rows(problem, home, training_set)
    inputs = inputs_of_features(problem, rows) if len(rows) else {}
    searches = _searches(problem, home, training_set, protected, withheld)
    flagged = tuple(one.sentence for one in searches if one.is_flagged)
    refuses = problem.config.fairness.proxies.action == "refuse"
    return Protection(
        training_set=training_set.id,
        protected=protected,
        withheld=withheld,
        inputs=inputs,
        rows=len(rows),
        searches=searches,
        faults=(*_direct(problem, protected, inputs), *(flagged if refuses else ())),
        warnings=() if refuses else flagged,
    )


def require_protection(
    problem: Problem, home: Home, training_set: TrainingSet, *, now: dt.datetime, run_id: str
) -> Protection:
    """Ask the gate, and keep its answer.

    Raises:
        ProtectedFeature: If a model may not be fitted; the message says why and what to do.
    """
    found = check_protection(problem, home, training_set)
    home.store.ensure(protections)
    row = {
        "problem": problem.name,
        "training_set": training_set.id,
        "at": now,
        "run_id": run_id,
        "passed": found.passed,
        "evidence": _adapter().dump_python(found, mode="json"),
    }
    with home.store.begin() as connection:
        connection.execute(sa.insert(protections).values(row))
    if not found.passed:
        raise ProtectedFeature(
            f"{problem.name}: no model is fitted, since it could tell people apart by what is "
            f"protected. {'; '.join(found.faults)}. Leave the feature out (list its column under "
            "proxies in config.yaml), or, where the name or the limit is wrong, correct "
            "fairness.not_protected or fairness.proxies."
        )
    return found


def newest_protection(problem: Problem, home: Home) -> Protection | None:
    """What the gate said last; None if it was never asked."""
    home.store.ensure(protections)
    query = (
        sa.select(protections.c.evidence)
        .where(protections.c.problem == problem.name)
        .order_by(protections.c.id.desc())
        .limit(1)
    )
    with home.store.connect() as connection:
        evidence = connection.execute(query).scalar()
    return None if evidence is None else _adapter().validate_python(evidence)


def _withheld(problem: Problem, protected: Mapping[str, str]) -> tuple[str, ...]:
    """Columns that are kept from features for what they say about people."""
    named = [*problem.config.proxies, *problem.columns("sensitive")]
    return tuple(name for name in dict.fromkeys(named) if name not in protected)


def _direct(
    problem: Problem, protected: Mapping[str, str], inputs: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Protected columns that a feature reads, features with such a name, and ways around."""
    faults = [
        f"{name} reaches the feature function, and {protected[name]}"
        for name in problem.known_columns
        if name in protected
    ]
    features = problem.config.training.encoders
    faults += [
        f"the model reads the feature {name}, and {why}"
        for name, why in protected_names(problem, features).items()
    ]
    faults += [
        f"the feature {feature} changes with {column}, and {protected[column]}"
        for feature, columns in inputs.items()
        for column in columns
        if column in protected and column not in problem.known_columns
    ]
    return tuple(faults)


def _some_rows(problem: Problem, home: Home, training_set: TrainingSet) -> pd.DataFrame:
    """Rows of the newest validated partition that the training set has, with every column."""
    table = f"{problem.name}/validated"
    live = home.lake.partitions(table)
    for name in sorted(training_set.snapshot, reverse=True):
        if name in live:
            batches = home.lake.batches(table, partitions=[name], rows=SHUFFLED_ROWS)
            first = next((batch for batch in batches if batch.num_rows), None)
            if first is not None:
                return contract_frame(problem, first)
    return pd.DataFrame()


def _searches(
    problem: Problem,
    home: Home,
    training_set: TrainingSet,
    protected: Mapping[str, str],
    withheld: tuple[str, ...],
) -> tuple[ProxySearch, ...]:
    """Search for each protected attribute among the features that the model reads."""
    asked = problem.config.fairness
    attributes = [name for name in protected if name != problem.target]
    if not attributes:
        return ()
    features = list(problem.config.training.encoders)
    share = asked.proxies.max_rows / max(training_set.rows.get("train", 0), 1)
    rows = training_frame(
        problem, home, training_set, splits=("train",), columns=features, share=min(share, 1.0)
    )
    keys = rows[[problem.entity_id, problem.event_time, PARTITION]]
    beside = columns_beside(problem, home, keys, [*attributes, *withheld])
    there, values = rows.loc[beside.found, features], beside.columns[beside.found]
    return tuple(
        search_proxies(
            name,
            values[name],
            there,
            limit=asked.proxies.limit,
            withheld=values[list(withheld)],
            min_rows=asked.min_rows,
            seed=problem.config.training.seed,
        )
        for name in attributes
    )


@cache
def _adapter() -> TypeAdapter[Protection]:
    return TypeAdapter(Protection)
