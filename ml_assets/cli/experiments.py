"""`ml-assets experiment …`: hypotheses, what was changed, and what came of it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_assets.cli.bars import shown_progress
from ml_assets.cli.clock import now, who
from ml_assets.cli.printing import cell, print_json, print_table, say
from ml_assets.errors import ExperimentError
from ml_assets.problem import Problem, problem_named, problems
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.experiments import Asked, Experiment, ExperimentRun
    from ml_assets.experiments.mirror import Mirrored

HYPOTHESIS = 40
"""Characters of a hypothesis in a list."""


class RunFacts(NamedTuple):
    """What came of running an experiment once."""

    state: str
    verdict: str | None
    sentence: str
    at: dt.datetime
    who: str
    kpi: str | None
    control: float | None
    variant: float | None
    difference: float | None
    low: float | None
    high: float | None
    rows: int | None
    metrics: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, object]
    seconds: Mapping[str, float]
    reused: Sequence[str]
    error: str | None
    unchanged: bool


class ExperimentFacts(NamedTuple):
    """An experiment, and its run that counts."""

    id: str
    hypothesis: str
    expected: str
    axes: Sequence[str]
    changes: Sequence[str]
    differences: Sequence[str]
    owner: str
    created_at: dt.datetime
    follows: str | None
    followed_by: Sequence[str]
    held_out: str
    seeds: int
    verdicts_on_these_rows: int
    """Every look at the same held-out rows makes a lucky verdict likelier."""
    run: RunFacts | None
    failed_runs: Sequence[str]
    control: object
    variant: object


def declare_experiment(problem_name: str, home: Home, asked: "Asked") -> "Experiment":
    """Write an experiment down; whoever is at the keyboard owns it."""
    from ml_assets.experiments import declare

    return declare(problem_named(problem_name), home, asked, owner=who(), now=now())


def run_named(name: str, home: Home, *, quiet: bool) -> ExperimentFacts:
    """Run the experiment with an id."""
    from ml_assets.experiments import experiment_named, run_experiment

    problem = _problem_of(name)
    experiment = experiment_named(problem, home, name)
    with shown_progress(wanted=not quiet):
        run = run_experiment(problem, home, experiment, who=who(), clock=now)
    return _facts(problem, home, experiment, run)


def facts_named(name: str, home: Home) -> ExperimentFacts:
    """The experiment with an id."""
    from ml_assets.experiments import experiment_named, last_run

    problem = _problem_of(name)
    experiment = experiment_named(problem, home, name)
    return _facts(problem, home, experiment, last_run(home, experiment))


def listed(
    problem_name: str | None,
    home: Home,
    *,
    owner: str | None,
    verdict: str | None,
    search: str | None,
) -> list[ExperimentFacts]:
    """Experiments, newest first; of one problem or of all, and only those that fit."""
    from ml_assets.experiments import experiments, last_run

    wanted = [problem_named(problem_name)] if problem_name else list(problems())
    found = [
        _facts(problem, home, each, last_run(home, each))
        for problem in wanted
        for each in reversed(experiments(problem, home))
    ]
    return [
        each
        for each in found
        if owner in (None, each.owner)
        and verdict in (None, _outcome(each))
        and (search or "").casefold() in _text(each)
    ]


def print_declared(experiment: "Experiment", *, as_json: bool) -> None:
    """Print what was written down, and how to run it."""
    from ml_assets.experiments.arms import differences

    if as_json:
        print_json(experiment)
        return
    say(f"{experiment.id}: {experiment.hypothesis}")
    say(f"Changed: {', '.join(experiment.axes)}. Everything else is fixed.")
    for line in differences(experiment.control, experiment.variant):
        say(f"  {line}")
    say(f"Expected: {experiment.expectation}. Both answer the same held-out rows.")
    say(f"\n  ml-assets experiment run {experiment.id}")


def print_experiment(facts: ExperimentFacts, *, as_json: bool) -> None:
    """Print one experiment."""
    if as_json:
        print_json(facts)
        return
    follows = f", follows {facts.follows}" if facts.follows else ""
    say(f"{facts.id}: {facts.hypothesis}")
    say(f"{facts.owner}, {cell(facts.created_at)}{follows}. Changed: {', '.join(facts.axes)}.")
    for line in facts.differences:
        say(f"  {line}")
    for error in facts.failed_runs:
        say(f"A run failed. {error}")
    run = facts.run
    if run is None:
        say(f"\nNot run yet: ml-assets experiment run {facts.id}")
        return
    if run.state == "done":
        _print_metrics(run, facts.seeds)
        _print_versions(run)
        _print_time(run)
    say(f"\n{run.sentence}")
    if facts.verdicts_on_these_rows > 1 and run.state == "done":
        say(
            f"{facts.verdicts_on_these_rows} experiments had a verdict on these rows; of many, some "
            "are lucky. The promotion gate asks again."
        )
    if facts.followed_by:
        say(f"Followed by {', '.join(facts.followed_by)}.")
    elif run.state == "done":
        say(
            f'Go on: ml-assets experiment new {facts.id.rpartition("-")[0]} "…" --follows {facts.id}'
        )


def print_mirrored(done: "Mirrored", *, as_json: bool) -> None:
    """Say what was copied to MLflow."""
    if as_json:
        print_json(done)
        return
    say(
        f"{done.new:,} runs are new in {done.experiment} at {done.uri}, {done.known:,} were there: "
        "two for each experiment, control and variant."
    )


def print_list(found: Sequence[ExperimentFacts], *, as_json: bool) -> None:
    """Print experiments, newest first."""
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.id,
            each.owner,
            ", ".join(each.axes),
            _outcome(each),
            each.run and _effect(each.run),
            each.hypothesis[:HYPOTHESIS] + ("…" if len(each.hypothesis) > HYPOTHESIS else ""),
        )
        for each in found
    ]
    columns = ["id", "owner", "changed", "verdict", "difference", "hypothesis"]
    print_table("Experiments", columns, rows, empty="none fits")


def _print_metrics(run: RunFacts, seeds: int) -> None:
    control, variant = (run.metrics[side] for side in ("control", "variant"))
    rows = [
        (name, control[name], variant[name], variant[name] - control[name]) for name in control
    ]
    often = f", the mean of {seeds} seeds" if seeds > 1 else ""
    title = f"On {cell(run.rows)} held-out rows{often}"
    print_table(title, ["metric", "control", "variant", "difference"], rows)


def _print_versions(run: RunFacts) -> None:
    from ml_assets.registry import Axes

    found = {side: axes for side, axes in run.versions.items() if isinstance(axes, Axes)}
    rows = [
        (axis, *(getattr(found[side], axis)[:8] for side in ("control", "variant")))
        for axis in Axes._fields
    ]
    print_table("Versions", ["axis", "control", "variant"], rows)


def _print_time(run: RunFacts) -> None:
    reused = f"; made before: {', '.join(run.reused)}" if run.reused else ""
    say(f"{run.seconds['all']:.1f} s{reused}.")


def _outcome(facts: ExperimentFacts) -> str:
    if facts.run is None:
        return "not run yet"
    return facts.run.verdict or facts.run.state


def _effect(run: RunFacts) -> str | None:
    """Such as `-0.0025[-0.0071,+0.0021]`, in one word."""
    from ml_assets.evaluation.comparison import plain

    if run.difference is None or run.low is None or run.high is None:
        return None
    value, low, high = (plain(each, sign="+") for each in (run.difference, run.low, run.high))
    return f"{value}[{low},{high}]"


def _text(facts: ExperimentFacts) -> str:
    """Everything of an experiment that people search in."""
    parts = [facts.id, facts.hypothesis, *facts.changes, *facts.axes, *facts.failed_runs]
    return " ".join(parts).casefold()


def _problem_of(name: str) -> Problem:
    """The problem whose experiment has an id."""
    problem, _, number = name.rpartition("-")
    if not problem or not number.isdigit():
        raise ExperimentError(
            f"{name!r} is no id of an experiment; they look like complaints-7. "
            "See: ml-assets experiment list"
        )
    return problem_named(problem)


def _facts(
    problem: Problem, home: Home, experiment: "Experiment", run: "ExperimentRun | None"
) -> ExperimentFacts:
    from ml_assets.experiments import experiments, runs_of
    from ml_assets.experiments.arms import differences
    from ml_assets.experiments.records import count_verdicts

    after = [e.id for e in experiments(problem, home) if e.follows == experiment.number]
    return ExperimentFacts(
        id=experiment.id,
        hypothesis=experiment.hypothesis,
        expected=str(experiment.expectation),
        axes=experiment.axes,
        changes=experiment.changes,
        differences=differences(experiment.control, experiment.variant),
        owner=experiment.owner,
        created_at=experiment.created_at,
        follows=f"{problem.name}-{experiment.follows}" if experiment.follows else None,
        followed_by=after,
        held_out=experiment.held_out,
        seeds=experiment.seeds,
        verdicts_on_these_rows=count_verdicts(problem, home, experiment.held_out),
        run=None if run is None else _run(experiment, run),
        failed_runs=[each.error for each in runs_of(home, experiment) if each.error],
        control=experiment.control.model_dump(mode="json"),
        variant=experiment.variant.model_dump(mode="json"),
    )


def _run(experiment: "Experiment", run: "ExperimentRun") -> RunFacts:
    measured = run.difference
    return RunFacts(
        state=run.state,
        verdict=run.verdict,
        sentence=run.sentence(experiment),
        at=run.at,
        who=run.who,
        kpi=measured and measured.metric,
        control=measured and measured.incumbent,
        variant=measured and measured.challenger,
        difference=measured and measured.estimate,
        low=measured and measured.low,
        high=measured and measured.high,
        rows=measured and measured.rows,
        metrics=run.metrics,
        versions=run.versions,
        seconds=run.seconds,
        reused=run.reused,
        error=run.error,
        unchanged=run.unchanged,
    )
