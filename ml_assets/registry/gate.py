"""May this model answer? The judgement alone: arrays of predictions in, findings out.

A challenger must beat the baseline and the champion on the same rows, each by an interval that
lies above the least gain, keep the KPI's floor, and not fall in any slice. A slice has fallen
when it lost more than `slices.tolerance` and the loss is no chance: the upper end of its
interval, corrected for the number of slices looked at, is below zero. The tolerance is a difference
of metrics that lie between 0 and 1, and a share of the champion's own value where errors of values
have no bound: 0.05 is five points of ROC AUC, and five percent of a location's own error. A slice
that the champion learned nothing about is new, and nothing that it could lose.

A champion that can no longer answer, because the code of contract or features has changed since,
must be replaced: there the challenger need not be better, only not worse by `slices.tolerance`.

Where the rows come from and what follows from the findings is in `promotion`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_assets.errors import InsufficientData
from ml_assets.evaluation import Difference, compare, metric_named
from ml_assets.evaluation.comparison import plain
from ml_assets.evaluation.slices import Column, SliceDifference, compare_slices
from ml_assets.problem import Config

Array = npt.NDArray[np.float64]
NAMED_SLICES = 3


class Finding(NamedTuple):
    """One thing that a promotion needs, and whether it is there."""

    check: str
    passed: bool
    text: str
    difference: Difference | None = None
    needed: bool = True
    """Whether the policy asks for it; what it does not ask for blocks nothing."""

    @property
    def blocks(self) -> bool:
        """Whether it keeps a release back."""
        return self.needed and not self.passed


@dataclass(frozen=True, kw_only=True)
class FrozenRows:
    """Rows that no model compared on them has learned from.

    Attributes:
        y: Labels; n rows.
        challenger: Its predictions; here and below also with the ends of intervals, n by 3.
        baseline: What the trivial model answers.
        champion: Its predictions; None where nobody answers yet.
        champion_can_answer: Whether it still could, for new rows.
        slices: Column to its n values.
        learned_slices: Column to the names of the slices that the champion learned from; all of
            them where a column is not listed.
    """

    y: Array
    challenger: Array
    baseline: Array
    champion: Array | None = None
    champion_can_answer: bool = True
    slices: Mapping[str, Column]
    learned_slices: Mapping[str, AbstractSet[str]] = field(default_factory=dict)


def judge(config: Config, rows: FrozenRows) -> tuple[Finding, ...]:
    """Hold a challenger to everything that a promotion asks of its answers.

    Args:
        config: Of the problem: KPI, promotion and slices.
        rows: What everybody answered.

    Returns:
        One finding for each thing asked, passed or not.
    """
    fit = _answers_fit(config, rows.challenger)
    if not fit.passed:
        return (fit,)  # numbers that are none cannot be compared
    try:
        against_baseline = _compare(config, rows, rows.baseline)
        findings = [
            fit,
            _keeps_floor(config, against_baseline.challenger),
            _beats(config, "baseline", against_baseline),
        ]
        if rows.champion is not None:
            against_champion = _compare(config, rows, rows.champion)
            findings.append(
                _beats(config, "champion", against_champion)
                if rows.champion_can_answer
                else _keeps_up(config, against_champion)
            )
            findings.append(_keeps_slices(config, rows, rows.champion))
    except InsufficientData as error:
        return fit, Finding("enough rows", passed=False, text=f"too few frozen rows: {error}")
    return tuple(findings)


def _answers_fit(config: Config, answers: Array) -> Finding:
    """Answers must be numbers, probabilities where those were asked for, and not all the same."""
    answers = answers if answers.ndim == 1 else answers[:, 0]
    broken = int((~np.isfinite(answers)).sum())
    outside = int(((answers < 0) | (answers > 1)).sum()) if config.kind == "binary" else 0
    if broken or outside:
        what = "not finite numbers" if broken else "no probabilities"
        text = f"{broken or outside:,} of {len(answers):,} answers are {what}"
    elif np.ptp(answers) == 0:
        text = f"it answers {plain(float(answers[0]))} for every row"
    else:
        return Finding("answers", passed=True, text="answers are finite and differ")
    return Finding("answers", passed=False, text=text)


def _keeps_floor(config: Config, value: float) -> Finding:
    """The KPI itself must be on the right side of its floor."""
    kpi = config.kpi
    higher = metric_named(kpi.metric).higher_is_better
    passed = value >= kpi.floor if higher else value <= kpi.floor
    if np.isnan(value):
        text = f"{kpi.metric} is undefined on these rows"
    elif passed:
        text = f"{kpi.metric} {plain(value)} keeps the floor {plain(kpi.floor)}"
    else:
        side = "below" if higher else "above"
        text = f"{kpi.metric} {plain(value)} is {side} the floor {plain(kpi.floor)}"
    return Finding("floor", passed=passed, text=text)


def _compare(config: Config, rows: FrozenRows, theirs: Array) -> Difference:
    return compare(
        config.kpi.metric,
        rows.y,
        rows.challenger,
        theirs,
        resamples=config.promotion.resamples,
        confidence=config.promotion.confidence,
        seed=config.training.seed,
    )


def _beats(config: Config, whom: str, difference: Difference) -> Finding:
    """The whole interval of the gain must lie above the least gain."""
    least = config.promotion.min_gain * _unit(difference)
    return Finding(
        f"beats the {whom}",
        passed=difference.exceeds(least),
        text=describe(difference, whom=whom, min_gain=least),
        difference=difference,
    )


def _keeps_up(config: Config, difference: Difference) -> Finding:
    """The whole interval of the gain must lie above a loss that a slice may have."""
    limit = config.slices.tolerance * _unit(difference)
    passed = difference.exceeds(-limit)
    text = (
        f"{difference.metric} {plain(difference.challenger)} against the champion's "
        f"{plain(difference.incumbent)} ({difference}) is {'' if passed else 'not shown to be '}"
        f"at most {plain(limit)} worse; the champion cannot answer with the installed code"
    )
    return Finding("replaces the champion", passed=passed, text=text, difference=difference)


def describe(difference: Difference, *, whom: str, min_gain: float) -> str:
    """A comparison in the house's words: who is where, and by how much."""
    metric = difference.metric
    if not np.isfinite(difference.estimate):
        return f"{metric} is undefined on these {difference.rows:,} rows, so nothing is shown"
    gain, low, _ = difference.gain
    place = "above" if difference.estimate > 0 else "below"
    if difference.estimate == 0:
        relation = f"equals the {whom}'s {plain(difference.incumbent)}"
    elif gain > 0 and low <= min_gain:
        least = f"by at least {plain(min_gain)}" if low > 0 else "by more than chance explains"
        relation = f"is {place} the {whom}'s {plain(difference.incumbent)}, but not {least}"
    else:
        relation = f"is {place} the {whom}'s {plain(difference.incumbent)}"
    return f"{metric} {plain(difference.challenger)} {relation} ({difference})"


