"""Is a partition like the ones admitted before it?

Each statistic compares a partition's summary with its reference's and reports a `Finding` when
the difference is beyond its limit in `config.yaml` *and* beyond what chance gives in so few rows.
A finding refuses or warns, as the limit says. Contracts judge rows; this judges partitions.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from ml_assets.problem import Problem
from ml_assets.problem.config import Gate, StatisticLimit
from ml_assets.validation.chance import categories_by_chance, psi_by_chance, share_surprise
from ml_assets.validation.summary import Statistics, Summary, bucket_of, categories_of

Action = Literal["refuse", "warn"]

BINS = 10
"""Quantile bins of a reference's numbers."""
MIN_EXPECTED = 5
"""Expected rows of a category; rarer ones share a bin, or the index is not chi-squared."""
FEW_LABELS = 30
"""With fewer, only a balance that chance all but excludes (gate.significance) is an alert."""
REMEDIES = ("class_weight", "undersample")
"""What `training.imbalance` may be for an unusual class balance to be let in."""
SHOWN = 3


class Finding(NamedTuple):
    """A statistic beyond its limit."""

    statistic: str
    column: str
    observed: float
    reference: float
    difference: float
    """What is held against the limit, in the same unit."""
    limit: float
    action: Action
    text: str

    @property
    def size(self) -> float:
        """How many times its limit the difference is; findings are ranked by it."""
        return self.difference / self.limit if self.limit else float("inf")


def findings(
    problem: Problem, current: Statistics, reference: Statistics | None, *, now: dt.datetime
) -> tuple[Finding, ...]:
    """Hold a partition's statistics against its reference.

    Args:
        problem: Whose `gate` has the limits.
        current: Statistics of the partition's valid rows.
        reference: Of the partitions admitted before it; with none, or with fewer rows than
            `gate.min_reference_rows`, only the age of the events is judged.
        now: When the partition arrives.

    Returns:
        Every statistic beyond its limit, the largest first.
    """
    gate = problem.config.gate
    found = list(_freshness(problem, current, now))
    if reference is not None and reference.rows >= gate.min_reference_rows:
        for each in current.columns:
            known = reference.of(each.column)
            if known is not None and known.kind == each.kind:
                found += _of_column(problem, each, known)
    return tuple(sorted(found, key=lambda finding: (-finding.size, finding.column)))


def psi(observed: np.ndarray, expected: np.ndarray) -> float:
    """Population stability index of two rows of counts over the same bins, in nats.

    Sums (q - p) ln(q / p), where p and q are the shares of a bin in the reference and in the
    current rows. Half a row is added to every bin, so that an empty one stays finite.

    Source:
        Siddiqi (2006), Credit Risk Scorecards.

    Example:
        >>> round(psi(np.array([70, 30]), np.array([50, 50])), 3)
        0.166
    """
    q, p = ((counts + 0.5) / (counts + 0.5).sum() for counts in (observed, expected))
    return float(np.sum((q - p) * np.log(q / p)))


def _of_column(problem: Problem, current: Summary, reference: Summary) -> Iterator[Finding]:
    yield from _missing_rate(problem.config.gate, current, reference)
    if not current.present or not reference.present:
        return
    if current.column == problem.target and current.kind == "category":
        yield from _class_balance(problem, current, reference)
        return
    yield from _distribution(problem.config.gate, current, reference)
    if current.kind == "number":
        yield from _out_of_range(problem.config.gate, current, reference)
    else:
        yield from _new_categories(problem, current, reference)
        yield from _category_count(problem.config.gate, current, reference)


def _significance(gate: Gate, limit: StatisticLimit) -> float:
    return gate.significance if limit.significance is None else limit.significance


def _by_chance(
    gate: Gate, limit: StatisticLimit, current: tuple[int, int], reference: tuple[int, int]
) -> bool:
    """Whether chance alone often moves a share (hits, of rows) this far from its reference."""
    return share_surprise(*current, *reference) > _significance(gate, limit)


