"""The demo itself: 24 months arrive, a model is made; more arrives, and it is made again.

Then it answers, and what comes of its answers makes the next one: see `loop`. Homes come last, from
several sources: see `homes_story`.
"""

import time
from dataclasses import dataclass

from ml_assets.cli.bars import shown_progress
from ml_assets.cli.chain import Asked, Outcome, run_chain
from ml_assets.demo import delivery, faults
from ml_assets.demo.evidence import Evidence, evidence
from ml_assets.demo.homes_story import HomesOutcome, homes_folder, play_homes
from ml_assets.demo.loop import LoopOutcome, play_loop
from ml_assets.errors import MLAssetsError
from ml_assets.ingestion import sources
from ml_assets.problem import Problem, problem_named
from ml_assets.storage import Home

PROBLEM = "complaints"


@dataclass(frozen=True, kw_only=True)
class DemoOutcome:
    """What the demo showed.

    Attributes:
        home: Where it was played.
        first: The run over 24 months.
        second: The run after more had arrived.
        evidence: Of every planted fault.
        loop: From requests over their feedback to the next champion.
        homes: The second problem, from several sources.
        seconds: It took in all.
    """

    home: str
    first: Outcome
    second: Outcome
    evidence: tuple[Evidence, ...]
    loop: LoopOutcome
    homes: HomesOutcome
    seconds: float

    @property
    def all_held(self) -> bool:
        """Whether every fault was caught, the loop closed, and nothing failed besides."""
        nothing_failed = not self.first.failures and not self.second.failures
        complaints_held = nothing_failed and self.all_caught and self.loop.closed
        return complaints_held and self.homes.all_held

    @property
    def all_caught(self) -> bool:
        """Whether every fault was caught."""
        return all(each.caught for each in self.evidence)


def run_demo(home: Home, *, quiet: bool) -> DemoOutcome:
    """Play the demo; playing it again in the same home changes nothing.

    Raises:
        MLAssetsError: If the home has complaints of somebody's own.
    """
    problem, folder, started = (
        problem_named(PROBLEM),
        delivery.delivery_folder(home),
        time.monotonic(),
    )
    _require_own_home(problem, home)
    with shown_progress(wanted=not quiet):
        delivery.deliver_first(folder)
    first = run_chain(PROBLEM, home, Asked(source=folder), quiet=quiet)
    at_first = evidence(problem, home, faults.AT_FIRST)
    delivery.deliver_later(folder)
    second = run_chain(PROBLEM, home, Asked(report=True), quiet=quiet)
    later = evidence(problem, home, faults.LATER)
    with shown_progress(wanted=not quiet):
        loop = play_loop(problem, home)
    homes = play_homes(home, quiet=quiet)
    return DemoOutcome(
        home=str(home.path),
        first=first,
        second=second,
        evidence=(*at_first, *later),
        loop=loop,
        homes=homes,
        seconds=time.monotonic() - started,
    )


def _require_own_home(problem: Problem, home: Home) -> None:
    generated = (delivery.delivery_folder(home), homes_folder(home))
    everything = [*sources(problem, home), *sources(problem_named("homes"), home)]
    if own := [place for place in everything if place not in generated]:
        raise MLAssetsError(
            f"{home.path} has rows from {own[0]}, and the demo would mix its generated ones "
            "with them. Give the demo a home of its own: ml-assets demo --home DIR"
        )
