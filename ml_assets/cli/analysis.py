"""The analysis of a model on the terminal, section by section."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ml_assets.cli.printing import cell, print_json, print_table, say
from ml_assets.errors import ProblemError, VersionNotFound
from ml_assets.problem import problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.analysis import Analysis
    from ml_assets.evaluation.weaknesses import SliceScan
    from ml_assets.problem import Problem

SHOWN_SLICES = 15
"""The worst; --json has all."""

CHANCE = 0.5


def read_analysis(
    problem_name: str, home: Home, version: str | None, *, now: dt.datetime
) -> "Analysis":
    """Analyse a version; by default the champion, or the newest where nobody answers yet."""
    from ml_assets.analysis import analyse

    problem = problem_named(problem_name)
    return analyse(problem, home, version or present(problem, home), now=now)


def read_scan(
    problem_name: str, home: Home, version: str | None, by: Sequence[str]
) -> "SliceScan":
    """Slice a version by columns such as `state` and `state*product`."""
    from ml_assets.analysis import scan_version
    from ml_assets.evaluation.divisions import columns_of

    problem = problem_named(problem_name)
    ways = [columns_of(part) for text in by for part in text.split(",")]
    return scan_version(problem, home, version or present(problem, home), ways)


def present(problem: "Problem", home: Home) -> str:
    """The version that people mean who name none: the champion, or the newest one."""
    from ml_assets.registry import champion, versions

    answering = champion(problem, home)
    known = [answering] if answering else versions(problem, home)
    if not known:
        raise VersionNotFound(
            f"{problem.name} has no model yet. Train one first (`ml-assets run {problem.name}`)."
        )
    return known[-1].version


def print_analysis(found: "Analysis", sections: Sequence[str], *, as_json: bool) -> None:
    """Print an analysis, or some of its sections."""
    if unknown := [name for name in sections if name not in SECTIONS]:
        raise ProblemError(
            f"There is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}."
        )
    if as_json:
        print_json(found.to_json())
        return
    say(f"{found.problem} {found.number} ({found.version}, {found.estimator})")
    say(f"{found.rows:,} test rows; learned from {found.train_rows:,}. {found.objective}")
    for name in sections or SECTIONS:
        say()
        SECTIONS[name](found)


def print_scan(scan: "SliceScan", *, as_json: bool) -> None:
    """Print slices, worst first."""
    if as_json:
        print_json(scan)
        return
    rows = [
        (
            one.name,
            one.rows,
            one.metrics[scan.metric],
            _interval(one.low, one.high),
            one.gap,
            one.p_value,
            "worse" if one.is_worse else "",
        )
        for one in scan.slices[:SHOWN_SLICES]
    ]
    columns = ["slice", "rows", scan.metric, "interval", "gap", "p", ""]
    print_table(
        f"Slices by {scan.metric}, worst first", columns, rows, empty="none is large enough"
    )
    say(
        f"{len(scan.worse):,} of {len(scan.slices):,} slices are worse than the whole "
        f"({scan.metric} {cell(scan.overall)}) by more than chance. {scan.correction}. "
        f"{scan.too_small:,} have fewer than {scan.min_rows:,} rows and are not judged."
    )


def _metrics(found: "Analysis") -> None:
    rows = [
        (
            one.name,
            one.value,
            _interval(one.low, one.high),
            one.train,
            one.baseline,
            one.champion,
        )
        for one in found.metrics
    ]
    columns = ["metric", "test", "interval", "train", "baseline", "champion"]
    print_table(f"Metrics, {found.confidence:.0%} intervals", columns, rows)
    kpi = found.kpi
    verb = "keeps" if kpi.keeps_floor else "misses"
    say(f"The KPI {kpi.metric} {verb} its floor {kpi.floor:g} ({kpi.owner}): {kpi.formula}")


def _threshold(found: "Analysis") -> None:
    table = found.confusion
    if table is None:
        say("A regression decides nothing, so there is no threshold.")
        return
    rows = [
        ("label yes", table.true_positives, table.false_negatives),
        ("label no", table.false_positives, table.true_negatives),
    ]
    print_table(f"Decisions from {table.threshold:.4g} on", ["", "yes", "no"], rows)
    chosen = found.threshold_choice
    if chosen is None:
        say("No costs are declared (threshold in config.yaml), so it decides at a half.")
        return
    say(
        f"Chosen on {chosen.rows:,} validation rows: a false yes costs "
        f"{chosen.cost_false_positive:g}, a false no {chosen.cost_false_negative:g}; "
        f"{chosen.cost:.4g} a row there, against {chosen.cost_at_half:.4g} at a half."
    )


def _slices(found: "Analysis") -> None:
    print_scan(found.slices, as_json=False)


def _fairness(found: "Analysis") -> None:
    for one in found.fairness:
        rows = [
            (
                each.value,
                each.rows,
                each.positive_rate,
                each.mean_prediction,
                each.selection_rate,
                each.true_positive_rate,
                each.false_positive_rate,
                "" if each.is_judged else f"not judged: fewer than {one.min_rows:,} rows",
            )
            for each in one.groups
        ]
        columns = ["group", "rows", "label", "predicted", "decided yes", "of yes", "of no", ""]
        print_table(f"Groups of {one.attribute}", columns, rows)
        for each in one.differences:
            between = f" between {' and '.join(each.between)}" if each.between else ""
            said = "not judged" if each.value is None else f"{each.value:.3f}"
            say(f"{each.name}: {said} {_interval(each.low, each.high)}{between}")
    for broken in found.limits_broken:
        say(
            f"Beyond its limit: {broken.attribute} {broken.difference} {broken.value:.3f}, at most "
            f"{broken.limit:g}"
        )
    if not found.fairness:
        say("No protected attribute is among the columns, so there are no groups to compare.")
    _protection(found)


def _protection(found: "Analysis") -> None:
    gate = found.protection
    if gate is None:
        say("The gate before training was not asked about this problem yet.")
        return
    for search in gate.searches:
        say(search.sentence)
        rows = [
            (one.name, one.value, one.auc, _interval(one.low, one.high), one.is_feature)
            for one in (*search.features, *search.withheld)
            if one.low > CHANCE
        ]
        columns = ["predicted by", "value", "area", "interval", "a feature"]
        print_table(f"What tells {search.attribute}, beyond chance", columns, rows)


def _importance(found: "Analysis") -> None:
    importance = found.importance
    rows = [
        (one.feature, one.loss, _interval(one.low, one.high), one.spread)
        for one in importance.features
    ]
    columns = ["feature", "loss", "interval", "spread"]
    title = f"Loss of {importance.metric} when a feature is shuffled, {importance.rows:,} rows"
    print_table(title, columns, rows)
    if importance.contributions is None:
        say(f"No exact shares: {importance.why_not_exact}.")
        return
    exact = [
        (
            one.feature,
            one.mean_size,
            one.lowest,
            one.highest,
            "; ".join(f"{value} {share:+.2f}" for value, share in one.values[:3]),
        )
        for one in importance.contributions
    ]
    columns = ["feature", "mean size", "lowest", "highest", "frequent values"]
    print_table("Shares of the score, exactly", columns, exact)


def _learning(found: "Analysis") -> None:
    rows = [(one.rows, one.train, one.validation) for one in found.learning_curve]
    columns = ["rows", "train", "validation"]
    print_table(f"{found.kpi.metric} by rows learned from", columns, rows, empty="not drawn")


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{cell(low)}, {cell(high)}]"


SECTIONS: dict[str, Callable[["Analysis"], None]] = {
    "metrics": _metrics,
    "threshold": _threshold,
    "slices": _slices,
    "fairness": _fairness,
    "importance": _importance,
    "learning": _learning,
}