def _class_balance(problem: Problem, current: Summary, reference: Summary) -> Iterator[Finding]:
    gate = problem.config.gate
    if reference.present < gate.min_reference_rows:
        return
    limit = gate.class_balance
    hits, known = current.counts.get("true", 0), reference.counts.get("true", 0)
    share, usual = hits / current.present, known / reference.present
    odds = share_surprise(hits, current.present, known, reference.present)
    allowed = _significance(gate, limit)
    if current.present < FEW_LABELS:
        allowed = min(allowed, gate.significance)
    if abs(share - usual) <= limit.limit or odds > allowed:
        return
    action, advice = _balance_action(problem)
    yield Finding(
        statistic="class_balance",
        column=current.column,
        observed=share,
        reference=usual,
        difference=abs(share - usual),
        limit=limit.limit,
        action=action,
        text=f"{current.column}: {share:.0%} of {current.present:,} labels are positive, "
        f"{usual:.0%} of {reference.present:,} in the reference (difference "
        f"{abs(share - usual):.2f}, at most {limit.limit:.2f} allowed). {advice}",
    )


def _balance_action(problem: Problem) -> tuple[Action, str]:
    """Whether an unusual balance keeps the gate shut, and what to do about it."""
    gate, remedy = problem.config.gate, problem.config.training.imbalance
    if gate.class_balance.action == "warn":
        return "warn", "gate.class_balance.action is warn."
    if not gate.accept_imbalance:
        return "refuse", (
            "Correct the source, or accept it in config.yaml: `accept_imbalance: true` under "
            "gate, together with one remedy under training: `imbalance: class_weight` weighs "
            "the loss, `imbalance: undersample` evens out the sampling."
        )
    if remedy not in REMEDIES:
        return "refuse", (
            f"gate.accept_imbalance is true, but training.imbalance is {remedy}, so a model "
            "would learn the imbalance. Write one remedy under training in config.yaml: "
            "`imbalance: class_weight` weighs the loss, `imbalance: undersample` evens out the "
            "sampling."
        )
    return "warn", f"Accepted (gate.accept_imbalance); training remedies it by {remedy}."


def _new_categories(
    problem: Problem, current: Summary, reference: Summary
) -> Iterator[Finding]:
    gate, announced = problem.config.gate, categories_of(problem, current.column)
    known = set(reference.counts) | (set(announced) if isinstance(announced, tuple) else set())
    new = {name: rows for name, rows in current.counts.items() if name not in known}
    rows = sum(new.values())
    share, usual = rows / current.present, unseen_share(reference)
    limit = gate.new_categories
    expected = (round(usual * reference.present), reference.present)
    if share <= max(limit.limit, usual) or _by_chance(
        gate, limit, (rows, current.present), expected
    ):
        return
    most = sorted(new, key=lambda name: (-new[name], name))[:SHOWN]
    yield Finding(
        statistic="new_categories",
        column=current.column,
        observed=share,
        reference=usual,
        difference=share,
        limit=limit.limit,
        action="warn" if announced == "open" else limit.action,
        text=f"{current.column}: {share:.0%} of the rows have one of {len(new):,} categories that "
        f"the reference never had, such as {', '.join(map(repr, most))} (at most "
        f"{limit.limit:.0%} allowed). Correct the source, or announce them in the contract.",
    )


def unseen_share(reference: Summary) -> float:
    """Share of rows expected to be of a category that the reference does not list.

    The share of categories seen once estimates what was never seen.

    Source:
        Good (1953), The population frequencies of species and the estimation of population
        parameters.
    """
    once = sum(rows == 1 for rows in reference.counts.values())
    return min(1.0, (once + reference.others) / reference.present)


def _category_count(gate: Gate, current: Summary, reference: Summary) -> Iterator[Finding]:
    limit = gate.category_count
    shares = np.array(list(reference.counts.values()), dtype=float) / reference.present
    unseen = unseen_share(reference)
    expected, spread = categories_by_chance(shares, current.present, unseen=unseen)
    seen = len(current.counts)
    difference = abs(seen - expected) / max(expected, 1.0)
    # Six spreads: the numbers of categories of real months scatter more than independent draws.
    if difference <= limit.limit or abs(seen - expected) <= 6 * max(spread, 0.5):
        return
    yield Finding(
        statistic="category_count",
        column=current.column,
        observed=seen,
        reference=round(expected, 1),
        difference=difference,
        limit=limit.limit,
        action=limit.action,
        text=f"{current.column}: {seen:,} categories, where {expected:,.0f} are usual for "
        f"{current.present:,} rows.",
    )


