"""Feedback out of a file: what was taken, and why the rest was not."""

from pathlib import Path

from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.feedback import Receipt, record_file
from ml_assets.problem import problem_named
from ml_assets.storage import Home

SHOWN_REFUSALS = 20

TAKEN = 0
NOTHING_TAKEN = 1
PARTLY_TAKEN = 3


def give_feedback(problem_name: str, home: Home, path: Path) -> Receipt:
    """Write the events of a file to the store."""
    from ml_assets.cli.clock import now

    return record_file(problem_named(problem_name), home, path, now=now())


def print_receipt(path: Path, receipt: Receipt, *, as_json: bool) -> None:
    """Say what became of the events of a file; for people the first refusals."""
    if as_json:
        print_json(receipt)
        return
    say(
        f"{path.name}: {receipt.taken:,} taken, {receipt.repeated:,} known already, "
        f"{len(receipt.refused):,} refused."
    )
    if not receipt.refused:
        return
    shown = receipt.refused[:SHOWN_REFUSALS]
    rows = [(each.prediction_id, each.reason) for each in shown]
    print_table("Refused", ["prediction", "why"], rows)
    if len(receipt.refused) > SHOWN_REFUSALS:
        say(f"The first {SHOWN_REFUSALS} are shown; --json prints all of them.")


def exit_code(receipt: Receipt) -> int:
    """How the command ends."""
    if not receipt.refused:
        return TAKEN
    return PARTLY_TAKEN if receipt.taken or receipt.repeated else NOTHING_TAKEN