def _keeps_slices(config: Config, rows: FrozenRows, champion: Array) -> Finding:
    """No slice may have fallen; see the module's docstring for what fallen means."""
    every = compare_slices(
        config.kpi.metric,
        rows.y,
        rows.challenger,
        champion,
        rows.slices,
        min_rows=config.slices.min_rows,
        resamples=config.promotion.resamples,
        confidence=config.promotion.confidence,
        seed=config.training.seed,
    )
    found = [one for one in every if _was_learned(one, rows)]
    new = [f"{one.column} {one.value}" for one in every if not _was_learned(one, rows)]
    limit = config.slices.tolerance
    fallen = [one for one in found if _has_fallen(one.difference, limit)]
    worst = fallen[0].difference if fallen else found[0].difference if found else None
    if fallen:
        text = "; ".join(_describe_fall(config, one, limit) for one in fallen[:NAMED_SLICES])
        if more := len(fallen) - NAMED_SLICES:
            text += f"; and {more} more" if more > 0 else ""
    else:
        text = f"none of {len(found)} slices {_loses(config, limit)}"
    if new:
        text += f"; new to the champion, so not held against it: {', '.join(new)}"
    return Finding("keeps every slice", passed=not fallen, text=text, difference=worst)


def _was_learned(one: SliceDifference, rows: FrozenRows) -> bool:
    """Whether the champion had rows of a slice to learn from; it cannot lose what it never had."""
    learned = rows.learned_slices.get(one.column)
    return learned is None or one.value in learned


def _loses(config: Config, limit: float) -> str:
    """What a slice may not do, as a person reads it."""
    kpi = metric_named(config.kpi.metric)
    verb = "falls" if kpi.higher_is_better else "rises"
    share = f"{100 * limit:.4g}% of its own {kpi.name}"
    return f"{verb} by more than {share if kpi.changes_in_shares else plain(limit)}"


def _has_fallen(difference: Difference, limit: float) -> bool:
    """Whether a slice lost more than the limit, and not by chance."""
    fallen = difference.gain[0] < -limit * _unit(difference)
    return fallen and difference.falls_short_of(0.0)


def _unit(difference: Difference) -> float:
    """What a share is a share of: the incumbent's own metric where that has no bound."""
    relative = metric_named(difference.metric).changes_in_shares
    return abs(difference.incumbent) if relative else 1.0


def _describe_fall(config: Config, one: SliceDifference, limit: float) -> str:
    difference = one.difference
    return (
        f"{one.column} {one.value}: {difference.metric} {plain(difference.challenger)} against "
        f"the champion's {plain(difference.incumbent)} {_loses(config, limit)} "
        f"({difference}, {difference.rows:,} rows)"
    )
