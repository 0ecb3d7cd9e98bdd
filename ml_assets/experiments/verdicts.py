"""Does the measured difference support the hypothesis? Decided by its interval alone."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from ml_assets.evaluation.comparison import Difference, plain

Verdict = Literal["supported", "refuted", "inconclusive"]
Expected = Literal["better", "worse", "same"]


class Expectation(NamedTuple):
    """What a hypothesis says that the change does to the KPI."""

    expected: Expected
    by: float = 0.0
    """More than so much, in units of the KPI; for `same`: less than so much, either way."""

    def __str__(self) -> str:
        """As a person would say it."""
        if self.expected == "same":
            return f"no more than {plain(self.by)} better or worse"
        return f"{self.expected} by more than {plain(self.by)}" if self.by else self.expected


def judge(expectation: Expectation, difference: Difference) -> Verdict:
    """Hold an expectation against a difference.

    Supported when the whole interval is where it was expected, refuted when the whole interval is
    not, and inconclusive where it is on both sides, or the metric is undefined.

    Args:
        expectation: Of the hypothesis.
        difference: The variant minus the control.
    """
    _, low, high = difference.gain
    by = expectation.by
    match expectation.expected:
        case "better":
            inside, outside = low > by, high <= by
        case "worse":
            inside, outside = high < -by, low >= -by
        case "same":
            inside, outside = -by < low and high < by, low >= by or high <= -by
    if inside:
        return "supported"
    return "refuted" if outside else "inconclusive"


def pooled(repeated: Sequence[Difference]) -> Difference:
    """One difference of several fits with other seeds on the same rows.

    Its interval is as wide as the rows make that of one fit, and as the fits differ: the two are
    independent, so their squares add. One fit says nothing about the second part.

    Args:
        repeated: One difference for each seed.
    """
    first, number = repeated[0], len(repeated)
    if number == 1:
        return first
    estimates = np.array([each.estimate for each in repeated])
    estimate = float(estimates.mean())
    luck = stdtrit(number - 1, (1 + first.confidence) / 2) * estimates.std(ddof=1) / number**0.5
    below, above = (
        float(np.hypot(np.mean([abs(each.estimate - end(each)) for each in repeated]), luck))
        for end in (attrgetter("low"), attrgetter("high"))
    )
    return first._replace(
        challenger=float(np.mean([each.challenger for each in repeated])),
        incumbent=float(np.mean([each.incumbent for each in repeated])),
        estimate=estimate,
        low=estimate - below,
        high=estimate + above,
    )
