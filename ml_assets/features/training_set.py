"""What a model learns from: features joined with labels that can be trusted, as a snapshot.

A training set is remembered by its content: which rows, how they are split, and the content hash
of every partition they came from. It stores ids, labels and splits; the features are read from
their own table at the version that was pinned. The same inputs make the same training set, and
then nothing new is written.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import sqlalchemy as sa
from pydantic import TypeAdapter

from ml_assets.errors import TableNotFound, TrainingError
from ml_assets.features import selection
from ml_assets.features.feedback import (
    FEEDBACK,
    UsableFeedback,
    load_feedback,
    usable_feedback,
)
from ml_assets.features.view import feature_recipe, features_fingerprint
from ml_assets.features.workspace import workspace
from ml_assets.fingerprint import fingerprint, library_versions, source_hash
from ml_assets.problem import Problem
from ml_assets.storage import Commit, Home, PartitionState, UTCDateTime, metadata
from ml_assets.validation import admissions

WHOLE = "all"
"""The one partition of the training set table."""

OUTDATED = "has no label that counts: others are newer, or it is weak, or out of the window"

training_sets = sa.Table(
    "training_sets",
    metadata,
    sa.Column("problem", sa.String(200), primary_key=True),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("run_id", sa.String(200), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Exactly which rows a model may learn from, and which it was kept from."""

    id: str
    """Hash of the rows and of the features of their partitions."""
    problem: str
    created_at: dt.datetime
    run_id: str
    rows: dict[str, int]
    """Labelled rows by split."""
    label_shares: dict[str, float]
    """By split: share of positive labels, or the mean label of a regression."""
    days: dict[str, tuple[dt.date, dt.date]]
    """First and last event day of each split."""
    snapshot: dict[str, str]
    """Partition to the content hash of its features."""
    excluded: dict[str, str]
    """Partition to the reason why none of its rows is in; as of the last look."""
    version: int
    """Of the training set table, in which the rows are."""
    features_version: int
    """Of the features table; the features are read as of then."""
    window: int | None
    """Newest partitions that were taken; None for all."""
    imbalance: str
    """What was done about unequal classes: none, class_weight or undersample."""
    left_out: int
    """Rows with the weight 0: too many of their class, so none is fitted on them."""
    warnings: tuple[str, ...]
    feedback: dict[str, str] = field(default_factory=dict)
    """Feedback batch to the content hash of its rows."""
    feedback_version: int | None = None
    """Of the feedback table; None where there was none."""
    unchanged: bool = False
    """Had been made before, by an earlier run."""

    @property
    def some_features(self) -> "Pinned":
        """A partition whose columns are those of all."""
        if self.snapshot:
            table, name = f"{self.problem}/features", next(iter(self.snapshot))
            return Pinned(table, name, self.features_version)
        return Pinned(
            f"{self.problem}/feedback", next(iter(self.feedback)), self.feedback_version
        )


class Pinned(NamedTuple):
    """A partition as it was when a training set was built."""

    table: str
    partition: str
    version: int | None


class _Taken(NamedTuple):
    """Partitions that rows were taken from, each with the hash of its content."""

    everything: dict[str, str]
    source: dict[str, str]
    feedback: dict[str, str]
    unused: dict[str, str]
    """Feedback batches that no row was taken from, and why."""


class _Usable(NamedTuple):
    """Features that are what they should be, and the partitions that have none."""

    states: dict[str, PartitionState]
    version: int
    validated_version: int | None
    """Of the rows that the features were made from."""
    excluded: dict[str, str]


