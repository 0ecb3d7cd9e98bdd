"""What somebody with half a minute should know about a version: the first lines of its report."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ml_assets.analysis import Analysis
from ml_assets.evaluation.comparison import plain
from ml_assets.reporting.card import Card
from ml_assets.reporting.report import Report

NAMED = 3

Tone = Literal["good", "bad", "warn", "plain"]


class Remark(NamedTuple):
    """One line."""

    tone: Tone
    text: str


def remarks(report: Report) -> tuple[Remark, ...]:
    """The lines, most important first; each says only what was measured or recorded."""
    analysis = report.analysis
    return (
        *_kpi(analysis),
        *_baseline(analysis),
        *_coverage(report),
        *_decided(report),
        *_decisions(analysis),
        *_fairness(analysis),
        *_slices(analysis),
        *_gap(analysis),
        *_data(report.card),
    )


def _kpi(analysis: Analysis) -> Iterator[Remark]:
    kpi = analysis.kpi
    if kpi.value is None:
        yield Remark("bad", f"The KPI {kpi.metric} is undefined on the test rows.")
        return
    verb = "keeps" if kpi.keeps_floor else "misses"
    tone: Tone = "good" if kpi.keeps_floor else "bad"
    yield Remark(tone, f"{kpi.metric} {plain(kpi.value)} {verb} the floor {plain(kpi.floor)}.")


def _baseline(analysis: Analysis) -> Iterator[Remark]:
    first = analysis.metrics[0]
    low, high, trivial = first.low, first.high, first.baseline
    if low is None or high is None or trivial is None:
        yield Remark("plain", "How far it is from the trivial baseline was not measured.")
        return
    is_above = low > trivial if first.higher_is_better else high < trivial
    where = "is better than" if is_above else "is not clear of"
    yield Remark(
        "good" if is_above else "warn",
        f"Its whole interval {where} the {plain(trivial)} of the trivial baseline.",
    )


def _coverage(report: Report) -> Iterator[Remark]:
    """Whether the intervals around answers hold what they promise."""
    promised = report.card.design.interval_coverage
    found = next((one for one in report.analysis.metrics if one.name == "coverage"), None)
    if promised is None or found is None or found.value is None:
        return
    is_short = found.high is not None and found.high < promised
    verb = "hold only" if is_short else "hold"
    yield Remark(
        "warn" if is_short else "good",
        f"Intervals {verb} {found.value:.1%} of the labels; {promised:.1%} are promised.",
    )


def _decided(report: Report) -> Iterator[Remark]:
    last = report.judged
    if last is None:
        yield Remark("plain", "Its release was not considered yet.")
        return
    tone: Tone = "good" if last.outcome in ("promoted", "already champion") else "warn"
    missing = [one.check for one in report.findings if one.needed and not one.passed]
    why = f" for want of: {', '.join(dict.fromkeys(missing))}" if missing else ""
    yield Remark(tone, f"Release: {last.outcome} on {last.at:%Y-%m-%d} by {last.who}{why}.")


def _decisions(analysis: Analysis) -> Iterator[Remark]:
    table = analysis.confusion
    if table is None:
        return
    yes = table.true_positives + table.false_positives
    positive = table.true_positives + table.false_negatives
    yield Remark(
        "plain",
        f"From {plain(table.threshold)} on it says yes: to {yes:,} of {analysis.rows:,} rows, "
        f"rightly to {table.true_positives:,}; it misses {table.false_negatives:,} of "
        f"{positive:,}.",
    )


def _fairness(analysis: Analysis) -> Iterator[Remark]:
    for one in analysis.limits_broken:
        yield Remark(
            "bad",
            f"Groups of {one.attribute} differ in {one.difference.replace('_', ' ')} by "
            f"{plain(one.value)}; at most {plain(one.limit)} is allowed.",
        )
    open_groups = {
        one.attribute: len(one.not_judged) for one in analysis.fairness if one.not_judged
    }
    for attribute, groups in open_groups.items():
        what = "1 group has" if groups == 1 else f"{groups} groups have"
        yield Remark("plain", f"{attribute}: {what} too few rows to be judged.")


def _slices(analysis: Analysis) -> Iterator[Remark]:
    scan = analysis.slices
    if not scan.slices:
        yield Remark("plain", f"No slice has the {scan.min_rows:,} rows that are needed.")
        return
    worse = [one.name for one in scan.worse]
    of = f"of {len(scan.slices):,} slices"
    if not worse:
        yield Remark("good", f"None {of} is worse than the whole by more than chance.")
        return
    named = "; ".join(worse[:NAMED]) + ("; …" if len(worse) > NAMED else "")
    are = "is" if len(worse) == 1 else "are"
    yield Remark("warn", f"{len(worse):,} {of} {are} worse than the whole: {named}.")


def _gap(analysis: Analysis) -> Iterator[Remark]:
    first = analysis.metrics[0]
    if first.train is not None and first.value is not None:
        yield Remark(
            "plain",
            f"On rows that it learned from, {first.name} is {plain(first.train)}; on rows that it "
            f"never saw, {plain(first.value)}.",
        )


def _data(card: Card) -> Iterator[Remark]:
    if left_out := len(card.lineage.excluded):
        of = len(card.lineage.partitions) + left_out
        yield Remark("plain", f"{left_out:,} of {of:,} partitions were kept from it.")
