"""The sources of a problem: what each one brought, what became of it, and how another is added."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.errors import ProblemError, SourceError
from ml_assets.ingestion.feeds import feeds, strangers
from ml_assets.ingestion.mapping import Hits, apply, draft, rules_of
from ml_assets.ingestion.mapping import Mapping as SourceMapping
from ml_assets.ingestion.mapping.drafting import sample_of
from ml_assets.ingestion.places import seen
from ml_assets.ingestion.shares import Share, by_source, shares_of
from ml_assets.ingestion.sources import mapped_sources
from ml_assets.problem import Problem
from ml_assets.storage import Home

NO_HITS = Hits(0, 0, 0, 0, 0)
SHOWN_UNKNOWN = 5


class RuleFacts(NamedTuple):
    """One rule of a mapping, and what it did to the rows that are in `raw` now."""

    column: str
    says: str
    rows: int
    applied: int
    converted: int
    missing: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """One source: rows = canonical + merged + quarantined + waiting.

    Attributes:
        files: Names of its files, at the registered places.
        rows: That it has in `raw_<source>`, of partitions that were joined.
        canonical: That lead a row of `validated`.
        merged: That became part of another row.
        quarantined: That the mapping could not read, that broke the contract, or whose partition
            was refused.
        waiting: That the gate has not judged yet.
        unknown: Paths that the mapping does not know, and how many rows have something there.
    """

    name: str
    origin: str
    files: tuple[str, ...]
    rows: int
    canonical: int
    merged: int
    quarantined: int
    waiting: int
    rules: tuple[RuleFacts, ...]
    unknown: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class SourcesFacts:
    """All sources of a problem.

    Attributes:
        strangers: Files that no source knows, and why.
        findings: By column, about how many things records say something different.
    """

    problem: str
    sources: tuple[SourceFacts, ...]
    strangers: tuple[tuple[str, str], ...]
    findings: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """A mapping that was drafted.

    Attributes:
        path: Where it is.
        lacks: Columns that it must say before it can be used.
        rules: What it makes of the first rows of the file.
    """

    path: str
    lacks: tuple[str, ...]
    rules: tuple[RuleFacts, ...]
    unmapped_rows: int
    sampled_rows: int


def sources_facts(problem: Problem, home: Home) -> SourcesFacts:
    """Read what the sources of a problem brought, and what became of it."""
    raw = home.lake.partitions(f"{problem.name}/raw")
    shares = shares_of(home.store, problem.name, raw)
    totals = by_source(each for found in shares.values() for each in found)
    fates = _fates(problem, home, shares)
    return SourcesFacts(
        problem=problem.name,
        sources=tuple(_facts(problem, home, totals, fates)),
        strangers=tuple((each.file, each.reason) for each in strangers(problem, home)),
        findings=_findings(problem, home),
    )


def draft_source(problem: Problem, file: Path, name: str) -> Drafted:
    """Write a first mapping for the source that a file is of, into the problem's folder.

    Where nothing in it says when and where a row belongs, it is called `<name>.yaml.draft`, so that
    it is not used before somebody completed it.

    Raises:
        SourceError: If the file cannot be read, the name is none, or there is such a source.
    """
    target = problem.sources / f"{name}.yaml"
    if not name.isidentifier() or name != name.lower():
        raise SourceError(
            f"{name!r} is no name of a source: use lower-case letters, digits and _."
        )
    if target.exists():
        raise SourceError(
            f"{problem.name} has a source {name} already, {target}. Choose another name."
        )
    if not file.is_file():
        raise SourceError(f"There is no file {file}. Name a file of the source.")
    text = draft(file, problem)
    needed = [problem.event_time, *filter(None, [problem.location])]
    unfinished = target.with_name(f"{name}.yaml.draft")
    target.parent.mkdir(exist_ok=True)
    unfinished.write_text(text, encoding="utf-8")
    mapping = SourceMapping.from_file(unfinished).model_copy(update={"source": name})
    lacks = tuple(column for column in needed if column not in mapping.columns)
    if not lacks:
        unfinished.replace(target)
    return _drafted(problem, mapping, file, unfinished if lacks else target, lacks)


def print_sources(facts: SourcesFacts, *, as_json: bool, rules: bool) -> None:
    """Print what became of the rows of each source; with their rules, if asked."""
    if as_json:
        print_json(facts)
        return
    columns = ["source", "files", "rows in", "canonical", "merged", "quarantined", "waiting"]
    rows = [
        (s.name, len(s.files), s.rows, s.canonical, s.merged, s.quarantined, s.waiting)
        for s in facts.sources
    ]
    print_table(f"Sources of {facts.problem}", columns, rows, empty="it has one source alone")
    for each in facts.sources if rules else ():
        _print_rules(each.name, each.rules)
    for each in facts.sources:
        if each.unknown:
            named = list(each.unknown.items())[:SHOWN_UNKNOWN]
            say(f"{each.name} has paths that its mapping does not know: {_listed(named)}.")
    if facts.findings:
        say(f"Said differently of one thing: {_listed(facts.findings.items())}.")
    if facts.strangers:
        print_table("Files that no source knows", ["file", "why"], facts.strangers)
    say()
    say(f"  ml-assets sources {facts.problem} --rules       what each rule of a mapping did")
    say(f"  ml-assets sources {facts.problem} add FILE --name NAME")


def print_drafted(problem: str, file: Path, done: Drafted, *, as_json: bool) -> None:
    """Say what was drafted, and what a person has to do."""
    if as_json:
        print_json(done)
        return
    _print_rules(f"First {done.sampled_rows:,} rows", done.rules)
    say(
        f"Drafted {done.path}: {done.unmapped_rows:,} of {done.sampled_rows:,} rows cannot be read."
    )
    say("Every line is a guess. Read it, correct it, and say origin and terms.")
    if done.lacks:
        say(
            f"It does not say {' and '.join(done.lacks)} yet, so it is not used. Add them (a constant "
            f"will do), and rename it to {Path(done.path).stem}."
        )
    say()
    say(f"  ml-assets run {problem} --source {shlex.quote(str(file))}")


def _facts(
    problem: Problem,
    home: Home,
    totals: Mapping[str, Share],
    fates: Mapping[str, Counter[str]],
) -> Iterator[SourceFacts]:
    files = {
        feed.table: tuple(file.path.name for file in seen(feed, home).files)
        for feed in feeds(problem)
    }
    for name, source in mapped_sources(problem).items():
        share, fate = totals.get(name), fates.get(name, Counter())
        rows, merged = (share.rows, share.merged) if share else (0, 0)
        yield SourceFacts(
            name=name,
            origin=source.mapping.origin,
            files=files[f"{problem.name}/{source.noun}"],
            rows=rows,
            canonical=fate["validated"],
            merged=merged,
            quarantined=fate["quarantined"],
            waiting=rows - merged - fate["validated"] - fate["quarantined"],
            rules=_rules(source.mapping, share.hits if share else {}),
            unknown=share.unknown if share else {},
        )


def _fates(
    problem: Problem, home: Home, shares: Mapping[str, tuple[Share, ...]]
) -> dict[str, Counter[str]]:
    """By source, how many of its rows of raw are in which half of what the gate judged."""
    from ml_assets.validation import admissions

    raw = home.lake.partitions(f"{problem.name}/raw")
    counts = {half: _counts(problem, home, half) for half in ("validated", "quarantined")}
    fates: dict[str, Counter[str]] = {}
    for partition, verdict in admissions(problem, home).items():
        if partition not in raw or verdict.raw_hash != raw[partition].content_hash:
            continue
        for share in shares.get(partition, ()):
            fate = fates.setdefault(share.source, Counter())
            fate["quarantined"] += counts["quarantined"].get((partition, share.source), 0)
            if verdict.admitted:
                fate["validated"] += counts["validated"].get((partition, share.source), 0)
    return fates


def _counts(problem: Problem, home: Home, noun: str) -> dict[tuple[str, str], int]:
    """Rows of a table, by partition and source."""
    duplicates, table = problem.config.duplicates, f"{problem.name}/{noun}"
    if duplicates is None or home.lake.version(table) is None:
        return {}
    rows = home.lake.read(table, columns=["partition", duplicates.source])
    pairs = zip(*(rows.column(i).to_pylist() for i in range(2)), strict=True)
    return dict(Counter(pairs))


def _findings(problem: Problem, home: Home) -> dict[str, int]:
    table = f"{problem.name}/findings"
    if home.lake.version(table) is None:
        return {}
    return dict(Counter(home.lake.read(table, columns=["column"]).column(0).to_pylist()))


def _rules(mapping: SourceMapping, hits: Mapping[str, Hits]) -> tuple[RuleFacts, ...]:
    return tuple(
        RuleFacts(rule.column, rule.says, *hits.get(rule.id, NO_HITS))
        for rule in rules_of(mapping)
    )


def _drafted(
    problem: Problem, mapping: SourceMapping, file: Path, path: Path, lacks: tuple[str, ...]
) -> Drafted:
    """Try a draft on the first rows of its file."""
    batch = sample_of(file).batch
    rates = next((each.rates for each in mapped_sources(problem).values()), None)
    try:
        done = apply(mapping, batch, rates=rates)
    except ProblemError as error:
        raise SourceError(f"{path} was drafted and cannot be tried: {error}") from error
    return Drafted(
        path=str(path),
        lacks=lacks,
        rules=_rules(mapping, done.hits),
        unmapped_rows=len(batch) - done.faults.null_count,
        sampled_rows=len(batch),
    )


def _print_rules(title: str, rules: tuple[RuleFacts, ...]) -> None:
    print_table(title, list(RuleFacts._fields), rules, empty="no rules")


def _listed(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in pairs)
