"""Measure a version whole, once, and remember it.

The same analysis of every model: same functions, same frozen test rows, so two of them can be laid
side by side. What it measures is in `analysis`; the functions that measure are in `evaluation`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import sqlalchemy as sa

from ml_assets.analysis.analysis import (
    Analysis,
    JudgedKPI,
    LimitBroken,
    MeasuredMetric,
)
from ml_assets.analysis.dependence import importance_of
from ml_assets.analysis.example import example_of
from ml_assets.analysis.learning import learning_curve
from ml_assets.analysis.shapley import is_installed
from ml_assets.evaluation import metric_named
from ml_assets.evaluation.closeness import closeness
from ml_assets.evaluation.curves import curves
from ml_assets.evaluation.thresholds import ThresholdChoice, confusion
from ml_assets.evaluation.weaknesses import SliceScan, number, scan_slices
from ml_assets.features.beside import columns_beside
from ml_assets.fingerprint import fingerprint, source_hash
from ml_assets.governance import newest_protection
from ml_assets.problem import Config, Problem
from ml_assets.registry import (
    Evaluation,
    ModelVersion,
    champion,
    evaluate,
    evaluations,
    load_bundle,
    version_named,
)
from ml_assets.registry.fairness import audit, beyond_limits
from ml_assets.registry.measuring import (
    Answers,
    answers_on_test,
    interval_on_test,
    metric_names,
    metrics_code,
)
from ml_assets.storage import Home, UTCDateTime, append_only, metadata

analyses = append_only(
    sa.Table(
        "analyses",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("analysis", sa.JSON, nullable=False),
        sa.Index("analyses_of_version", "version", "code"),
    )
)
"""Every analysis that was made; one that nothing has changed for is not made again."""


def analyse(
    problem: Problem, home: Home, version: ModelVersion | str, *, now: dt.datetime
) -> Analysis:
    """Measure everything about a version, or read what was measured before.

    Args:
        problem: Its configuration says what is measured.
        home: Where the version and its rows are.
        version: Which one.
        now: When.

    Raises:
        VersionNotFound: If there is no such version.
        ArtifactError: If it cannot be loaded.
        TrainingError: If its rows are no longer in the lake.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    measured = _measured(problem, home, version) or evaluate(problem, home, version, now=now)
    code = _code(problem, measured)
    if (known := _recorded(home, version, code)) is not None:
        return replace(known, unchanged=True)
    made = _analyse(problem, home, version, measured, now=now, code=code)
    row = {
        "problem": problem.name,
        "version": version.version,
        "code": code,
        "at": now,
        "analysis": made.to_json(),
    }
    with home.store.begin() as connection:
        connection.execute(sa.insert(analyses).values(row))
    return made


def scan_version(
    problem: Problem,
    home: Home,
    version: ModelVersion | str,
    by: Sequence[Sequence[str]],
    *,
    min_rows: int | None = None,
) -> SliceScan:
    """Slice the test rows of a version by any columns of the contract.

    Args:
        problem: Whose.
        home: Where its rows are.
        version: Which one.
        by: For each way, one column or several together.
        min_rows: That a slice needs; default what `config.yaml` says.

    Raises:
        ProblemError: If a column is none of the contract.
    """
    if isinstance(version, str):
        version = version_named(problem, home, version)
    bundle = load_bundle(problem, home, version)
    test = answers_on_test(problem, home, bundle)
    return _scan(problem, home, test, by, threshold=bundle.threshold, min_rows=min_rows)


def known_analysis(problem: Problem, home: Home, version: ModelVersion) -> Analysis | None:
    """What `analyse` would give back without measuring anything; None where it would have to."""
    measured = _measured(problem, home, version)
    return None if measured is None else _recorded(home, version, _code(problem, measured))


def analysed_versions(problem: Problem, home: Home) -> frozenset[str]:
    """Versions that were analysed at some time."""
    home.store.ensure(analyses)
    query = sa.select(analyses.c.version).where(analyses.c.problem == problem.name).distinct()
    with home.store.connect() as connection:
        return frozenset(connection.execute(query).scalars())


def customary_slices(problem: Problem) -> list[tuple[str, ...]]:
    """What `config.yaml` slices by; where it says nothing, every column that a model may read.

    Ids, times and prose divide rows into slices that nobody wants to see.
    """
    slices = problem.config.slices
    if slices.columns or slices.pairs:
        return [*((name,) for name in slices.columns), *slices.pairs]
    skipped = {problem.entity_id, problem.event_time}
    return [
        (name,)
        for name in problem.known_columns
        if name not in skipped
        and (problem.schema.columns[name].metadata or {}).get("categories") != "free"
    ]


