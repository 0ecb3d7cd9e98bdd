"""What came of a run, for people: partitions, competitors, champion against baseline, what next."""

from collections.abc import Iterator

from ml_assets.cli.chain import ModelFacts, Outcome
from ml_assets.cli.printing import print_json, print_table, say

MOST_PARTITIONS = 36
NO_REPORT = "No report: there are too few test rows for one, or a step before it failed."
WHOSE = ("test", "train", "baseline", "champion")


def print_outcome(outcome: Outcome, *, as_json: bool, with_report: bool = False) -> None:
    """Print what came of a run; also where its report is, if one was asked for."""
    if as_json:
        print_json(outcome)
        return
    _print_partitions(outcome)
    if outcome.refused:
        print_table("Refused", ["what", "why"], outcome.refused)
    if outcome.model is not None:
        _print_model(outcome.model)
    if with_report:
        say(f"Report: {outcome.report}" if outcome.report else NO_REPORT)
    for failure in outcome.failures:
        say(f"FAILED {failure}")
    print_next_steps(outcome)


def rows_sentence(outcome: Outcome) -> str:
    """Rows in = rows valid + rows quarantined."""
    parts = outcome.partitions
    rows_in, valid = sum(each.rows_in for each in parts), sum(each.rows_valid for each in parts)
    quarantined = sum(each.rows_quarantined for each in parts)
    admitted = sum(each.admitted for each in parts)
    return (
        f"{len(parts)} partitions, {admitted} admitted, {len(parts) - admitted} refused; "
        f"{rows_in:,} rows in = {valid:,} valid + {quarantined:,} quarantined; "
        f"{outcome.seconds:.0f} s{', unchanged' if outcome.unchanged else ''}."
    )


def print_next_steps(outcome: Outcome) -> None:
    """Where to look next."""
    say()
    for line in _next_steps(outcome):
        say(f"  {line}")


def _next_steps(outcome: Outcome) -> Iterator[str]:
    home = f" --home {outcome.home}"
    refused = [each.partition for each in outcome.partitions if not each.admitted]
    if refused:
        yield f"ml-assets verdict {outcome.problem} {refused[0]}{home}"
    if outcome.model is not None:
        version = f" --version {outcome.model.number}"
        yield f"ml-assets report {outcome.problem}{version}{home} --open"
    yield f"ml-assets models {outcome.problem}{home}"
    yield f"ml-assets ui{home}"


def _print_partitions(outcome: Outcome) -> None:
    shown = outcome.partitions
    if len(shown) > MOST_PARTITIONS:
        shown = tuple(each for each in shown if not each.admitted or each.rows_quarantined)
    rows = [
        (
            each.partition,
            "admitted" if each.admitted else "REFUSED",
            each.rows_in,
            each.rows_valid,
            each.rows_quarantined,
            "" if each.judged_now else "unchanged",
            _short(each.note) if each.admitted else "",
        )
        for each in shown[:MOST_PARTITIONS]
    ]
    columns = ["partition", "gate", "rows in", "valid", "quarantined", "", "note"]
    print_table(outcome.problem, columns, rows, empty="no partition was judged")
    say(rows_sentence(outcome))
    say()


def _print_model(model: ModelFacts) -> None:
    made = "new" if model.is_new else "unchanged: nothing that it is made from has changed"
    say(f"Model {model.number} ({model.version}), {made}.")
    columns = ["algorithm", f"{model.kpi} validation", f"{model.kpi} train", "seconds"]
    print_table("Competitors, the winner first", columns, model.competitors)
    print_metrics(model)
    _print_slices(model)
    for sentence in model.around:
        say(sentence)
    say(model.decision)


def print_metrics(model: ModelFacts) -> None:
    """The model's metrics beside the baseline's and the champion's."""
    whose = [name for name in WHOSE if name in model.metrics]
    if not whose:
        return
    rows = [
        (metric, *(model.metrics[of].get(metric) for of in whose))
        for metric in model.metrics[whose[0]]
    ]
    heads = {
        "test": "test",
        "train": "train",
        "baseline": "baseline",
        "champion": "champion before",
    }
    title = f"Metrics on {model.test_rows:,} test rows"
    print_table(title, ["metric", *(heads[of] for of in whose)], rows)


def _print_slices(model: ModelFacts) -> None:
    """The slices with the worst KPI, beside the baseline's where it was measured."""
    if not model.slices:
        return
    has_baseline = any(each.baseline is not None for each in model.slices)
    columns = ["slice", "rows", model.kpi, *(["baseline"] if has_baseline else [])]
    rows = [each if has_baseline else each[:-1] for each in model.slices]
    print_table("Slices, the worst first", columns, rows)


def _short(text: str, longest: int = 70) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
