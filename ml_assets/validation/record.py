"""What was decided about each partition, when, and on what grounds: an append-only table.

The last line of a partition answers for it. The statistics of admitted partitions are kept here
too, since they are the reference for the ones that follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ml_assets.problem import Key, Problem
from ml_assets.storage import (
    Home,
    PartitionState,
    Store,
    UTCDateTime,
    append_only,
    metadata,
)
from ml_assets.validation.statistics import Finding
from ml_assets.validation.summary import Statistics, added, as_record, from_record
from ml_assets.validation.verdict import BrokenRule

VERDICTS = append_only(
    sa.Table(
        "verdicts",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("partition", sa.String(240), nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("admitted", sa.Boolean, nullable=False),
        sa.Column("raw_hash", sa.String(64), nullable=False),
        sa.Column("valid_hash", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("rules", sa.Integer, nullable=False),
        sa.Column("rows_in", sa.BigInteger, nullable=False),
        sa.Column("rows_valid", sa.BigInteger, nullable=False),
        sa.Column("rows_quarantined", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("broken", sa.JSON, nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("reference", sa.JSON, nullable=False),
        sa.Column("statistics", sa.JSON, nullable=False),
        sa.Index("verdicts_of_a_partition", "problem", "partition", "id"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What the gate decided about one partition.

    Attributes:
        partition: Its key.
        admitted: Whether its valid rows are in `validated`.
        reasons: Why it was refused, each with its remedy; empty when it was admitted.
        rows_in: Rows in `raw`; always `rows_valid` + `rows_quarantined`.
        rows_valid: Rows written to `validated`; 0 when it was refused.
        rows_quarantined: Rows in `quarantined`; all of them when it was refused.
        rules: How many rules of the contract were asked.
        broken: Rules that rows broke, most broken first.
        findings: Statistics beyond their limits, largest first.
        reference: Keys of the partitions whose statistics were the reference.
        raw_hash: Content of the raw partition that was judged.
        fingerprint: Of all that the decision was made from, the reference apart.
        run_id: Who asked.
        at: When.
        state: The partition in `validated`; that of an earlier admission when it was refused.
        unchanged: Whether this was decided before, from the same things.
        statistics: Of the valid rows; None in a list of admissions.
    """

    partition: str
    admitted: bool
    reasons: tuple[str, ...]
    rows_in: int
    rows_valid: int
    rows_quarantined: int
    rules: int
    broken: tuple[BrokenRule, ...]
    findings: tuple[Finding, ...]
    reference: tuple[str, ...]
    raw_hash: str
    fingerprint: str
    run_id: str
    at: datetime
    state: PartitionState | None
    unchanged: bool = False
    statistics: Statistics | None = None

    @property
    def quarantine_rate(self) -> float:
        """Share of rows in `quarantined`, in [0, 1]; 0 for an empty partition."""
        return self.rows_quarantined / self.rows_in if self.rows_in else 0.0

    @property
    def sentence(self) -> str:
        """The decision, for a person."""
        if not self.admitted:
            return f"{self.partition} refused: {' '.join(self.reasons)}"
        again = " (unchanged)" if self.unchanged else ""
        return (
            f"{self.partition} admitted{again}: {self.rows_valid:,} rows valid, "
            f"{self.rows_quarantined:,} quarantined."
        )


def admissions(problem: Problem, home: Home) -> dict[str, Admission]:
    """The last decision about every partition, by key."""
    home.store.ensure(VERDICTS)
    light = [column for column in VERDICTS.columns if column.name != "statistics"]
    newest = _newest(problem, admitted_only=False)
    query = sa.select(*light).where(VERDICTS.c.id.in_(newest)).order_by(VERDICTS.c.partition)
    live = home.lake.partitions(f"{problem.name}/validated")
    with home.store.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return {row["partition"]: _admission(row, live.get(row["partition"])) for row in rows}


def last_admission(
    problem: Problem, store: Store, partition: str, state: PartitionState | None
) -> Admission | None:
    """The last decision about one partition, with its statistics."""
    query = (
        sa.select(VERDICTS)
        .where(VERDICTS.c.problem == problem.name, VERDICTS.c.partition == partition)
        .order_by(VERDICTS.c.id.desc())
        .limit(1)
    )
    with store.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _admission(row, state)


def reference_of(
    problem: Problem, store: Store, partition: str, live: Mapping[str, PartitionState]
) -> tuple[tuple[str, ...], Statistics | None]:
    """Keys and joint statistics of the partitions admitted before `partition`.

    Args:
        problem: Its `gate` says how many partitions count.
        store: Where verdicts are recorded.
        partition: Only earlier ones of the same location make its reference, so that a month is
            never held against the future.
        live: What `validated` holds; a verdict whose rows were replaced since does not count.
    """
    columns = (VERDICTS.c.id, VERDICTS.c.partition, VERDICTS.c.valid_hash)
    location = Key.of(partition).location
    query = sa.select(*columns).where(
        VERDICTS.c.id.in_(_newest(problem, admitted_only=True)),
        VERDICTS.c.partition < partition,
        VERDICTS.c.partition.startswith(Key("", location).text, autoescape=True),
    )
    with store.connect() as connection:
        rows = connection.execute(query.order_by(VERDICTS.c.partition)).all()
        kept = [
            row
            for row in rows
            if row.partition in live and live[row.partition].content_hash == row.valid_hash
        ][-problem.config.gate.reference_partitions :]
        wanted = sa.select(VERDICTS.c.statistics).where(
            VERDICTS.c.id.in_([row.id for row in kept])
        )
        records = connection.execute(wanted).scalars().all()
    parts = [from_record(record) for record in records]
    return tuple(row.partition for row in kept), added(parts) if parts else None


def record(problem: Problem, store: Store, admission: Admission) -> None:
    """Write a decision down."""
    state, statistics = admission.state, admission.statistics
    values = {
        name: getattr(admission, name)
        for name in VERDICTS.columns.keys()  # noqa: SIM118 - a column collection is no mapping
        if name not in ("id", "problem", "valid_hash", "statistics")
    }
    values |= {
        "problem": problem.name,
        "valid_hash": state.content_hash if state and admission.admitted else "",
        "statistics": as_record(statistics or added([])),
        **{name: list(values[name]) for name in ("reasons", "reference")},
        **{name: [list(each) for each in values[name]] for name in ("broken", "findings")},
    }
    with store.begin() as connection:
        connection.execute(sa.insert(VERDICTS).values(values))


def _newest(problem: Problem, *, admitted_only: bool) -> sa.Select[tuple[int]]:
    """Ids of the last verdict of every partition."""
    query = sa.select(sa.func.max(VERDICTS.c.id)).where(VERDICTS.c.problem == problem.name)
    if admitted_only:
        query = query.where(VERDICTS.c.admitted)
    return query.group_by(VERDICTS.c.partition)


def _admission(row: sa.RowMapping, state: PartitionState | None) -> Admission:
    names = (
        "partition admitted rows_in rows_valid rows_quarantined rules raw_hash fingerprint "
        "run_id at"
    )
    statistics = row.get("statistics")
    return Admission(
        **{name: row[name] for name in names.split()},
        reasons=tuple(row["reasons"]),
        broken=tuple(
            BrokenRule(rule, rows, tuple(examples)) for rule, rows, examples in row["broken"]
        ),
        findings=tuple(Finding(*each) for each in row["findings"]),
        reference=tuple(row["reference"]),
        state=state,
        statistics=None if statistics is None else from_record(statistics),
    )
