"""Why the gate decided about a partition as it did, with rows that it quarantined."""

import datetime as dt
from dataclasses import dataclass

from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.errors import ContractError
from ml_assets.problem import problem_named
from ml_assets.storage import Home
from ml_assets.validation import BrokenRule, Finding, admissions

SHOWN_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class VerdictFacts:
    """What the gate decided about one partition.

    Attributes:
        sentence: The decision, for a person.
        rows: Some quarantined rows: file, row, the rules that it broke.
    """

    problem: str
    partition: str
    admitted: bool
    sentence: str
    reasons: tuple[str, ...]
    rows_in: int
    rows_valid: int
    rows_quarantined: int
    rules: int
    broken: tuple[BrokenRule, ...]
    findings: tuple[Finding, ...]
    reference: tuple[str, ...]
    rows: tuple[tuple[str, int, str], ...]
    at: dt.datetime


def verdict_facts(problem_name: str, partition: str, home: Home) -> VerdictFacts:
    """Read the last verdict about a partition.

    Raises:
        ContractError: If it was never judged; the message says which were.
    """
    known = admissions(problem_named(problem_name), home)
    if partition not in known:
        some = ", ".join(list(known)[-5:]) or "none yet"
        raise ContractError(
            f"{problem_name} has no verdict about {partition}. The newest judged: {some}."
        )
    found = known[partition]
    return VerdictFacts(
        problem=problem_name,
        partition=partition,
        admitted=found.admitted,
        sentence=found.sentence,
        reasons=found.reasons,
        rows_in=found.rows_in,
        rows_valid=found.rows_valid,
        rows_quarantined=found.rows_quarantined,
        rules=found.rules,
        broken=found.broken,
        findings=found.findings,
        reference=found.reference,
        rows=_quarantined_rows(problem_name, partition, home),
        at=found.at,
    )


def print_verdict(found: VerdictFacts, *, as_json: bool) -> None:
    """Print a verdict, and where to read on."""
    if as_json:
        print_json(found)
        return
    say(found.sentence)
    say(
        f"{found.rows_in:,} rows in = {found.rows_valid:,} valid + {found.rows_quarantined:,} "
        f"quarantined; {found.rules} rules asked; compared with {len(found.reference)} partitions."
    )
    print_table("Rules broken", BrokenRule._fields, found.broken)
    findings = [
        (each.statistic, each.column, each.observed, each.reference, each.limit, each.action)
        for each in found.findings
    ]
    columns = ["statistic", "column", "observed", "reference", "limit", "action"]
    print_table("Statistics beyond their limits", columns, findings)
    print_table("Some quarantined rows", ["file", "row", "reasons"], found.rows)
    if found.rows_quarantined:
        where = f"{found.problem}.quarantined where partition = '{found.partition}'"
        say(f'All of them: ml-assets sql "select * from {where}"')


def _quarantined_rows(
    problem_name: str, partition: str, home: Home
) -> tuple[tuple[str, int, str], ...]:
    table = f"{problem_name}/quarantined"
    if partition not in home.lake.partitions(table):
        return ()
    with home.lake.connect() as connection:
        rows = connection.execute(
            f'select _file, _row, reasons from "{problem_name}".quarantined '
            f"where partition = ? order by _file, _row limit {SHOWN_ROWS}",
            [partition],
        ).fetchall()
    return tuple((str(file), int(row), str(reasons)) for file, row, reasons in rows)
