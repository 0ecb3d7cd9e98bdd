"""Was a fault caught? Read from the lake and the stores, not from what the demo meant to do."""

from collections.abc import Callable
from typing import NamedTuple

from ml_assets.demo import delivery, faults
from ml_assets.demo.faults import Planted
from ml_assets.ingestion.pending import refused_files
from ml_assets.problem import Problem
from ml_assets.storage import Home
from ml_assets.validation import Admission, admissions


class Evidence(NamedTuple):
    """What the stores show of one planted fault."""

    fault: str
    month: str
    what: str
    caught: bool
    by: str
    """Which rule or statistic, with its numbers; or what should have been there."""


def evidence(problem: Problem, home: Home, planted: tuple[Planted, ...]) -> list[Evidence]:
    """Look for what caught each fault."""
    return [
        Evidence(each.fault, each.month, each.what, *LOOK[each](problem, home, each))
        for each in planted
    ]


Found = tuple[bool, str]


def _cut(problem: Problem, home: Home, planted: Planted) -> Found:
    """The file is refused, and none of its rows is anywhere."""
    refused = [each for each in refused_files(problem, home) if planted.month in each.file]
    if not refused:
        return False, "the file should have been refused"
    return True, f"reading: {refused[0].reason}"


def _refused_by(statistic: str) -> Callable[[Problem, Home, Planted], Found]:
    """The gate refused the month for this statistic, and `validated` does not hold it."""

    def look(problem: Problem, home: Home, planted: Planted) -> Found:
        verdict = admissions(problem, home).get(planted.month)
        found = (
            [each for each in verdict.findings if each.statistic == statistic]
            if verdict
            else []
        )
        if not verdict or not found or not _is_kept_out(problem, home, verdict):
            return False, f"the gate should have refused the month for its {statistic}"
        first = found[0]
        return True, (
            f"gate, {statistic} of {first.column}: {first.observed:.0%}, reference "
            f"{first.reference:.0%}, limit {first.limit:g}; month refused"
        )

    return look


def _copied(problem: Problem, home: Home, planted: Planted) -> Found:
    """Every copy is quarantined for its id, none is valid, and the month is admitted."""
    ids = sorted(delivery.drawn(planted.month).head(faults.COPIES)[problem.entity_id])
    quarantined = _rows(problem, home, "quarantined", planted.month, ids)
    valid = _rows(problem, home, "validated", planted.month, ids)
    rule = f"{problem.entity_id}:"
    named = [reasons for reasons in quarantined if rule in reasons]
    if valid or len(named) != 2 * faults.COPIES:
        return False, f"{2 * faults.COPIES} copies should be in quarantine, {len(named)} are"
    return True, f"contract, {named[0]}: {len(named)} rows quarantined, the month admitted"


def _retyped(problem: Problem, home: Home, planted: Planted) -> Found:
    """The month is refused because of this column, and all of its rows are in quarantine."""
    verdict = admissions(problem, home).get(planted.month)
    broken = (
        [each for each in verdict.broken if "timely_response" in each.rule] if verdict else []
    )
    if not verdict or not broken or not _is_kept_out(problem, home, verdict):
        return False, "the gate should have refused the month for its timely_response"
    rule = broken[0]
    return True, (
        f"contract, {rule.rule}: {rule.rows:,} of {verdict.rows_in:,} rows, such as "
        f"{rule.examples[0]}; month refused"
    )


def _revised(problem: Problem, home: Home, planted: Planted) -> Found:
    """Raw has as many rows as before, and every corrected label; validated has them as well."""
    drawn = delivery.drawn(planted.month)
    corrected = faults.revised(drawn).set_index(problem.entity_id)[problem.target]
    now = _labels(problem, home, planted.month)
    right = sum(now.get(str(name)) == (label == "Yes") for name, label in corrected.items())
    if len(now) != len(drawn) or right != len(corrected):
        return False, f"{len(drawn)} rows with {len(corrected)} corrections should be valid"
    versions = home.lake.history(f"{problem.name}/raw")
    replaced = sum(planted.month in commit.partitions for commit in versions)
    return True, (
        f"newest version per id: {right} rows replaced, {len(now):,} rows as before; raw keeps "
        f"{replaced} versions of the month"
    )


def _repaired(problem: Problem, home: Home, planted: Planted) -> Found:
    """The month is valid, with every row of the whole file."""
    verdict = admissions(problem, home).get(planted.month)
    rows = len(delivery.drawn(planted.month))
    if not verdict or not verdict.admitted or verdict.rows_in != rows:
        return False, f"the month should be admitted with {rows:,} rows"
    return True, f"{verdict.rows_valid:,} rows admitted, and learned from in the retraining"


def _is_kept_out(problem: Problem, home: Home, verdict: Admission) -> bool:
    """Refused, not in `validated`, and every row is in quarantine."""
    partition, lake = verdict.partition, home.lake
    held = lake.partitions(f"{problem.name}/quarantined").get(partition)
    return (
        not verdict.admitted
        and partition not in lake.partitions(f"{problem.name}/validated")
        and held is not None
        and held.rows == verdict.rows_in
    )


def _rows(problem: Problem, home: Home, noun: str, month: str, ids: list[str]) -> list[str]:
    """Reasons (empty where there are none) of the rows with these ids."""
    if month not in home.lake.partitions(f"{problem.name}/{noun}"):
        return []
    reasons = "reasons" if noun == "quarantined" else "''"
    with home.lake.connect() as connection:
        rows = connection.execute(
            f'select {reasons} from "{problem.name}"."{noun}" '
            f'where partition = ? and list_contains(?, "{problem.entity_id}")',
            [month, ids],
        ).fetchall()
    return [str(row[0]) for row in rows]


def _labels(problem: Problem, home: Home, month: str) -> dict[str, bool | None]:
    """Label of every valid row of a month, by id."""
    if month not in home.lake.partitions(f"{problem.name}/validated"):
        return {}
    columns = [problem.entity_id, problem.target]
    rows = home.lake.read(f"{problem.name}/validated", partitions=[month], columns=columns)
    return {row[problem.entity_id]: row[problem.target] for row in rows.to_pylist()}


LOOK: dict[Planted, Callable[[Problem, Home, Planted], Found]] = {
    faults.CUT: _cut,
    faults.SHIFTED: _refused_by("class_balance"),
    faults.UNKNOWN: _refused_by("new_categories"),
    faults.COPIED: _copied,
    faults.RETYPED: _retyped,
    faults.REVISED: _revised,
    faults.REPAIRED: _repaired,
}