def _analyse(
    problem: Problem,
    home: Home,
    version: ModelVersion,
    measured: Evaluation,
    *,
    now: dt.datetime,
    code: str,
) -> Analysis:
    config = problem.config
    bundle = load_bundle(problem, home, version)
    test = answers_on_test(problem, home, bundle)
    is_binary = config.kind == "binary"
    treated = audit(problem, home, test, threshold=bundle.threshold)
    rows = version.manifest.data.rows
    return Analysis(
        problem=problem.name,
        objective=config.objective,
        version=version.version,
        beside=None if measured.champion == version.version else measured.champion,
        number=version.number,
        estimator=version.manifest.algorithm.estimator,
        kind=config.kind,
        at=now,
        rows=len(test.y),
        train_rows=sum(rows.values()) - rows.get("test", 0),
        confidence=config.promotion.confidence,
        kpi=_kpi(config, measured),
        metrics=_metrics(problem, measured, test, threshold=bundle.threshold),
        threshold=bundle.threshold if is_binary else None,
        threshold_choice=_threshold_choice(version),
        confusion=confusion(test.y, test.challenger, threshold=bundle.threshold)
        if is_binary
        else None,
        curves=curves(test.y, test.challenger) if is_binary else None,
        closeness=None if is_binary else closeness(test.y, test.challenger),
        slices=_scan(
            problem, home, test, customary_slices(problem), threshold=bundle.threshold
        ),
        fairness=treated,
        limits_broken=tuple(
            LimitBroken(each.attribute, name, one.value or 0.0, limit)
            for each in treated
            for name, (one, limit) in beyond_limits(config, each).items()
        ),
        protection=newest_protection(problem, home),
        importance=importance_of(problem, home, bundle),
        learning_curve=learning_curve(problem, home, bundle),
        example=example_of(problem, home, bundle, version=version.version),
        code=code,
    )


def _measured(problem: Problem, home: Home, version: ModelVersion) -> Evaluation | None:
    """What was measured about a version as things stand; None where that has to be done.

    A champion stands beside the one before it, as it did when it was a challenger.
    """
    answering, code = champion(problem, home), metrics_code(problem)
    beside = answering.version if answering else None
    known = [
        one
        for one in evaluations(problem, home)
        if one.version == version.version and one.metrics_code == code
    ]
    if beside == version.version:
        return max(reversed(known), key=lambda one: one.champion != beside, default=None)
    return next((one for one in reversed(known) if one.champion == beside), None)


@cache
def analysis_code() -> str:
    """Hash of the source that analyses; following it takes a second."""
    return source_hash(analyse)


def _code(problem: Problem, measured: Evaluation) -> str:
    """Hash of what is analysed, and of the code that does."""
    return fingerprint(
        code=analysis_code(),
        with_shap=is_installed(),
        metrics=metrics_code(problem),
        champion=measured.champion,
        fairness=problem.config.fairness,
        protected=[problem.config.protected, problem.config.proxies],
        kpi=problem.config.kpi,
        confidence=problem.config.promotion.confidence,
        resamples=problem.config.promotion.resamples,
    )


def _scan(
    problem: Problem,
    home: Home,
    test: Answers,
    by: Sequence[Sequence[str]],
    *,
    threshold: float,
    min_rows: int | None = None,
) -> SliceScan:
    config = problem.config
    names = list(dict.fromkeys(name for way in by for name in way))
    known = [name for name in names if name in problem.fields]
    beside = columns_beside(problem, home, test.keys, known).columns if known else test.keys
    return scan_slices(
        metric_names(problem),
        test.y,
        test.challenger,
        {name: beside[name] for name in known},
        by,
        min_rows=min_rows or config.slices.min_rows,
        bins=config.slices.bins,
        threshold=threshold,
        confidence=config.promotion.confidence,
        seed=config.training.seed,
    )


def _kpi(config: Config, measured: Evaluation) -> JudgedKPI:
    kpi = config.kpi
    value = number(measured.metrics["test"][kpi.metric])
    is_higher = metric_named(kpi.metric).higher_is_better
    kept = value is not None and (value >= kpi.floor if is_higher else value <= kpi.floor)
    return JudgedKPI(**kpi.model_dump(), value=value, keeps_floor=kept)


def _metrics(
    problem: Problem, measured: Evaluation, test: Answers, *, threshold: float
) -> tuple[MeasuredMetric, ...]:
    """Every metric with its interval, beside those of others."""
    found = []
    for name in metric_names(problem):
        bounds = interval_on_test(problem, name, test, threshold=threshold)
        whose = {of: number(values[name]) for of, values in measured.metrics.items()}
        definition = metric_named(name)
        found.append(
            MeasuredMetric(
                name=name,
                formula=definition.formula,
                higher_is_better=definition.higher_is_better,
                value=whose["test"],
                low=number(bounds.low) if bounds else None,
                high=number(bounds.high) if bounds else None,
                train=whose["train"],
                baseline=whose["baseline"],
                champion=whose.get("champion"),
            )
        )
    return tuple(found)


def _threshold_choice(version: ModelVersion) -> ThresholdChoice | None:
    """How the threshold of the winner was chosen, as its training recorded it."""
    return version.course.contests[0].threshold if version.course else None


def _recorded(home: Home, version: ModelVersion, code: str) -> Analysis | None:
    home.store.ensure(analyses)
    query = (
        sa.select(analyses.c.analysis)
        .where(analyses.c.version == version.version, analyses.c.code == code)
        .order_by(analyses.c.id.desc())
        .limit(1)
    )
    with home.store.connect() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else Analysis.from_json(found)
