"""The demo's end: every planted fault, the models, and where to look next."""

from ml_assets.cli.chain import Outcome
from ml_assets.cli.chain_report import print_metrics, rows_sentence
from ml_assets.cli.printing import print_json, print_table, say
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
    say(
        f"{caught} of {len(outcome.evidence)} faults were caught. It took {outcome.seconds:.0f} s."
    )
    _print_next(outcome)


def _print_run(title: str, run: Outcome) -> None:
    say(f"{title}: {rows_sentence(run)}")
    if run.model is not None:
        say(f"  Model {run.model.number}: {run.model.decision}")
    for failure in run.failures:
        say(f"  FAILED {failure}")
    say()


def _print_next(outcome: DemoOutcome) -> None:
    say()
    say("Where to look next:")
    for line in (
        "make ui                                        the asset graph, checks and plots",
        "ml-assets status",
        "ml-assets verdict complaints 2015-04",
        "ml-assets compare complaints/raw@2015-03 complaints/raw@2015-04",
        "ml-assets models complaints",
        'ml-assets sql "select reasons, count(*) from complaints.quarantined group by 1"',
    ):
        say(f"  {line}")
    say(f"The home is {outcome.home}; elsewhere than the default, add --home.")
