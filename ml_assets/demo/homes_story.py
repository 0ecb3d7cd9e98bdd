"""Weeks of homes from four sources that disagree: what was planted in them, and what became of it.

As with the complaints, a fault counts as caught when the lake and the stores show it.
"""

from dataclasses import dataclass
from pathlib import Path

from ml_assets.cli.chain import Asked, Outcome, run_chain
from ml_assets.cli.sources import SourcesFacts, sources_facts
from ml_assets.demo.evidence import Evidence
from ml_assets.demo.homes_delivery import BOTH, Told, Week, deliver_week
from ml_assets.ingestion.shares import by_source, shares_of
from ml_assets.problem import Problem, problem_named
from ml_assets.storage import Home
from ml_assets.validation import admissions

PROBLEM = "homes"
FOLDER = "demo_homes"
FOUND = 0.9
"""Share of the repeated records that must be found."""

FIRST = (
    Week(number=1, rows=90),
    Week(number=2, rows=90, wrong_areas=2, unknown_units=2),
    Week(number=3, rows=90),
)
LATER = Week(number=4, rows=90, locations=(*BOTH, "Canada"), is_broken=True)


@dataclass(frozen=True, kw_only=True)
class HomesOutcome:
    """What the weeks of homes showed.

    Attributes:
        first: The run over three weeks.
        second: The run over the fourth, in which a feed is broken and a location is new.
        evidence: Of everything that was planted.
        sources: What became of each source's rows.
    """

    first: Outcome
    second: Outcome
    evidence: tuple[Evidence, ...]
    sources: SourcesFacts

    @property
    def all_held(self) -> bool:
        """Whether everything planted was caught, and nothing failed besides."""
        nothing_failed = not self.first.failures and not self.second.failures
        return nothing_failed and all(each.caught for each in self.evidence)


def homes_folder(home: Home) -> Path:
    """Where the files of the demo's homes are."""
    return home.path / FOLDER


def play_homes(home: Home, *, quiet: bool) -> HomesOutcome:
    """Deliver three weeks and make a model; deliver a fourth, and make it again."""
    problem, folder = problem_named(PROBLEM), homes_folder(home)
    told = {week.number: deliver_week(folder, week) for week in FIRST}
    first = run_chain(PROBLEM, home, Asked(source=folder), quiet=quiet)
    told[LATER.number] = deliver_week(folder, LATER)
    second = run_chain(PROBLEM, home, Asked(report=True), quiet=quiet)
    looks = (_duplicates, _wrong_areas, _unknown_units, _broken_feed, _new_location)
    return HomesOutcome(
        first=first,
        second=second,
        evidence=tuple(look(problem, home, told) for look in looks),
        sources=sources_facts(problem, home),
    )


def _duplicates(problem: Problem, home: Home, told: dict[int, Told]) -> Evidence:
    """Nearly every record that tells of a home again became part of its row, and no other did."""
    weeks = [told[week.number] for week in FIRST]
    repeated = sum(sum(each.records.values()) - sum(each.homes.values()) for each in weeks)
    raw = home.lake.partitions(f"{problem.name}/raw")
    keys = {week.partition(place) for week in FIRST for place in week.locations}
    found = shares_of(home.store, problem.name, raw)
    shares = by_source(each for key in keys for each in found.get(key, ()))
    merged = sum(each.merged for each in shares.values())
    unmapped = sum(each.unmapped for each in shares.values())
    return Evidence(
        "duplicates",
        f"{FIRST[0].start} and after",
        f"{repeated} records tell of a home that another source told of",
        FOUND * repeated <= merged + unmapped <= repeated + unmapped,
        f"matching: {merged} became part of another row, whose fields say which source won",
    )


def _wrong_areas(problem: Problem, home: Home, told: dict[int, Told]) -> Evidence:
    """Each is a finding that names both values and both sources."""
    week = FIRST[1]
    planted = set(told[week.number].wrong)
    rows = _read(problem, home, "findings", week.partition("USA")) + _read(
        problem, home, "findings", week.partition("Australia")
    )
    found = [
        row
        for row in rows
        if row["column"] == "area_m2" and planted & {row["left_id"], row["right_id"]}
    ]
    example = (
        f", such as {float(str(found[0]['left_value'])):.0f} ({found[0]['left_source']}) and "
        f"{float(str(found[0]['right_value'])):.0f} ({found[0]['right_source']})"
        if found
        else ""
    )
    return Evidence(
        "unit conflict",
        str(week.start),
        f"{len(planted)} areas are square feet that are called square metres, 17% apart",
        len(found) == len(planted),
        f"findings: {len(found)} areas said differently{example}",
    )


def _unknown_units(problem: Problem, home: Home, told: dict[int, Told]) -> Evidence:
    """Each is in quarantine, with the reason."""
    week = FIRST[1]
    planted = set(told[week.number].unknown)
    rows = [
        row
        for place in week.locations
        for row in _read(problem, home, "quarantined", week.partition(place))
        if row[problem.entity_id] in planted and "area_m2" in str(row["_fault"])
    ]
    return Evidence(
        "unknown unit",
        str(week.start),
        f"{len(planted)} areas are in chains",
        len(rows) == len(planted),
        f"mapping: {rows[0]['_fault']}; quarantined"
        if rows
        else "they should be in quarantine",
    )


def _broken_feed(problem: Problem, home: Home, told: dict[int, Told]) -> Evidence:  # noqa: ARG001
    """Its location's week is refused, the others are not."""
    verdicts = admissions(problem, home)
    broken = verdicts.get(LATER.partition("USA"))
    other = verdicts.get(LATER.partition("Australia"))
    caught = bool(broken and not broken.admitted and other and other.admitted)
    return Evidence(
        "broken feed",
        str(LATER.start),
        "half of the county's areas are in a unit that nobody knows",
        caught,
        f"gate: {broken.reasons[0].split(' (')[0]}; USA refused, Australia admitted"
        if broken and broken.reasons
        else "the gate should have refused the week of the USA",
    )


def _new_location(problem: Problem, home: Home, told: dict[int, Told]) -> Evidence:
    """Its homes are valid, without a change of code."""
    verdict = admissions(problem, home).get(LATER.partition("Canada"))
    homes = told[LATER.number].homes["Canada"]
    return Evidence(
        "new location",
        str(LATER.start),
        "homes in Canada, where there were none before",
        bool(verdict and verdict.admitted and verdict.rows_valid == homes),
        f"partition {LATER.partition('Canada')}: {homes} rows admitted, and learned from"
        if verdict
        else "they should have been admitted",
    )


def _read(problem: Problem, home: Home, noun: str, partition: str) -> list[dict[str, object]]:
    table = f"{problem.name}/{noun}"
    if partition not in home.lake.partitions(table):
        return []
    return home.lake.read(table, partitions=[partition]).to_pylist()
