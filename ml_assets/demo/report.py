"""The demo's end: every planted fault, the models, the loop, and where to look next."""

from ml_assets.cli.chain import Outcome
from ml_assets.cli.chain_report import print_metrics, rows_sentence
from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.demo.homes_story import HomesOutcome
from ml_assets.demo.loop import LoopOutcome
from ml_assets.demo.story import DemoOutcome


def print_demo(outcome: DemoOutcome, *, as_json: bool) -> None:
    """Tell what the demo showed."""
    if as_json:
        print_json(outcome)
        return
    say()
    _print_run("First run", outcome.first)
    _print_run("Second run: a new month, corrections, a repaired file", outcome.second)
    if outcome.second.model is not None:
        print_metrics(outcome.second.model)
    rows = [
        (each.fault, each.month, each.what, each.by, "yes" if each.caught else "NO")
        for each in outcome.evidence
    ]
    print_table("Planted faults", ["planted", "month", "what", "caught by", "caught"], rows)
    caught = sum(each.caught for each in outcome.evidence)
    say(f"{caught} of {len(outcome.evidence)} faults were caught.")
    _print_loop(outcome.loop)
    _print_homes(outcome.homes)
    say(f"It took {outcome.seconds:.0f} s.")
    _print_next(outcome)


def _print_run(title: str, run: Outcome) -> None:
    say(f"{title}: {rows_sentence(run)}")
    if run.model is not None:
        say(f"  Model {run.model.number}: {run.model.decision}")
    for failure in run.failures:
        say(f"  FAILED {failure}")
    say()


def _print_loop(loop: LoopOutcome) -> None:
    """What was sent, what came back, what was learned from it, and who answers now."""
    say()
    sent = f"{loop.requests:,} requests, {loop.requests_a_second:,.0f} a second by one client"
    swap = "seen before" if loop.swap_seconds is None else f"{loop.swap_seconds:.2f} s"
    rows = [
        ("answered", sent if loop.requests else "played before in this home"),
        ("ids in the prediction log", f"{loop.logged:,}"),
        ("labels in feedback", f"{loop.labels:,} in {', '.join(loop.batches)}"),
        ("version before", loop.before),
        ("version after", f"{loop.after}, learned from {loop.learned_batches} batches"),
        ("from its release to its first answer", swap),
        (
            "asked while it was made and swapped",
            f"{loop.asked_meanwhile:,} requests, {loop.failed_meanwhile:,} failed",
        ),
    ]
    title = "Feedback: " + ("the loop closed" if loop.closed else "THE LOOP DID NOT CLOSE")
    print_table(title, ["", "seen"], rows)
    say(loop.decision)


def _print_homes(homes: HomesOutcome) -> None:
    """The second problem: its runs, what was planted in its sources, and where their rows went."""
    say()
    _print_run("Homes, three weeks from four sources", homes.first)
    _print_run("Homes, a fourth week: a new location and a broken feed", homes.second)
    rows = [
        (each.fault, each.month, each.what, each.by, "yes" if each.caught else "NO")
        for each in homes.evidence
    ]
    title = "Planted in the sources of homes"
    print_table(title, ["planted", "week", "what", "caught by", "caught"], rows)
    columns = ["source", "rows in", "canonical", "merged", "quarantined"]
    told = [
        (each.name, each.rows, each.canonical, each.merged, each.quarantined)
        for each in homes.sources.sources
        if each.rows
    ]
    print_table("Rows in = canonical + merged + quarantined", columns, told)


def _print_next(outcome: DemoOutcome) -> None:
    say()
    say("Where to look next:")
    for line in (
        "make ui                                        the asset graph, checks and plots",
        "ml-assets status",
        "ml-assets verdict complaints 2015-04",
        "ml-assets compare complaints/raw@2015-03 complaints/raw@2015-04",
        "ml-assets models complaints",
        "ml-assets sources homes --rules                what each mapping did",
        "ml-assets serve                                ask the champion yourself, see /docs",
        'ml-assets sql "select reasons, count(*) from complaints.quarantined group by 1"',
    ):
        say(f"  {line}")
    say(f"The home is {outcome.home}; elsewhere than the default, add --home.")
