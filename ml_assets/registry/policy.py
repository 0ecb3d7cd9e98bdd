"""Which findings a release needs: `promotion.needs` of `config.yaml`, held against what was found.

What a release needs and nobody looked at is missing, and a missing check is a failed one: a gate
that ran no check is no gate. What the policy does not need is still found and recorded, and
blocks nothing.
"""

from collections.abc import Mapping, Sequence

from ml_assets.problem import Config
from ml_assets.problem.config import Need
from ml_assets.registry.gate import Finding

FOUNDATIONS = frozenset({"loads"})
"""Without these there is nothing to release, whoever asks and whatever for."""

CHECKS: Mapping[Need, frozenset[str]] = {
    "answers": frozenset({"answers"}),
    "fitness": frozenset({"fitness"}),
    "floor": frozenset({"floor"}),
    "baseline": frozenset({"beats the baseline"}),
    "champion": frozenset({"champion", "beats the champion", "replaces the champion"}),
    "slices": frozenset({"keeps every slice"}),
    "fairness": frozenset({"treats groups alike"}),
    "skew": frozenset({"serves as it learned"}),
}
"""Names of the findings that say something about what is needed."""

ABOUT_CHAMPION: frozenset[Need] = frozenset({"champion", "slices"})
"""Needed as soon as somebody answers already."""


def held_to(config: Config, found: Sequence[Finding], *, is_first: bool) -> tuple[Finding, ...]:
    """Say which findings block a release, and add those that are missing.

    Args:
        config: Of the problem: `promotion.needs`.
        found: What was found.
        is_first: Whether nobody answers yet.

    Returns:
        The findings, those that the policy does not need marked so, and a failed one for each
        need that nobody looked at; where something failed already, what followed is not missed.
    """
    needs = set(config.promotion.needs) - (ABOUT_CHAMPION if is_first else set())
    spared = frozenset().union(*(CHECKS[each] for each in CHECKS if each not in needs))
    marked = tuple(one._replace(needed=one.check not in spared) for one in found)
    if any(one.blocks for one in marked):
        return marked
    there = {one.check for one in found}
    missing = (each for each in CHECKS if each in needs and not CHECKS[each] & there)
    return (*marked, *map(_missing, missing))


def _missing(need: Need) -> Finding:
    text = f"nobody looked at {need}, which promotion.needs asks for"
    return Finding(need, passed=False, text=text)
