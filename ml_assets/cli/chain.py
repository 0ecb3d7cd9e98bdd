"""`ml-assets run`: a source through the whole chain, and what came of it.

The run itself is Dagster's. What is told afterwards is read from the lake and the stores.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ml_assets.cli.bars import shown_progress
from ml_assets.cli.clock import now, who
from ml_assets.cli.models import around
from ml_assets.errors import SourceError
from ml_assets.problem import Declared, Key, Problem, problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.defs.runs import FailedStep, FinishedRun
    from ml_assets.registry import Evaluation
    from ml_assets.validation import Admission

REFUSED = 3

WORST_SLICES = 5
"""Shown of a new model; all of them are in the console and in Dagster."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked of a run.

    Attributes:
        source: A file or folder to remember and read.
        first: Only partitions from this one on.
        last: Only partitions up to this one.
        retrain: Fit a new model even when nothing has changed.
        report: Analyse the version that came of it, too, and write its report.
    """

    source: Path | None = None
    first: str | None = None
    last: str | None = None
    retrain: bool = False
    report: bool = False

    @property
    def is_range(self) -> bool:
        """Whether a range was given."""
        return self.first is not None or self.last is not None

    def has(self, partition: str) -> bool:
        """Whether a partition lies in the range; where it is, does not matter."""
        window = Key.of(partition).window
        return (self.first or window) <= window <= (self.last or window)


class PartitionFacts(NamedTuple):
    """What became of one partition."""

    partition: str
    admitted: bool
    rows_in: int
    rows_valid: int
    rows_quarantined: int
    judged_now: bool
    """By this run; else an earlier verdict still holds."""
    note: str


class Refused(NamedTuple):
    """A partition or file that was not used, and why."""

    name: str
    why: str


class CompetitorFacts(NamedTuple):
    """One algorithm of the training that made the model."""

    name: str
    kpi_validation: float | None
    kpi_train: float | None
    seconds: float


class SliceFacts(NamedTuple):
    """How good a model is on some of the rows."""

    name: str
    rows: int
    kpi: float
    baseline: float | None
    """Of the trivial model; None where it was not measured by slice."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The model that the present rows, code and configuration give.

    Attributes:
        metrics: Of whom (test, train, baseline, champion) to metric to value.
        decision: What came of considering its promotion.
        around: What it has beside one model of all rows: intervals, models of groups.
        slices: The worst of them by the KPI: column and value, rows, KPI, and the baseline's.
    """

    version: str
    number: str
    is_new: bool
    kpi: str
    competitors: tuple[CompetitorFacts, ...]
    metrics: Mapping[str, Mapping[str, float]]
    test_rows: int
    decision: str
    champion: str | None
    around: tuple[str, ...]
    slices: tuple[SliceFacts, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        refused: Partitions and files that were not used.
        report: The page about the version, where one was asked for and could be made.
        failures: Steps that failed for another reason than a refusal.
    """

    problem: str
    home: str
    run_id: str
    seconds: float
    partitions: tuple[PartitionFacts, ...]
    refused: tuple[Refused, ...]
    model: ModelFacts | None
    report: str | None
    failures: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 when everything asked for was done, 3 when something was refused, 1 on failure."""
        if self.failures:
            return 1
        return REFUSED if self.refused else 0

    @property
    def unchanged(self) -> bool:
        """Whether the run found nothing to do."""
        return (
            self.model is not None
            and not self.model.is_new
            and not any(each.judged_now for each in self.partitions if each.admitted)
        )


def run_chain(problem_name: str, home: Home, asked: Asked, *, quiet: bool) -> Outcome:
    """Register the source, run the chain over what waits, and read what came of it.

    With a range given, everything in it is run; without, only what is new, was revised, or was
    made by other code. Where nothing waits, a model is considered all the same.

    Raises:
        SourceError: If there is no source, or it has no rows in the range asked for.
    """
    from ml_assets.defs.waiting import waiting
    from ml_assets.ingestion import fetch_sources, register_source

    problem, started = problem_named(problem_name), time.monotonic()
    if asked.source is not None:
        register_source(problem, home, asked.source)
    with shown_progress(wanted=not quiet):
        absent = fetch_sources(problem, home, environment=os.environ, now=now())
        partitions, outside = partitions_asked(problem, home, asked)
        outside = (*outside, *(Refused(each.file, each.reason) for each in absent))
        todo = set(partitions if asked.is_range else waiting(problem, home).partitions)
        finished = _run(problem, home, [each for each in partitions if each in todo], asked)
    seconds = time.monotonic() - started
    return read_outcome(
        problem, home, finished, partitions, outside, asked=asked, seconds=seconds
    )


def partitions_asked(
    problem: Problem, home: Home, asked: Asked
) -> tuple[list[str], tuple[Refused, ...]]:
    """Partitions that the sources have rows of, inside the range; and those nobody may ask for.

    Raises:
        SourceError: If there are none.
    """
    from ml_assets.defs.partitions import possible
    from ml_assets.ingestion import source_partitions
    from ml_assets.ingestion.pending import refused_files

    found = [each for each in source_partitions(problem, home) if asked.has(each)]
    inside = possible(Declared.of(problem), found)
    if not inside:
        raise SourceError(_no_rows(problem, home, asked, refused_files(problem, home)))
    start = problem.config.partitions.start
    why = f"lies outside the partitions from {start} to now, see partitions.start"
    return inside, tuple(Refused(each, why) for each in found if each not in set(inside))


def read_outcome(
    problem: Problem,
    home: Home,
    finished: "FinishedRun",
    partitions: Sequence[str],
    outside: tuple[Refused, ...],
    *,
    asked: Asked,
    seconds: float,
) -> Outcome:
    """Read what came of a run from the lake and the stores."""
    from ml_assets.ingestion.pending import refused_files
    from ml_assets.validation import admissions

    verdicts = admissions(problem, home)
    judged = [verdicts[each] for each in partitions if each in verdicts]
    refused = (
        *(
            Refused(each.partition, " ".join(each.reasons))
            for each in judged
            if not each.admitted
        ),
        *(Refused(each.file, each.reason) for each in refused_files(problem, home)),
        *outside,
    )
    model = _model(problem, home, finished.run_id)
    return Outcome(
        problem=problem.name,
        home=str(home.path),
        run_id=finished.run_id,
        seconds=seconds,
        partitions=tuple(_partition(each, finished.run_id) for each in judged),
        refused=refused,
        model=model,
        report=_report(problem, home, model) if asked.report else None,
        failures=tuple(_failures(finished.failures, refused)),
    )


def _run(
    problem: Problem, home: Home, partitions: Sequence[str], asked: Asked
) -> "FinishedRun":
    """Run the whole chain over the partitions, or only what follows the features."""
    from ml_assets.defs.asking import TRIGGER_TAG, WHO_TAG
    from ml_assets.defs.jobs import refresh_job, retrain_job
    from ml_assets.defs.runs import run_here
    from ml_assets.defs.specs import key_of
    from ml_assets.defs.wiring import definitions_of

    declared = Declared.of(problem)
    force = {"ops": {f"{problem.name}__model": {"config": {"force": True}}}}
    return run_here(
        definitions_of(declared),
        refresh_job(declared) if partitions else retrain_job(declared),
        home=home,
        partitions=partitions,
        without=() if asked.report else [key_of(declared, "analysis")],
        tags={TRIGGER_TAG: "manual", WHO_TAG: who()},
        run_config=force if asked.retrain else None,
    )


def _no_rows(
    problem: Problem, home: Home, asked: Asked, refused: Sequence[tuple[str, str]]
) -> str:
    """Why there is nothing to run."""
    from ml_assets.ingestion import sources

    if refused:
        return "No file can be used. " + " ".join(f"{file}: {why}" for file, why in refused)
    places = ", ".join(str(place) for place in sources(problem, home))
    if not places:
        return f"{problem.name} has no source yet. Give one: --source FILE_OR_FOLDER"
    where = f" from {asked.first or 'the start'} to {asked.last or 'now'}"
    return f"{places} has no rows of {problem.name}{where}. Look at --from and --to."


def _partition(verdict: "Admission", run_id: str) -> PartitionFacts:
    worst = verdict.reasons or tuple(each.text for each in verdict.findings)
    return PartitionFacts(
        partition=verdict.partition,
        admitted=verdict.admitted,
        rows_in=verdict.rows_in,
        rows_valid=verdict.rows_valid,
        rows_quarantined=verdict.rows_quarantined,
        judged_now=verdict.run_id == run_id,
        note=worst[0] if worst else "",
    )


def _model(problem: Problem, home: Home, run_id: str) -> ModelFacts | None:
    from ml_assets.errors import TrainingError
    from ml_assets.registry import champion, evaluations, last_decision, present_model

    try:
        version = present_model(problem, home)
    except TrainingError:
        version = None
    if version is None:
        return None
    measured = [each for each in evaluations(problem, home) if each.version == version.version]
    decided, answering = last_decision(problem, home, version), champion(problem, home)
    contests = version.course.contests if version.course else []
    kpi = problem.config.kpi.metric
    return ModelFacts(
        version=version.version,
        number=version.number,
        is_new=version.run_id == run_id,
        kpi=kpi,
        competitors=tuple(
            CompetitorFacts(each.name, each.kpi, each.train.get(kpi), each.seconds)
            for each in contests
        ),
        metrics=measured[-1].metrics if measured else {},
        test_rows=measured[-1].rows if measured else 0,
        decision=decided.message if decided else "It was not considered yet.",
        champion=answering.version if answering else None,
        around=around(version),
        slices=tuple(_worst(measured[-1], kpi)) if measured else (),
    )


def _report(problem: Problem, home: Home, model: ModelFacts | None) -> str | None:
    from ml_assets.reporting import report_path

    if model is None:
        return None
    path = report_path(home, problem.name, model.version)
    return str(path) if path.exists() else None


def _worst(measured: "Evaluation", kpi: str) -> Iterator[SliceFacts]:
    """The slices with the worst KPI."""
    for each in measured.slices[:WORST_SLICES]:
        baseline = each.baseline.get(kpi)
        yield SliceFacts(f"{each.column} {each.value}", each.rows, each.metrics[kpi], baseline)


def _failures(failed: Sequence["FailedStep"], refused: Sequence[Refused]) -> Iterator[str]:
    """What went wrong; a refusal is told on its own, unless nobody else tells it."""
    for each in failed:
        if not (each.is_refusal and refused):
            yield f"{each.step}: {each.message}"