def _distribution(gate: Gate, current: Summary, reference: Summary) -> Iterator[Finding]:
    limit = gate.distribution
    observed, expected = _binned(current, reference)
    value = psi(observed, expected)
    by_chance = psi_by_chance(
        len(expected),
        current.present,
        reference.present,
        significance=_significance(gate, limit),
    )
    if value <= max(limit.limit, by_chance):
        return
    yield Finding(
        statistic="distribution",
        column=current.column,
        observed=value,
        reference=0.0,
        difference=value,
        limit=limit.limit,
        action=limit.action,
        text=f"{current.column}: the distribution moved by {value:.2f} (stability index; at most "
        f"{limit.limit:.2f} allowed, chance gives up to {by_chance:.2f} here).",
    )


def _binned(current: Summary, reference: Summary) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both over common bins: quantiles of numbers, or categories with enough rows."""
    if current.kind == "number":
        return _number_bins(current, reference)
    ratio = current.present / reference.present
    kept = [
        name
        for name, rows in reference.counts.items()
        if min(rows, rows * ratio) >= MIN_EXPECTED
    ]
    pairs = []
    for summary in (current, reference):
        rows = [summary.counts.get(name, 0) for name in kept]
        pairs.append(np.array([*rows, summary.present - sum(rows)], dtype=float))
    return pairs[0], pairs[1]


def _number_bins(current: Summary, reference: Summary) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both between the reference's quantiles, as far as its buckets tell them apart."""
    places = np.array(sorted(int(bucket) for bucket in reference.counts))
    heights = np.array([reference.counts[str(place)] for place in places], dtype=float)
    reached = np.searchsorted(np.cumsum(heights), np.linspace(0, heights.sum(), BINS + 1)[1:-1])
    edges = np.unique(places[np.minimum(reached, len(places) - 1)])
    pairs = []
    for summary in (current, reference):
        own = np.array([int(bucket) for bucket in summary.counts])
        weights = np.array(list(summary.counts.values()), dtype=float)
        bins = np.searchsorted(edges, own)
        pairs.append(np.bincount(bins, weights, minlength=len(edges) + 1))
    used = pairs[1] > 0
    used |= pairs[0] > 0
    return pairs[0][used], pairs[1][used]


def _out_of_range(gate: Gate, current: Summary, reference: Summary) -> Iterator[Finding]:
    limit = gate.out_of_range
    if reference.minimum is None or reference.maximum is None:
        return
    low, high = bucket_of(np.array([reference.minimum, reference.maximum]))
    rows = sum(
        count for bucket, count in current.counts.items() if not low <= int(bucket) <= high
    )
    share = rows / current.present
    # Of N values, two are its ends: so many of N new ones are expected beyond them.
    expected = (2, max(reference.present, 2))
    if share <= limit.limit or _by_chance(gate, limit, (rows, current.present), expected):
        return
    yield Finding(
        statistic="out_of_range",
        column=current.column,
        observed=share,
        reference=0.0,
        difference=share,
        limit=limit.limit,
        action=limit.action,
        text=f"{current.column}: {share:.0%} of the values, from {current.minimum:,.6g} to "
        f"{current.maximum:,.6g}, lie outside {reference.minimum:,.6g} to "
        f"{reference.maximum:,.6g} (at most {limit.limit:.0%} allowed).",
    )


def _missing_rate(gate: Gate, current: Summary, reference: Summary) -> Iterator[Finding]:
    limit = gate.missing_rate
    share, usual = current.missing / max(current.rows, 1), reference.missing / reference.rows
    if abs(share - usual) <= limit.limit or _by_chance(
        gate, limit, (current.missing, current.rows), (reference.missing, reference.rows)
    ):
        return
    yield Finding(
        statistic="missing_rate",
        column=current.column,
        observed=share,
        reference=usual,
        difference=abs(share - usual),
        limit=limit.limit,
        action=limit.action,
        text=f"{current.column}: {share:.0%} missing, {usual:.0%} in the reference (difference "
        f"{abs(share - usual):.2f}, at most {limit.limit:.2f} allowed).",
    )


def _freshness(problem: Problem, current: Statistics, now: dt.datetime) -> Iterator[Finding]:
    days = problem.config.gate.freshness_days
    if days is None or current.newest is None:
        return
    age = (now - current.newest) / dt.timedelta(days=1)
    if age <= days:
        return
    yield Finding(
        statistic="freshness",
        column=problem.event_time,
        observed=age,
        reference=0.0,
        difference=age,
        limit=float(days),
        action="warn",
        text=f"{problem.event_time}: the newest event is {age:,.0f} days old (at most {days:,} "
        "allowed).",
    )