def build_training_set(
    problem: Problem,
    home: Home,
    *,
    now: dt.datetime,
    run_id: str,
    window: int | None = None,
) -> TrainingSet:
    """Choose the rows whose labels can be trusted, split them, and remember the choice.

    Args:
        problem: Its configuration says how labels are trusted, split and balanced.
        home: Where the features are.
        now: A label counts when its delay has passed by then.
        run_id: Who asks.
        window: Take the newest so many partitions; default what `config.yaml` says.

    Raises:
        InsufficientData: If there are too few labelled rows, or too few of a class.
        TrainingError: If features are older than the rows or the code they are made from, or the
            label shares of an entity split differ too much.
    """
    window = window or problem.config.training.window_partitions
    usable, said = _usable_partitions(problem, home), usable_feedback(problem, home)
    with workspace() as connection:
        selection.load_labels(
            connection, problem, home, list(usable.states), version=usable.version
        )
        load_feedback(connection, problem, home, said)
        unlabelled = selection.choose(connection, problem, now=now, window=window)
        selection.group(connection, problem, home, version=usable.validated_version)
        selection.assign(connection, problem)
        summaries = selection.summaries(connection)
        warnings = selection.judge(problem, connection, summaries)
        taken = _taken(usable, said, selection.included(connection))
        commit = _commit(problem, taken.everything, window=window, run_id=run_id)
        state = home.lake.write(
            training_set_table(problem),
            WHOLE,
            selection.rows(connection, problem),
            commit=commit,
        )
        left_out = selection.count(connection, "training where weight = 0")
    return _remember(
        home,
        TrainingSet(
            id=fingerprint(rows=state.content_hash, snapshot=taken.everything),
            problem=problem.name,
            created_at=now,
            run_id=run_id,
            rows={name: each.rows for name, each in summaries.items()},
            label_shares={name: each.mean for name, each in summaries.items()},
            days={name: (each.first, each.last) for name, each in summaries.items()},
            snapshot=taken.source,
            excluded=dict(sorted({**usable.excluded, **unlabelled, **taken.unused}.items())),
            version=_version_of(problem, home, state),
            features_version=usable.version,
            window=window,
            imbalance=problem.config.training.imbalance,
            left_out=left_out,
            warnings=warnings,
            feedback=taken.feedback,
            feedback_version=said.version,
        ),
    )


def load_training_set(problem: Problem, home: Home, id: str | None = None) -> TrainingSet:  # noqa: A002
    """Return the training set called `id`, or the newest.

    Raises:
        TrainingError: If there is none.
    """
    home.store.ensure(training_sets)
    mine = sa.select(training_sets.c.record).where(training_sets.c.problem == problem.name)
    query = mine.order_by(training_sets.c.created_at.desc()).limit(1)
    with home.store.connect() as connection:
        record = connection.execute(
            query if id is None else mine.where(training_sets.c.id == id)
        ).scalar()
    if record is None:
        raise TrainingError(
            f"{problem.name} has no training set{f' {id}' if id else ''} yet. Materialize "
            "training_set first."
        )
    return _adapter().validate_python(record)


def training_set_table(problem: Problem) -> str:
    """Name of the table with the rows of a problem's training sets."""
    return f"{problem.name}/training_set"


def _usable_partitions(problem: Problem, home: Home) -> _Usable:
    """Find the features to learn from, and say why the other partitions have none."""
    table = f"{problem.name}/features"
    version = home.lake.version(table)
    if version is None:
        raise TableNotFound(
            f"The lake has no table {table}, so there is nothing to learn from. Materialize "
            "features first."
        )
    states = home.lake.partitions(table, version=version)
    validated_version = home.lake.version(f"{problem.name}/validated")
    validated = home.lake.partitions(f"{problem.name}/validated", version=validated_version)
    _require_current(problem, states, validated)
    excluded = {
        **dict.fromkeys(
            home.lake.partitions(f"{problem.name}/raw"), "was never judged by the gate"
        ),
        **_refusals(problem, home),
        **dict.fromkeys(validated, "has no features yet"),
        **dict.fromkeys(states, "is no longer among the validated rows"),
    }
    usable = {name: state for name, state in states.items() if name in validated}
    return _Usable(
        states=usable,
        version=version,
        validated_version=validated_version,
        excluded={name: why for name, why in excluded.items() if name not in usable},
    )


def _refusals(problem: Problem, home: Home) -> dict[str, str]:
    """Partitions that the gate refused, and why."""
    return {
        name: f"was refused by the gate: {'; '.join(admission.reasons)}"
        for name, admission in admissions(problem, home).items()
        if not admission.admitted
    }


def _taken(usable: _Usable, said: UsableFeedback, included: list[str]) -> _Taken:
    """Say what the partitions that rows came from hold."""
    batches = {f"{FEEDBACK}{name}": state for name, state in said.states.items()}
    hashes = {name: state.content_hash for name, state in {**usable.states, **batches}.items()}
    return _Taken(
        everything={name: hashes[name] for name in included},
        source={name: hashes[name] for name in included if name in usable.states},
        feedback={
            name: state.content_hash
            for name, state in said.states.items()
            if f"{FEEDBACK}{name}" in included
        },
        unused=dict.fromkeys(batches.keys() - set(included), OUTDATED),
    )


def _require_current(
    problem: Problem, states: dict[str, PartitionState], validated: dict[str, PartitionState]
) -> None:
    """Refuse features of other rows or other code: a model would learn from a mixture."""
    recipe = feature_recipe(problem)
    stale = [
        name
        for name, state in states.items()
        if name in validated
        and state.fingerprint != features_fingerprint(recipe, validated[name])
    ]
    if stale:
        raise TrainingError(
            f"{problem.name}: the features of {len(stale):,} of {len(states):,} partitions were "
            f"made from other rows, code or library versions than the present ones: "
            f"{', '.join(stale[:5])}{', …' if len(stale) > 5 else ''}. "  # noqa: PLR2004
            "Materialize features of these partitions first."
        )


def _commit(
    problem: Problem, snapshot: dict[str, str], *, window: int | None, run_id: str
) -> Commit:
    from ml_assets.ingestion.duplicates import MATCHED_BY

    config = problem.config
    code = source_hash(build_training_set)
    made_from = fingerprint(
        snapshot=snapshot,
        window=window,
        split=config.split,
        delay_days=config.label.delay_days,
        imbalance=config.training.imbalance,
        duplicates=config.duplicates,
        matched_by=library_versions(*MATCHED_BY) if config.duplicates else None,
        code=code,
    )
    return Commit(run_id=run_id, code_hash=code, fingerprint=made_from)


def _version_of(problem: Problem, home: Home, state: PartitionState) -> int:
    """Version of the training set table that has `state`; another run may write at once."""
    table = training_set_table(problem)
    version = home.lake.version(table) or 0
    found = home.lake.partitions(table, version=version)[WHOLE]
    if found.content_hash != state.content_hash:
        raise TrainingError(
            f"Another run built a training set of {problem.name} at the same time. Build it again."
        )
    return version


def _remember(home: Home, training_set: TrainingSet) -> TrainingSet:
    """Write the record, or return the one that an earlier run wrote."""
    home.store.ensure(training_sets)
    mine = (training_sets.c.problem == training_set.problem) & (
        training_sets.c.id == training_set.id
    )
    with home.store.begin() as connection:
        known = connection.execute(sa.select(training_sets.c.record).where(mine)).scalar()
        if known is not None:
            # The one that was built last is the newest, also where it had been built before.
            again = training_sets.update().where(mine)
            connection.execute(again.values(created_at=training_set.created_at))
            # The rows are the same; which partitions wait or are refused may have changed since.
            before = _adapter().validate_python(known)
            return replace(before, excluded=training_set.excluded, unchanged=True)
        connection.execute(
            training_sets.insert().values(
                problem=training_set.problem,
                id=training_set.id,
                created_at=training_set.created_at,
                run_id=training_set.run_id,
                record=_adapter().dump_python(training_set, mode="json"),
            )
        )
    return training_set


def _adapter() -> TypeAdapter[TrainingSet]:
    return TypeAdapter(TrainingSet)
